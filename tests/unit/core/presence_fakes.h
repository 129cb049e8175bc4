/* presence_fakes.h: a Redis that notes what it is asked and answers when and what the test says, and a hub
 * that notes what it is told, around one relay's presence. A test includes this once. */
#ifndef CG_TESTS_PRESENCE_FAKES_H
#define CG_TESTS_PRESENCE_FAKES_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/redis/presence_ask.h"
#include "relay/core/presence_entries.h"
#include "relay/core/presence_scripts.h"

/* ---- Redis ---- */

struct bus_reply {
    bool is_number;
    int64_t number;
    struct str text;
    const struct bus_reply *elements;
    size_t count;
};

int64_t bus_reply_number(const struct bus_reply *reply)
{
    return reply && reply->is_number ? reply->number : 0;
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    return reply && reply->text.ptr ? reply->text : STR("");
}

size_t bus_reply_count(const struct bus_reply *reply)
{
    return reply ? reply->count : 0;
}

const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index)
{
    assert_true(index < reply->count);
    return &reply->elements[index];
}

/* A command that waits for its answer, in words: the script's name and all arguments. */
struct asked {
    char text[600];
    bus_reply_fn *fn;
    void *arg;
};
enum { ASKED_MAX = 1000 };
static struct asked asked[ASKED_MAX];
static size_t asked_count;
static bool is_up;
static size_t server_count; /* room 7 is on the first, room 8 on the last */
static bool second_is_down;

static const struct {
    const char *script, *name;
} scripts[] = {
    {SCRIPT_ENTER, "enter"}, {SCRIPT_LEAVE, "leave"},     {SCRIPT_RENEW, "renew"},      {SCRIPT_FIND_DEAD, "find"},
    {SCRIPT_REAP, "reap"},   {SCRIPT_HAND_ON, "hand-on"}, {PRESENCE_SCRIPT_ASK, "ask"},
};

size_t bus_servers(const struct bus *bus)
{
    (void)bus;
    return server_count;
}

size_t bus_server_of(const struct bus *bus, uint64_t conversation)
{
    (void)bus;
    return conversation == 8 || conversation == WIRE_INBOX(8) ? server_count - 1 : 0;
}

/* What goes to the second server begins with "2: ". */
void bus_command_on(struct bus *bus, size_t server, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    (void)bus;
    if (!is_up || (server && second_is_down)) {
        fn(arg, NULL);
        return;
    }
    assert_true(asked_count < ASKED_MAX);
    struct asked *command = &asked[asked_count++];
    *command = (struct asked){.fn = fn, .arg = arg, .text = ""};
    if (server)
        strcpy(command->text, "2:");
    size_t first = 0;
    if (str_eq(args[0], STR("EVAL")))
        first = 3;
    for (size_t i = 0; first && i < sizeof scripts / sizeof scripts[0]; i++)
        if (str_eq(args[1], str_of(scripts[i].script)))
            snprintf(command->text, sizeof command->text, "%s%s %.*s", server ? "2: " : "", scripts[i].name,
                     (int)args[2].len, args[2].ptr);
    for (size_t i = first; i < count; i++) {
        size_t len = strlen(command->text);
        snprintf(command->text + len, sizeof command->text - len, "%s%.*s", len ? " " : "", (int)args[i].len,
                 args[i].ptr);
    }
}

static void answer(const struct bus_reply *reply)
{
    assert_true(asked_count > 0);
    struct asked command = asked[0];
    memmove(asked, asked + 1, --asked_count * sizeof asked[0]);
    command.fn(command.arg, reply);
}

static void answer_number(int64_t number)
{
    struct bus_reply reply = {.is_number = true, .number = number};
    answer(&reply);
}

/* One page of a scan or a reaping; what came of it goes on at `cursor`. */
static void answer_page(const char *cursor, size_t count, const char *const *texts)
{
    struct bus_reply elements[17] = {{.text = str_of(cursor)}};
    struct bus_reply page = {.elements = elements + 1, .count = count}, both[2] = {elements[0], page};
    struct bus_reply reply = {.elements = both, .count = 2}, flat = {.elements = elements, .count = count + 1};
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        elements[1 + i].text = texts[i] ? str_of(texts[i]) : (struct str){0};
    answer(strncmp(asked[0].text, "reap", 4) == 0 ? &flat : &reply);
}

/* All of it. */
static void answer_texts(size_t count, const char *const *texts)
{
    const char *command = asked[0].text + 3 * (asked[0].text[0] == '2');
    if (!strncmp(command, "HSCAN", 5) || !strncmp(command, "SSCAN", 5) || (!strncmp(command, "reap", 4) && count)) {
        answer_page("0", count, texts);
        return;
    }
    struct bus_reply elements[16] = {0}, reply = {.elements = elements, .count = count};
    assert_true(count <= 16);
    for (size_t i = 0; i < count; i++)
        elements[i].text = texts[i] ? str_of(texts[i]) : (struct str){0};
    answer(&reply);
}

#define ANSWER_PAGE(cursor, ...) \
    answer_page(cursor, sizeof(const char *[]){__VA_ARGS__} / sizeof(char *), (const char *[]){__VA_ARGS__})

#define ANSWER(...) answer_texts(sizeof(const char *[]){__VA_ARGS__} / sizeof(char *), (const char *[]){__VA_ARGS__})

/* The oldest command that waits begins with these words. */
static void check_asked(const char *words)
{
    assert_true(asked_count > 0);
    if (strncmp(asked[0].text, words, strlen(words)) != 0)
        assert_string_equal(asked[0].text, words);
}

/* ---- the hub, and what it is called with ---- */

static struct buf told;
static struct session one_session;
static uint64_t entered_id;

static void on_entered(struct session *session)
{
    assert_ptr_equal(session, &one_session);
    buf_addf(&told, "entered %llu|", (unsigned long long)entered_id);
}

static const struct protocol protocol = {.entered = on_entered};

struct session *sessions_find(const struct sessions *sessions, uint64_t id)
{
    (void)sessions;
    entered_id = id;
    one_session.protocol = &protocol;
    return id ? &one_session : NULL;
}

void hub_notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user)
{
    (void)hub;
    assert_int_equal(kind, WIRE_PRESENCE);
    assert_int_equal(user, 0);
    buf_addf(&told, "notify %llu|", (unsigned long long)conversation);
}

void hub_each(struct hub *hub, uint64_t conversation, hub_session_fn *fn, void *arg)
{
    (void)hub;
    (void)conversation;
    fn(arg, &one_session);
}

static void add_members(const struct member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_addf(&told, " %llu=%.*s%.*s", (unsigned long long)members[i].user, (int)members[i].head.len,
                 members[i].head.ptr, (int)members[i].name.len, members[i].name.ptr);
    buf_add_char(&told, '|');
}

void hub_broadcast_members(struct hub *hub, uint64_t conversation, const struct member *members, size_t count)
{
    (void)hub;
    buf_addf(&told, "all %llu:", (unsigned long long)conversation);
    add_members(members, count);
}

void hub_send_members(struct hub *hub, uint64_t session_id, uint64_t conversation, const struct member *members,
                      size_t count)
{
    (void)hub;
    (void)conversation;
    buf_addf(&told, "to %llu:", (unsigned long long)session_id);
    add_members(members, count);
}

static void on_presence(enum message_kind kind, uint64_t conversation, const struct member *member)
{
    buf_addf(&told, "%s %llu %llu=%.*s|", kind == MESSAGE_JOIN ? "join" : "leave", (unsigned long long)conversation,
             (unsigned long long)member->user, (int)member->name.len, member->name.ptr);
}

static const struct encoding telling = {.name = "telling", .presence = on_presence};
static const struct encoding silent = {.name = "silent"};
static const struct encoding *const encodings[ENCODING_COUNT] = {[0] = &telling, [1] = &silent};

#define TELLING ((enum encoding_id)0)
#define SILENT  ((enum encoding_id)1)

/* What was told since this was last asked. */
static void check_told(const char *want)
{
    assert_str(buf_str(&told), str_of(want));
    buf_clear(&told);
}

/* ---- the whole ---- */

static struct settings settings;
static struct wheel wheel;
static struct hub hub = {.encodings = encodings};
static struct presence *presence;
static int64_t now_ms;
static int done_count;

static void go(int64_t ms)
{
    now_ms += ms;
    clock_freeze(now_ms);
    wheel_advance(&wheel);
}

static int begin(void **state)
{
    (void)state;
    settings = (struct settings){.redis_prefix = (char *)(uintptr_t)"t",
                                 .name = (char *)(uintptr_t)"r1",
                                 .grace_ms = 5000,
                                 .lease_ms = 10000000, /* out of the way of most tests */
                                 .members_interval_ms = 1000};
    now_ms = 9000000;
    clock_freeze(now_ms);
    wheel_init(&wheel);
    buf_init(&told, 100000);
    asked_count = 0;
    done_count = 0;
    is_up = true;
    server_count = 1;
    second_is_down = false;
    presence = presence_new(&settings, &wheel, &hub, NULL, 5);
    return 0;
}

static int end(void **state)
{
    (void)state;
    is_up = false;
    while (asked_count)
        answer(NULL);
    presence_free(presence);
    buf_fini(&told);
    clock_freeze(-1);
    return 0;
}

static void enter(uint64_t user, const char *name, uint64_t session_id)
{
    struct member member = {user, str_of(name), STR("3")};
    presence_enter(presence, 7, TELLING, &member, session_id);
}

/* bob, user 9, is in room 7, everybody knows it, and has session 50. */
static void bob_is_in(void)
{
    enter(9, "bob", 50);
    answer_number(1);
    go(50);
    ANSWER("r1:5:9", "0|1|3bob");
    check_told("join 7 9=bob|entered 50|notify 7|all 7: 9=3bob|");
    go(2000);
    assert_int_equal(asked_count, 0);
}

static inline void answer_renewed(bool had, bool reaped)
{
    struct bus_reply elements[] = {{.is_number = true, .number = had}, {.is_number = true, .number = reaped}};
    struct bus_reply reply = {.elements = elements, .count = 2};
    answer(&reply);
}

static void on_done(void *arg)
{
    assert_ptr_equal(arg, &done_count);
    done_count++;
}

static inline void finish(void)
{
    presence_finish(presence, on_done, &done_count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
