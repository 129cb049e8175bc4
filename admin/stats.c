#include "admin/commands.h"
#include "admin/redis.h"
#include "common/store/store.h"

#include <inttypes.h>
#include <stdio.h>

static void print_relay(void *arg, const struct redis_relay *relay)
{
    unsigned *count = arg;
    ++*count;
    printf("relay=%.*s incarnation=%.*s lease_ms=%" PRId64 "\n", (int)relay->name.len, relay->name.ptr,
           (int)relay->incarnation.len, relay->incarnation.ptr, relay->lease_ms);
}

static enum status print_stored(const struct settings *settings)
{
    char why[256] = "";
    struct store_stats stats = {0};
    struct store *store = store_new(settings);
    enum err err = store_ready(store, why);
    if (!err) {
        err = store_stats(store, &stats);
        snprintf(why, sizeof why, "cannot read the database: %.200s", store_error(store));
    }
    store_free(store);
    if (err)
        return command_cannot(why);
    printf("users=%" PRIu64 "\nrooms=%" PRIu64 "\nmembers=%" PRIu64 "\nmessages=%" PRIu64 "\nepoch=%" PRIu64
           "\nschema=%" PRIu64 "\n",
           stats.users, stats.conversations, stats.members, stats.messages, stats.epoch, stats.schema);
    return STATUS_FINE;
}

enum status command_stats(const struct settings *settings, bool dry)
{
    (void)dry;
    char why[256] = "";
    unsigned relays = 0;
    enum status status = print_stored(settings);
    if (status)
        return status;
    if (redis_relays(settings, print_relay, &relays, why))
        return command_cannot(why);
    printf("relays=%u\n", relays);
    return STATUS_FINE;
}
