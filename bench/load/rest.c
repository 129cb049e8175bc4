#include "bench/load/rest.h"

#include "bench/load/protocol.h"
#include "bench/load/pool.h"
#include "bench/load/setup.h"

#include <stdio.h>
#include <string.h>

/* A request's token: when it was asked, in nanoseconds since the start (18 minutes), and what of it the answer must
 * say. */
enum { SUBJECT_BITS = 24 };

static uint64_t begin_ns, asked;
static bool ending;

static void ask_get_room_info(unsigned subject, struct bytes *out)
{
    char body[128];
    snprintf(body, sizeof body, "{\"roomId\":\"%s\"}", world.rooms[subject % world.room_count].id);
    post_write(out, "/mysql/getRoomInfo", "", body);
}

static bool is_room_info(unsigned subject, struct text body)
{
    char name[64];
    int len = snprintf(name, sizeof name, "\"%s %u\"", world.options->label, subject % world.room_count);
    return text_find(body, "\"success\":true") && memmem(body.ptr, body.len, name, (size_t)len);
}

/* A new room and a new user each time. */
static void ask_create_chatroom(unsigned subject, struct bytes *out)
{
    char body[256];
    const char *label = world.options->label;
    snprintf(body, sizeof body, "{\"chatroomName\":\"%s %08x %u\",\"nickName\":\"%s %08x %u\",\"headNum\":1}", label,
             world.run, subject, label, world.run, subject);
    post_write(out, "/mysql/createChatroom", "", body);
}

static bool is_chatroom(unsigned subject, struct text body)
{
    (void)subject;
    return text_field(body, "chatroomId").len && text_field(body, "nickId").len;
}

static const struct call {
    const char *protocol;
    bool rooms; /* there must be some before */
    void (*ask)(unsigned subject, struct bytes *out);
    bool (*right)(unsigned subject, struct text body);
} calls[] = {
    {"rest-getRoomInfo", true, ask_get_room_info, is_room_info},
    {"rest-createChatroom", false, ask_create_chatroom, is_chatroom},
};

static const struct call *call_named(const char *protocol)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (!strcmp(calls[i].protocol, protocol))
            return &calls[i];
    return NULL;
}

bool rest_is(const char *protocol)
{
    return call_named(protocol);
}

static bool next(void *arg, struct bytes *out, uint64_t *token)
{
    const struct call *call = arg;
    uint64_t subject = asked++ & ((1u << SUBJECT_BITS) - 1);
    if (ending)
        return false;
    *token = (now_ns() - begin_ns) << SUBJECT_BITS | subject;
    call->ask((unsigned)subject, out);
    world.tally.sent++;
    return true;
}

static void answered(void *arg, uint64_t token, unsigned status, struct text body)
{
    const struct call *call = arg;
    uint64_t due = begin_ns + (token >> SUBJECT_BITS);
    world.tally.requests++;
    world.tally.acknowledged++;
    if (status != 200 || !call->right(token & ((1u << SUBJECT_BITS) - 1), body))
        world_fault(FAULT_REFUSED, &world.clients[0], body);
    if (due >= world.measured_from_ns)
        hist_add(&world.latency, now_ns() - due);
}

static void turn_for(double seconds)
{
    for (uint64_t end = now_ns() + (uint64_t)(seconds * 1e9); now_ns() < end;)
        loop_turn(end);
}

void rest_run(struct result *result)
{
    const struct options *options = world.options;
    const struct call *call = call_named(options->protocol);
    struct pool_work work = {next, answered, (void *)(uintptr_t)call};
    struct pool *pools[MAX_ADDRESSES];
    if (call->rooms)
        setup_world();
    begin_ns = now_ns();
    for (unsigned i = 0; i < options->to_count; i++)
        pools[i] = pool_new(options->to[i], (options->clients + options->to_count - 1 - i) / options->to_count, &work);
    turn_for(options->warmup);
    world.measured_from_ns = now_ns();
    result->before = world.tally;
    measure_cpu(options, &result->cpu_before);
    turn_for(options->seconds);
    measure_cpu(options, &result->cpu_after);
    result->after = world.tally;
    result->seconds = (double)(now_ns() - world.measured_from_ns) / 1e9;
    ending = true;
    for (unsigned i = 0; i < options->to_count; i++) {
        for (uint64_t end = now_ns() + 10 * NS_PER_S; pool_busy(pools[i]) && now_ns() < end;)
            loop_turn(end);
        pool_free(pools[i]);
    }
}
