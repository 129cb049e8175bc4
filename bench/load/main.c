/* main.c: a load generator for chat servers. The phases of a run:
 *
 *   rooms and users are made, clients come in, it settles ─▶ warm-up ─▶ measured ─▶ what is missing comes
 *                                                         └─▶ or the herd: cut, and back again
 *
 * options.c says what can be asked for, report.c what is answered. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/herd.h"
#include "bench/load/report.h"
#include "bench/load/rest.h"
#include "bench/load/setup.h"
#include "bench/load/talk.h"

#include <sys/resource.h>

enum { COMING_AT_ONCE = 256 };

static void raise_file_limit(unsigned needed)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < needed + 64)
        die("%u clients need more open files than the %lu that are allowed", needed, (unsigned long)limit.rlim_max);
}

static void come_in(struct result *result)
{
    const struct options *options = world.options;
    measure_memory(options, &result->connect_before);
    measure_cpu(options, &result->connect_before);
    uint64_t begin = now_ns();
    talk_connect(COMING_AT_ONCE);
    result->connect_s = (double)(now_ns() - begin) / 1e9;
    talk_settle();
    measure_cpu(options, &result->connect_after);
    measure_memory(options, &result->connect_after);
    result->connected = true;
}

static void talk(struct result *result)
{
    const struct options *options = world.options;
    if (options->warmup > 0)
        talk_for(options->warmup);
    world.measured_from_ns = now_ns();
    result->before = world.tally;
    measure_cpu(options, &result->cpu_before);
    talk_for(options->seconds);
    measure_cpu(options, &result->cpu_after);
    result->after = world.tally;
    result->seconds = (double)(now_ns() - world.measured_from_ns) / 1e9;
    talk_drain();
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct result result;
    options_read(&options, argc, argv);
    bool rest = rest_is(options.protocol);
    const struct protocol *protocol = protocol_named(rest ? "chatroom" : options.protocol);
    if (!protocol)
        die("there is no protocol %s", options.protocol);
    if (rest && !options.http)
        options.http = options.to[0];
    raise_file_limit(options.clients);
    measure_check(&options);
    loop_open();
    world_init(&options, protocol);
    if (rest) {
        rest_run(&result);
    } else {
        setup_world();
        come_in(&result);
        if (options.herd)
            herd_run(&result);
        else
            talk(&result);
    }
    report(&result);
    bool fine = !world_lost() && !world_faults() && world_all_taken();
    world_free();
    return fine ? 0 : 1;
}
