/* presence_online.c: looks up in Redis which of the application's users are online, with one command for each server
 * involved. */
#include "common/mem.h"
#include "common/redis/presence_ask.h"
#include "relay/core/presence_entries.h"

#include <stdlib.h>

enum { ARGS_BEFORE = 4, WHO_MAX = 48 };
_Static_assert((int)ARGS_BEFORE + (int)PRESENCE_ASKED <= (int)BUS_MAX_ARGS, "one question");

struct asking {
    struct presence_asked *asked;
    size_t left; /* answers that have not come, and one more while they are asked for */
    presence_online_fn *fn;
    void *arg;
};

/* One server's. */
struct part {
    struct asking *asking;
    size_t count;
    size_t at[PRESENCE_ASKED];
};

static void settle(struct asking *asking)
{
    if (--asking->left)
        return;
    asking->fn(asking->arg);
    free(asking);
}

static void on_answer(void *arg, const struct bus_reply *reply)
{
    struct part *part = arg;
    struct asking *asking = part->asking;
    bool whole = bus_reply_count(reply) == part->count;
    for (size_t i = 0; i < part->count; i++) {
        struct presence_asked *asked = &asking->asked[part->at[i]];
        asked->known = whole;
        asked->online = whole && bus_reply_number(bus_reply_at(reply, i)) == 1;
    }
    free(part);
    settle(asking);
}

static void ask_server(struct presence *presence, size_t server, struct asking *asking, size_t count)
{
    char who[PRESENCE_ASKED][WHO_MAX];
    struct str args[ARGS_BEFORE + PRESENCE_ASKED] = {STR("EVAL"), STR(PRESENCE_SCRIPT_ASK), STR("0"),
                                                     str_of(presence->settings->redis_prefix)};
    struct part *part = mem_zalloc(sizeof *part);
    part->asking = asking;
    for (size_t i = 0; i < count; i++) {
        uint64_t user = asking->asked[i].user, inbox = WIRE_INBOX(user);
        if (bus_server_of(presence->bus, inbox) != server)
            continue;
        snprintf(who[part->count], WHO_MAX, "%llu:%llu", (unsigned long long)inbox, (unsigned long long)user);
        args[ARGS_BEFORE + part->count] = str_of(who[part->count]);
        part->at[part->count++] = i;
    }
    if (!part->count) {
        free(part);
        return;
    }
    asking->left++;
    bus_command_on(presence->bus, server, on_answer, part, args, ARGS_BEFORE + part->count);
}

void presence_ask_online(struct presence *presence, struct presence_asked *asked, size_t count, presence_online_fn *fn,
                         void *arg)
{
    struct asking *asking = mem_zalloc(sizeof *asking);
    CG_ASSERT(count <= PRESENCE_ASKED);
    *asking = (struct asking){asked, 1, fn, arg};
    for (size_t server = 0; count && server < bus_servers(presence->bus); server++)
        ask_server(presence, server, asking, count);
    settle(asking);
}
