/* registry_fakes.h: what Redis knows of Socket.IO's sockets, asked of a real one by several relays in one process. */
#ifndef CG_TESTS_REGISTRY_FAKES_H
#define CG_TESTS_REGISTRY_FAKES_H

#include "tests/unit/redis/redis_server.h"

#include "common/clock.h"
#include "common/redis/io_scripts.h"
#include "common/log.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/socketio/sio_registry.h"
#include "relay/core/wheel.h"

/* ---- Redis ---- */

static bool is_up;
static int commands;

/* What happens between a question and its answer. */
static void (*meanwhile)(void);

bool bus_has_room(const struct bus *bus, uint64_t payer)
{
    (void)bus;
    return payer != 0xbad;
}

void bus_command_for(struct bus *bus, uint64_t payer, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)payer;
    bus_command(bus, fn, arg, args, count);
}

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)bus;
    commands++;
    redisReply *reply = is_up ? command(args, count) : NULL;
    void (*then)(void) = meanwhile;
    meanwhile = NULL;
    if (then)
        then();
    fn(arg, (const void *)reply);
    freeReplyObject(reply);
}

/* ---- relays ---- */

enum { LEASE_MS = 6000, RECOVERY_MS = 120000 };

static struct settings settings;
static struct wheel wheel;
static int64_t now_ms;
static const struct sio_record *living[8]; /* what the relay says it has */
static size_t living_count;
static int said_all;

static void say_all(void *arg)
{
    (void)arg;
    said_all++;
    for (size_t i = 0; i < living_count; i++)
        sio_registry_add(living[i]);
    sio_registry_said();
}

/* From now on the calls are those of this relay, whose lease lives. */
static void be(uint64_t incarnation)
{
    sio_registry_fini();
    sio_registry_init(&settings, &wheel, (struct bus *)(void *)&wheel, incarnation, say_all, NULL);
    ask("SET t:lease:r:%llu 1", (unsigned long long)incarnation);
}

static int begin(void **state)
{
    (void)state;
    settings = (struct settings){.redis_prefix = (char *)(uintptr_t)"t",
                                 .name = (char *)(uintptr_t)"r",
                                 .lease_ms = LEASE_MS,
                                 .io_rooms_max = IO_ROOMS_PER_SOCKET,
                                 .io_recovery_ms = RECOVERY_MS};
    ask("FLUSHALL");
    now_ms = 5000000;
    clock_freeze(now_ms);
    wheel_init(&wheel);
    is_up = true;
    living_count = 0;
    said_all = 0;
    be(1);
    return 0;
}

/* As long as it takes for a relay to look for dead ones, once. */
static inline void pass_a_turn(void)
{
    now_ms += LEASE_MS / 4 + WHEEL_TICK_MS;
    clock_freeze(now_ms);
    wheel_advance(&wheel);
}

#define SID_A "AAAAAAAAAAAAAAAAAAAA"
#define SID_B "BBBBBBBBBBBBBBBBBBBB"
#define PID_A "aaaaaaaaaaaaaaaaaaaaaaaa"
#define PID_B "bbbbbbbbbbbbbbbbbbbbbbbb"

static const struct str two_rooms[] = {{"reds", 4}, {"a \"b\"/c", 7}};
static const struct sio_record ann = {{"/", 1}, {SID_A, 20}, {PID_A, 24}, {"ann", 3}, two_rooms, 2, 0};
static const struct sio_record bob = {{"/", 1}, {SID_B, 20}, {PID_B, 24}, {"", 0}, NULL, 0, 0};

/* ---- answers ---- */

static enum err got;
static char got_sid[32];
static struct {
    char sid[32], name[32], rooms[256];
    uint64_t since[4]; /* of the first rooms */
} back;

static void on_name(void *arg, enum err err)
{
    assert_ptr_equal(arg, &got);
    got = err;
}

static void on_who(void *arg, enum err err, struct str sid)
{
    assert_ptr_equal(arg, &got);
    got = err;
    snprintf(got_sid, sizeof got_sid, "%.*s", (int)sid.len, sid.ptr);
}

static void on_recovered(void *arg, enum err err, const struct sio_record *socket)
{
    assert_ptr_equal(arg, &got);
    got = err;
    assert_int_equal(!err, socket != NULL);
    memset(&back, 0, sizeof back);
    if (!socket)
        return;
    assert_bytes(socket->nsp, "/");
    assert_int_equal(socket->pid.len, IO_PID_LEN);
    snprintf(back.sid, sizeof back.sid, "%.*s", (int)socket->sid.len, socket->sid.ptr);
    snprintf(back.name, sizeof back.name, "%.*s", (int)socket->name.len, socket->name.ptr);
    for (size_t i = 0; i < socket->room_count && i < 4; i++)
        back.since[i] = sio_registry_was_since(socket->rooms[i]);
    for (size_t i = 0; i < socket->room_count; i++)
        snprintf(back.rooms + strlen(back.rooms), sizeof back.rooms - strlen(back.rooms), "%.*s|",
                 (int)socket->rooms[i].len, socket->rooms[i].ptr);
}

static enum err claim(const struct sio_record *socket, const char *name)
{
    got = ERR_INTERNAL;
    sio_registry_claim_name(socket, str_of(name), on_name, &got);
    return got;
}

static enum err who(const char *name)
{
    got = ERR_INTERNAL;
    sio_registry_find_name(STR("/"), str_of(name), 0, on_who, &got);
    return got;
}

static enum err recover(const char *pid)
{
    got = ERR_INTERNAL;
    sio_registry_recover(STR("/"), str_of(pid), 0, on_recovered, &got);
    return got;
}

/* ---- relays lost ---- */

#define TEST(name) cmocka_unit_test_setup(name, begin)

#endif
