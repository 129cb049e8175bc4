#include "admin/commands.h"
#include "common/store/store.h"

#include <inttypes.h>
#include <stdio.h>

static enum status with_epoch(const struct settings *settings, enum err (*fn)(struct store *store, uint64_t *epoch))
{
    char why[256] = "";
    uint64_t epoch = 0;
    struct store *store = store_new(settings);
    enum err err = store_ready(store, why);
    if (!err) {
        err = fn(store, &epoch);
        snprintf(why, sizeof why, "the epoch cannot be had: %.200s", store_error(store));
    }
    store_free(store);
    if (err)
        return command_cannot(why);
    printf("epoch=%" PRIu64 "\n", epoch);
    return STATUS_FINE;
}

enum status command_epoch(const struct settings *settings, bool dry)
{
    (void)dry;
    return with_epoch(settings, store_epoch);
}

enum status command_epoch_raise(const struct settings *settings, bool dry)
{
    (void)dry;
    return with_epoch(settings, store_raise_epoch);
}
