#include "admin/commands.h"
#include "admin/redis.h"
#include "common/service/operator.h"

#include <inttypes.h>
#include <stdio.h>

static void print_relay(void *arg, const struct redis_relay *relay)
{
    (void)arg;
    printf("relay=%.*s incarnation=%.*s state=%s lease_ms=%" PRId64 "\n", (int)relay->name.len, relay->name.ptr,
           (int)relay->incarnation.len, relay->incarnation.ptr, relay->state, relay->lease_ms);
}

enum status command_relays(const struct settings *settings, const struct operation *operation)
{
    char why[256] = "";
    (void)operation;
    return redis_relays(settings, print_relay, NULL, why) ? command_cannot(why) : STATUS_FINE;
}

struct wanted {
    struct str name;
    bool found;
};

static void look(void *arg, const struct redis_relay *relay)
{
    struct wanted *wanted = arg;
    wanted->found |= str_eq(relay->name, wanted->name) && strcmp(relay->state, "up") == 0;
}

/* Notifies the relay, which drains as after SIGTERM; `chaguan relays` shows when it has ended. */
enum status command_drain(const struct settings *settings, const struct operation *operation)
{
    char why[256] = "";
    struct wanted wanted = {.name = str_of(operation->words[0])};
    struct buf wire;
    int64_t heard = 0;
    if (redis_relays(settings, look, &wanted, why))
        return command_cannot(why);
    if (!wanted.found)
        return command_cannot("no relay of that name is up");
    buf_init(&wire, 512);
    operator_add_drain(&wire, wanted.name, 0);
    if (wire.failed)
        return command_cannot("no relay has such a name");
    enum err err = redis_publish(settings, WIRE_CONTROL, buf_str(&wire), &heard, why);
    buf_fini(&wire);
    if (!err && !heard)
        return command_cannot("no relay is listening");
    return err ? command_cannot(why) : STATUS_FINE;
}
