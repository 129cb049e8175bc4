#include "bench/load/herd.h"

#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/talk.h"

enum { SAID_MEANWHILE = 5, SAID_AFTERWARDS = 2 };

/* Whoever comes back without a cursor is told nothing of what it missed; what came to its relay only after it may
 * be. */
static void cut_all(void)
{
    for (unsigned i = 0; i < world.client_count; i++) {
        struct client *client = &world.clients[i];
        if (client_speaks(client))
            continue;
        client_cut(client);
        if (!world.protocol->resumes) {
            client->may_skip = SAID_MEANWHILE;
            client->seq = 0;
        }
    }
}

/* Until each speaker's messages are taken; those who are away cannot have them yet. */
static void await_acknowledgements(void)
{
    uint64_t now = now_ns(), deadline = now + 10 * NS_PER_S;
    while (!world_all_taken() && now < deadline) {
        client_flush_all();
        loop_turn(now + 50 * NS_PER_MS);
        now = now_ns();
    }
}

void herd_run(struct result *result)
{
    const struct options *options = world.options;
    talk_once(1); /* so that everybody has a place to come back to */
    talk_drain();
    cut_all();
    talk_once(SAID_MEANWHILE);
    await_acknowledgements();
    uint64_t before = world.tally.delivered, begin = now_ns();
    measure_cpu(options, &result->herd_before);
    result->herd_clients = world.client_count - world.open;
    talk_connect(world.client_count);
    if (world.protocol->resumes)
        talk_drain();
    result->herd = true;
    result->herd_s = (double)(now_ns() - begin) / 1e9;
    result->herd_missed = world.tally.delivered - before;
    measure_cpu(options, &result->herd_after);
    talk_settle();
    talk_once(SAID_AFTERWARDS);
    talk_drain();
}
