#include "relay/socketio/sio_registry.h"

#include "common/id.h"
#include "common/json.h"
#include "common/redis/io_scripts.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/redis/presence_keys.h"
#include "common/text.h"
#include "relay/redis/bus.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ROOMS_BYTES = IO_ROOMS_PER_SOCKET * (6 * IO_ROOM_MAX + 3) + 2, /* as a JSON array, all escaped */
    NUMBER_MAX = 24,
    SINCE_ARGS = 6, /* of IO_SCRIPT_SINCE, before its rooms */
};

static struct {
    const struct settings *settings;
    struct wheel *wheel;
    struct bus *bus; /* NULL: not begun, or ended */
    sio_registry_all_fn *all;
    void *arg;
    char entry[PRESENCE_ENTRY_MAX];
    char keep_ms[NUMBER_MAX], rooms_max[NUMBER_MAX], page[NUMBER_MAX]; /* page: IO_PAGE */
    uint64_t round;                                                    /* raised whenever all is said again */
    char round_text[NUMBER_MAX];
    struct wheel_timer reap;
} registry;

static void ignore(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    (void)reply;
}

#define SCRIPT(text) STR("EVAL"), STR(text), STR("0"), str_of(registry.settings->redis_prefix)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- sockets ---- */

bool sio_registry_has_room(uint64_t payer)
{
    return bus_has_room(registry.bus, payer);
}

/* Of every room, or of one alone; `left`: it is in that one no more. */
static void say_since(const struct sio_record *socket, const struct str *rooms, const uint64_t *since, size_t count,
                      bool left)
{
    struct str args[SINCE_ARGS + 2 * IO_ROOMS_PER_SOCKET] = {SCRIPT(IO_SCRIPT_SINCE), socket->nsp, socket->pid};
    char numbers[IO_ROOMS_PER_SOCKET][NUMBER_MAX];
    size_t args_count = SINCE_ARGS;
    if (!socket->pid.len || !count)
        return;
    for (size_t i = 0; i < count; i++) {
        snprintf(numbers[i], NUMBER_MAX, "%llu", (unsigned long long)since[i]);
        args[args_count++] = rooms[i];
        args[args_count++] = left ? STR("") : str_of(numbers[i]);
    }
    bus_command_for(registry.bus, socket->payer, ignore, NULL, args, args_count);
}

void sio_registry_add(const struct sio_record *socket)
{
    struct buf rooms;
    buf_init(&rooms, ROOMS_BYTES);
    json_begin_array(&rooms);
    for (size_t i = 0; i < socket->room_count; i++)
        json_add_string(&rooms, NULL, socket->rooms[i]);
    json_end_array(&rooms);
    CG_ASSERT(!rooms.failed);
    struct str args[] = {SCRIPT(IO_SCRIPT_ADD), socket->nsp,  socket->sid,     str_of(registry.entry),
                         socket->pid,           socket->name, buf_str(&rooms), str_of(registry.round_text)};
    bus_command_for(registry.bus, socket->payer, ignore, NULL, args, COUNT(args));
    buf_fini(&rooms);
}

void sio_registry_drop(const struct sio_record *socket, bool keep)
{
    struct str args[] = {SCRIPT(IO_SCRIPT_DROP), socket->nsp, socket->sid, str_of(registry.entry),
                         keep ? str_of(registry.keep_ms) : STR("0")};
    bus_command_for(registry.bus, socket->payer, ignore, NULL, args, COUNT(args));
}

static void move(const struct sio_record *socket, struct str what, struct str room)
{
    struct str args[] = {SCRIPT(IO_SCRIPT_MOVE),    socket->nsp, socket->sid, str_of(registry.entry), what, room,
                         str_of(registry.rooms_max)};
    bus_command_for(registry.bus, socket->payer, ignore, NULL, args, COUNT(args));
}

void sio_registry_join(const struct sio_record *socket, struct str room)
{
    move(socket, STR("join"), room);
}

void sio_registry_since(const struct sio_record *socket, const struct str *rooms, const uint64_t *since, size_t count)
{
    say_since(socket, rooms, since, count, false);
}

void sio_registry_leave(const struct sio_record *socket, struct str room)
{
    move(socket, STR("leave"), room);
    say_since(socket, &room, &(uint64_t){0}, 1, true);
}

/* ---- questions ---- */

/* The caller of a command. */
struct question {
    union {
        sio_name_fn *name;
        sio_who_fn *who;
        sio_recovered_fn *recovered;
    } done;
    void *arg;
    uint64_t round; /* when it was asked */
    uint64_t payer;
    char *nsp, *pid; /* of a recovery */
    size_t since_count;
    struct since *since; /* of a recovery: what the pid's hash said just before */
};

struct since {
    char *room;
    uint64_t seq;
};

static struct question *question_new(void *arg)
{
    struct question *question = mem_zalloc(sizeof *question);
    question->arg = arg;
    return question;
}

static void on_claimed(void *arg, const struct bus_reply *reply)
{
    struct question *question = arg;
    int64_t said = bus_reply_number(reply);
    question->done.name(question->arg, !reply || said < 0 ? ERR_DOWN : said ? ERR_OK : ERR_DUPLICATE);
    free(question);
}

void sio_registry_claim_name(const struct sio_record *socket, struct str name, sio_name_fn *done, void *arg)
{
    struct question *question = question_new(arg);
    question->done.name = done;
    struct str args[] = {SCRIPT(IO_SCRIPT_CLAIM), socket->nsp, socket->sid, str_of(registry.entry), name};
    bus_command_for(registry.bus, socket->payer, on_claimed, question, args, COUNT(args));
}

/* Of this version's clients, or of version 2's. */
static bool is_sid(struct str text)
{
    bool fits = text.len == IO_SID_LEN || (text.len >= IO_SID_OF_CONNECTION && text.len <= IO_SID_MAX);
    return fits && text_utf8_valid(text);
}

static void on_found(void *arg, const struct bus_reply *reply)
{
    struct question *question = arg;
    struct str sid = reply ? bus_reply_text(reply) : STR("");
    if (sid.len && !is_sid(sid)) { /* what is for nobody must not be for everybody */
        metric_inc(METRIC_BUS_MALFORMED);
        sid = STR("");
    }
    question->done.who(question->arg, !reply ? ERR_DOWN : sid.len ? ERR_OK : ERR_NOT_FOUND, sid);
    free(question);
}

void sio_registry_find_name(struct str nsp, struct str name, uint64_t payer, sio_who_fn *done, void *arg)
{
    struct question *question = question_new(arg);
    question->done.who = done;
    struct str args[] = {SCRIPT(IO_SCRIPT_WHO), nsp, name};
    bus_command_for(registry.bus, payer, on_found, question, args, COUNT(args));
}

/* Redis keeps what relays gave it; one of another version, or a hand, may have given something else. */
static bool is_whole(const struct sio_record *record)
{
    bool whole = record->sid.len == IO_SID_LEN && text_utf8_valid(record->sid) && text_utf8_valid(record->name) &&
                 record->name.len <= STORE_NAME_MAX;
    for (size_t i = 0; whole && i < record->room_count; i++)
        whole = record->rooms[i].len <= IO_ROOM_MAX && text_utf8_valid(record->rooms[i]);
    return whole;
}

/* HGETALL of the pid: fields and values by turns. */
static void on_since(void *arg, const struct bus_reply *reply)
{
    static const struct str before = {"since ", 6};
    struct question *question = arg;
    size_t count = bus_reply_count(reply) / 2;
    if (count > 2 * IO_ROOMS_PER_SOCKET)
        count = 2 * IO_ROOMS_PER_SOCKET; /* nobody of ours wrote more */
    question->since = mem_zalloc((count + 1) * sizeof question->since[0]);
    for (size_t i = 0; i < count; i++) {
        struct str field = bus_reply_text(bus_reply_at(reply, 2 * i));
        struct str value = bus_reply_text(bus_reply_at(reply, 2 * i + 1));
        char number[NUMBER_MAX], *end;
        if (field.len <= before.len || memcmp(field.ptr, before.ptr, before.len) != 0 || !value.len ||
            value.len >= sizeof number)
            continue;
        memcpy(number, value.ptr, value.len);
        number[value.len] = '\0';
        struct since *since = &question->since[question->since_count];
        since->seq = strtoull(number, &end, 10);
        if (*end)
            continue;
        since->room = mem_strndup(field.ptr + before.len, field.len - before.len);
        question->since_count++;
    }
}

static const struct question *recovering; /* whose answer is being told */

uint64_t sio_registry_was_since(struct str room)
{
    const struct question *question = recovering;
    CG_ASSERT(question);
    for (size_t i = 0; i < question->since_count; i++)
        if (str_eq(str_of(question->since[i].room), room))
            return question->since[i].seq;
    return UINT64_MAX;
}

static void on_recovered(void *arg, const struct bus_reply *reply)
{
    struct question *question = arg;
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct sio_record record = {
        .nsp = str_of(question->nsp), .pid = str_of(question->pid), .rooms = rooms, .payer = question->payer};
    size_t count = bus_reply_count(reply);
    enum err err = !reply ? ERR_DOWN : count < 2 ? ERR_NOT_FOUND : ERR_OK;
    if (!err) {
        record.sid = bus_reply_text(bus_reply_at(reply, 0));
        record.name = bus_reply_text(bus_reply_at(reply, 1));
        for (size_t i = 2; i < count && record.room_count < IO_ROOMS_PER_SOCKET; i++)
            rooms[record.room_count++] = bus_reply_text(bus_reply_at(reply, i));
        if (!is_whole(&record)) {
            metric_inc(METRIC_BUS_MALFORMED);
            err = ERR_NOT_FOUND;
        }
    }
    if (!err) {
        if (question->round != registry.round && registry.bus)
            sio_registry_add(&record); /* all was said again meanwhile, and this one was not among them */
    }
    recovering = question;
    question->done.recovered(question->arg, err, err ? NULL : &record);
    recovering = NULL;
    for (size_t i = 0; i < question->since_count; i++)
        free(question->since[i].room);
    free(question->since);
    free(question->nsp);
    free(question->pid);
    free(question);
}

void sio_registry_recover(struct str nsp, struct str pid, uint64_t payer, sio_recovered_fn *done, void *arg)
{
    struct question *question = question_new(arg);
    question->done.recovered = done;
    question->round = registry.round;
    question->payer = payer;
    question->nsp = mem_strndup(nsp.ptr, nsp.len);
    question->pid = mem_strndup(pid.ptr, pid.len);
    char key[512];
    snprintf(key, sizeof key, "%s:io:pid:%.*s %.*s", registry.settings->redis_prefix, (int)nsp.len, nsp.ptr,
             (int)pid.len, pid.ptr);
    struct str look[] = {STR("HGETALL"), str_of(key)};
    bus_command_for(registry.bus, payer, on_since, question, look,
                    COUNT(look)); /* answered first: commands keep their order */
    struct str args[] = {SCRIPT(IO_SCRIPT_RECOVER), nsp, pid, str_of(registry.entry), str_of(registry.round_text)};
    bus_command_for(registry.bus, payer, on_recovered, question, args, COUNT(args));
}

/* ---- saying all again ---- */

static void sweep(struct str cursor);

static void on_swept(void *arg, const struct bus_reply *reply)
{
    uint64_t round = (uint64_t)(uintptr_t)arg;
    if (!registry.bus || round != registry.round || bus_reply_count(reply) != 2)
        return; /* ended, begun anew, or Redis was lost */
    struct str cursor = bus_reply_text(bus_reply_at(reply, 0));
    int64_t dropped = bus_reply_number(bus_reply_at(reply, 1));
    if (dropped)
        log_info("sio.swept", "sockets=%lld", (long long)dropped);
    if (!str_eq(cursor, STR("0")))
        sweep(cursor);
}

static void sweep(struct str cursor)
{
    struct str args[] = {
        SCRIPT(IO_SCRIPT_SWEEP), str_of(registry.entry), str_of(registry.round_text), str_of(registry.keep_ms), cursor,
        str_of(registry.page)};
    bus_command(registry.bus, on_swept, (void *)(uintptr_t)registry.round, args, COUNT(args));
}

/* What Redis still has of ours and `all` does not name any more was dropped while Redis was down. */
static void say_all(void)
{
    registry.round++;
    snprintf(registry.round_text, NUMBER_MAX, "%llu", (unsigned long long)registry.round);
    registry.all(registry.arg);
}

void sio_registry_said(void)
{
    if (registry.bus)
        sweep(STR("0"));
}

/* ---- relays that lost their lease ---- */

static void reap(void);

static void on_reaped(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    if (!registry.bus || bus_reply_count(reply) != 3)
        return;
    int64_t dropped = bus_reply_number(bus_reply_at(reply, 1));
    if (dropped)
        log_info("sio.reaped", "sockets=%lld", (long long)dropped);
    if (bus_reply_number(bus_reply_at(reply, 2)))
        reap(); /* there are more */
    if (bus_reply_number(bus_reply_at(reply, 0))) {
        log_info("sio.registered", "entry=%s reaped=1", registry.entry);
        say_all();
    }
}

/* With jitter, so that not all relays look at the same moment. */
static void reap_later(void)
{
    int64_t turn = registry.settings->lease_ms / 4;
    wheel_set(registry.wheel, &registry.reap, turn - (int64_t)(id_random() % (uint64_t)(turn / 4 + 1)));
}

static void reap(void)
{
    struct str args[] = {SCRIPT(IO_SCRIPT_REAP), str_of(registry.entry), str_of(registry.keep_ms),
                         str_of(registry.page)};
    bus_command(registry.bus, on_reaped, NULL, args, COUNT(args));
}

static void on_reap_timer(struct wheel_timer *timer)
{
    (void)timer;
    reap_later();
    reap();
}

void sio_registry_bus_state(bool up)
{
    if (!up || !registry.bus)
        return;
    say_all();
    /* If Redis was away from all, no lease was renewed: the others are given time to come back, too. */
    wheel_set(registry.wheel, &registry.reap, registry.settings->lease_ms);
}

/* ---- beginning and end ---- */

void sio_registry_init(const struct settings *settings, struct wheel *wheel, struct bus *bus, uint64_t incarnation,
                       sio_registry_all_fn *all, void *arg)
{
    registry.settings = settings;
    registry.wheel = wheel;
    registry.bus = bus;
    registry.all = all;
    registry.arg = arg;
    registry.reap.fired = on_reap_timer;
    presence_entry(registry.entry, settings->name, incarnation);
    snprintf(registry.keep_ms, NUMBER_MAX, "%lld", (long long)settings->io_recovery_ms);
    snprintf(registry.rooms_max, NUMBER_MAX, "%lld", (long long)settings->io_rooms_max);
    snprintf(registry.page, NUMBER_MAX, "%d", IO_PAGE);
    snprintf(registry.round_text, NUMBER_MAX, "%llu", (unsigned long long)registry.round);
    reap_later();
}

void sio_registry_fini(void)
{
    wheel_cancel(&registry.reap);
    registry.bus = NULL;
}
