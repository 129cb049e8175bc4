/* What Redis answers, to whatever it is asked: who is present, whose lease ran out, whose socket it was. The input
 * is a list of answers, a line each: ":n" a number, "-" nothing, "*n" an array of the next n, all else a text. What
 * is taken from them is fit to be shown. When there are no more, the connection is lost. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/redis/io_keys.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/text.h"
#include "relay/redis/bus.h"
#include "relay/core/presence.h"
#include "relay/socketio/sio_registry.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 7, USER = 9, ELEMENTS_MAX = 64, DEPTH_MAX = 4, ASKED_MAX = 256 };

/* ---- answers ---- */

struct bus_reply {
    enum { NOTHING, NUMBER, TEXT, ARRAY } kind;
    int64_t number;
    char *text; /* with a NUL behind it, as hiredis gives it */
    size_t len, count;
    struct bus_reply *elements[ELEMENTS_MAX];
};

int64_t bus_reply_number(const struct bus_reply *reply)
{
    return reply && reply->kind == NUMBER ? reply->number : 0;
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    return reply && reply->kind == TEXT ? (struct str){reply->text, reply->len} : STR("");
}

size_t bus_reply_count(const struct bus_reply *reply)
{
    return reply && reply->kind == ARRAY ? reply->count : 0;
}

const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index)
{
    CG_ASSERT(index < bus_reply_count(reply));
    return reply->elements[index];
}

static struct str input;

static struct bus_reply *read_reply(int depth)
{
    const char *line = input.len ? memchr(input.ptr, '\n', input.len) : NULL;
    size_t len = line ? (size_t)(line - input.ptr) : input.len, used = line ? len + 1 : len;
    struct bus_reply *reply = mem_zalloc(sizeof *reply);
    char *text = mem_strndup(input.ptr, len);
    input = (struct str){input.ptr + used, input.len - used};
    if (*text == ':') {
        reply->kind = NUMBER;
        reply->number = strtoll(text + 1, NULL, 10);
    } else if (*text == '*' && depth < DEPTH_MAX) {
        size_t count = strtoul(text + 1, NULL, 10) % (ELEMENTS_MAX + 1);
        reply->kind = ARRAY;
        while (reply->count < count)
            reply->elements[reply->count++] = read_reply(depth + 1);
    } else if (*text != '-') {
        reply->kind = TEXT;
        reply->text = text;
        reply->len = len;
        return reply;
    }
    free(text);
    return reply;
}

static void free_reply(struct bus_reply *reply)
{
    for (size_t i = 0; i < reply->count; i++)
        free_reply(reply->elements[i]);
    free(reply->text);
    free(reply);
}

/* ---- Redis, asked ---- */

static struct {
    bus_reply_fn *fn;
    void *arg;
} asked[ASKED_MAX];
static size_t first, asked_count;

size_t bus_servers(const struct bus *bus)
{
    (void)bus;
    return 1;
}

size_t bus_server_of(const struct bus *bus, uint64_t conversation)
{
    (void)bus;
    (void)conversation;
    return 0;
}

void bus_command_on(struct bus *bus, size_t server, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)bus;
    CG_ASSERT(!server && count && count <= BUS_MAX_ARGS);
    for (size_t i = 0; i < count; i++)
        CG_ASSERT(args[i].ptr);
    if (asked_count == ASKED_MAX) {
        fn(arg, NULL);
        return;
    }
    asked[(first + asked_count) % ASKED_MAX].fn = fn;
    asked[(first + asked_count++) % ASKED_MAX].arg = arg;
}

void bus_command(struct bus *bus, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    bus_command_on(bus, 0, fn, arg, args, count);
}

bool bus_has_room(const struct bus *bus, uint64_t payer)
{
    (void)bus;
    (void)payer;
    return true;
}

void bus_command_for(struct bus *bus, uint64_t payer, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)payer;
    bus_command_on(bus, 0, fn, arg, args, count);
}

static void answer_all(void)
{
    for (int i = 0; asked_count && i < 4 * ASKED_MAX; i++) {
        struct bus_reply *reply = input.len ? read_reply(0) : NULL;
        bus_reply_fn *fn = asked[first].fn;
        void *arg = asked[first].arg;
        first = (first + 1) % ASKED_MAX;
        asked_count--;
        fn(arg, reply);
        if (reply)
            free_reply(reply);
    }
}

/* ---- who is told ---- */

static void check_member(const struct member *member)
{
    CG_ASSERT(member->user && text_utf8_valid(member->name) && text_utf8_valid(member->head));
    CG_ASSERT(member->name.len <= STORE_NAME_MAX && member->head.len <= 1024 && !json_vet(member->head, 1, 1));
}

struct session *sessions_find(const struct sessions *sessions, uint64_t id)
{
    (void)sessions;
    (void)id;
    return NULL;
}

void hub_notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user)
{
    (void)hub;
    (void)conversation;
    CG_ASSERT(kind == WIRE_PRESENCE && !user);
}

void hub_each(struct hub *hub, uint64_t conversation, hub_session_fn *fn, void *arg)
{
    (void)hub;
    (void)conversation;
    (void)fn;
    (void)arg;
}

static void check_members(const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_member(&members[i]);
}

void hub_broadcast_members(struct hub *hub, uint64_t conversation, const struct member *members, size_t count)
{
    (void)hub;
    CG_ASSERT(conversation == ROOM);
    check_members(members, count);
}

void hub_send_members(struct hub *hub, uint64_t session_id, uint64_t conversation, const struct member *members,
                      size_t count)
{
    (void)hub;
    (void)session_id;
    CG_ASSERT(conversation == ROOM);
    check_members(members, count);
}

static void on_presence(enum message_kind kind, uint64_t conversation, const struct member *member)
{
    CG_ASSERT(kind == MESSAGE_JOIN || kind == MESSAGE_LEAVE);
    CG_ASSERT(conversation);
    check_member(member);
}

static const struct encoding telling = {.name = "telling", .presence = on_presence};
static const struct encoding *const encodings[ENCODING_COUNT] = {
    &telling, &telling, &telling, &telling, &telling, &telling, &telling, &telling, &telling, &telling,
};

static void on_members(void *arg, const struct member *members, size_t count)
{
    (void)arg;
    check_members(members, count);
}

/* ---- the registry of Socket.IO ---- */

static void say_all(void *arg)
{
    (void)arg;
    sio_registry_said();
}

static void on_name(void *arg, enum err err)
{
    (void)arg;
    CG_ASSERT(err == ERR_OK || err == ERR_DUPLICATE || err == ERR_DOWN);
}

static void on_who(void *arg, enum err err, struct str sid)
{
    (void)arg;
    CG_ASSERT(err || sid.len);
}

static void on_recovered(void *arg, enum err err, const struct sio_record *record)
{
    (void)arg;
    if (err)
        return;
    CG_ASSERT(record->sid.len == IO_SID_LEN && record->pid.len == IO_PID_LEN);
    CG_ASSERT(record->room_count <= IO_ROOMS_PER_SOCKET && text_utf8_valid(record->name));
    for (size_t i = 0; i < record->room_count; i++)
        CG_ASSERT(record->rooms[i].len <= IO_ROOM_MAX && text_utf8_valid(record->rooms[i]));
}

/* ---- the whole ---- */

static struct settings settings;
static struct wheel wheel;
static struct hub hub = {.settings = &settings, .wheel = &wheel, .encodings = encodings};
static int64_t now_ms = 5000000;
static int ends;

static void on_end(void *arg)
{
    (void)arg;
    ends++;
}

static void go(int64_t ms)
{
    clock_freeze(now_ms += ms);
    wheel_advance(&wheel);
    answer_all();
}

static void ask_registry(void)
{
    struct bus *bus = (struct bus *)(void *)&wheel; /* never looked into */
    struct sio_record socket = {.nsp = STR("/"), .sid = STR("AAAAAAAAAAAAAAAAAAAA")};
    sio_registry_init(&settings, &wheel, bus, 5, say_all, NULL);
    sio_registry_recover(STR("/"), STR("aaaaaaaaaaaaaaaaaaaaaaaa"), 7, on_recovered, NULL);
    sio_registry_claim_name(&socket, STR("ann"), on_name, NULL);
    sio_registry_find_name(STR("/"), STR("ann"), 7, on_who, NULL);
    answer_all();
    sio_registry_bus_state(true);
    go(settings.lease_ms);
    sio_registry_fini();
}

static void ask_presence(void)
{
    const struct member member = {USER, STR("ann"), STR("1")};
    struct presence *presence = presence_new(&settings, &wheel, &hub, NULL, 5);
    presence_bus_state(presence, 0, true);
    presence_enter(presence, ROOM, ENCODING_CHATROOM, &member, 0);
    answer_all();
    go(settings.lease_ms);
    presence_ask(presence, ROOM, on_members, NULL);
    answer_all();
    presence_leave(presence, ROOM, USER);
    go(settings.lease_ms);
    ends = 0;
    presence_finish(presence, on_end, NULL);
    answer_all();
    input.len = 0;
    while (asked_count)
        answer_all();
    CG_ASSERT(ends == 1);
    presence_free(presence);
}

static __attribute__((constructor)) void begin(void)
{
    char why[256], lease[] = "lease_ms=1s";
    char *sets[] = {lease};
    CG_ASSERT(!settings_load(&settings, NULL, sets, 1, why));
    CG_ASSERT(!log_open("fuzz", "/dev/null", LOG_ERROR));
    clock_freeze(now_ms);
    wheel_init(&wheel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    input = (struct str){(const char *)data + 1, size - 1};
    if (*data & 1)
        ask_registry();
    ask_presence();
    return 0;
}
