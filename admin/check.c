#include "admin/commands.h"
#include "common/store/store.h"

#include <inttypes.h>
#include <stdio.h>

static void say(void *arg, const char *line)
{
    (void)arg;
    puts(line);
}

enum status command_check(const struct settings *settings, bool dry)
{
    (void)dry;
    char why[256] = "";
    uint64_t findings = 0;
    struct store *store = store_new(settings);
    enum status status = STATUS_FINE;
    if (store_ready(store, why)) {
        status = command_cannot(why);
    } else if (store_check(store, say, NULL, &findings)) {
        snprintf(why, sizeof why, "the check could not be finished: %.200s", store_error(store));
        status = command_cannot(why);
    } else if (findings) {
        printf("%" PRIu64 " findings\n", findings);
        status = STATUS_FOUND;
    } else {
        puts("no findings");
    }
    store_free(store);
    return status;
}
