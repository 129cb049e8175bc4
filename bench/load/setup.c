#include "bench/load/setup.h"

#include "bench/load/protocol.h"
#include "bench/load/pool.h"

#include <stdio.h>

enum { CONNECTIONS = 32 };

struct progress {
    const struct setup *setup;
    unsigned count, asked, answered;
};

static bool next(void *arg, struct bytes *out, uint64_t *token)
{
    struct progress *progress = arg;
    if (progress->asked == progress->count)
        return false;
    *token = progress->asked;
    progress->setup->ask(progress->asked++, out);
    return true;
}

static void answered(void *arg, uint64_t token, unsigned status, struct text body)
{
    struct progress *progress = arg;
    if (status != 200 || !progress->setup->answered((unsigned)token, body)) {
        struct bytes request = {0};
        progress->setup->ask((unsigned)token, &request);
        die("%u %.*s\nis the answer to\n%.*s", status, body.len < 300 ? (int)body.len : 300, body.ptr, (int)request.len,
            request.data);
    }
    progress->answered++;
}

void setup_world(void)
{
    if (world.protocol->prepare)
        world.protocol->prepare();
    if (!world.protocol->setups)
        return;
    if (!world.options->http)
        die("%s needs --http: its rooms and users are made over REST", world.protocol->name);
    for (const struct setup *setup = world.protocol->setups; setup->ask; setup++) {
        struct progress progress = {setup, setup->of_rooms ? world.room_count : world.client_count, 0, 0};
        struct pool_work work = {next, answered, &progress};
        struct pool *pool = pool_new(world.options->http, CONNECTIONS, &work);
        while (progress.answered < progress.count)
            loop_turn(now_ns() + NS_PER_S);
        pool_free(pool);
    }
}
