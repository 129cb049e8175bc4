/* chatroom_http_fakes.h: the chatrooms over plain HTTP on the real hub, with calls, streams, presence and a membership that the
 * test tells what to do. A test includes this once. */
#ifndef CG_TESTS_CHATROOM_HTTP_FAKES_H
#define CG_TESTS_CHATROOM_HTTP_FAKES_H

#define HUB_FAKES_REAL_ENCODINGS
#include "tests/unit/core/hub_fakes.h"

#include "relay/core/protocol.h"
#include "relay/core/presence.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/protocols/chatroom_http_stream.h"
#include "relay/protocols/chatroom_http_text.h"

#define ROOM_ID    "room_0123456789abcdef0123456789abcdef"
#define NICK_ID    "user_0123456789abcdef0123456789abcdef"
#define PATH(verb) "/rooms/" ROOM_ID "/" verb
#define ME         "nickId=" NICK_ID

enum { ROOM = 7, USER = 9 };

static const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_EVENTS] = &events_encoding,
    [ENCODING_STREAM] = &stream_encoding,
    [ENCODING_POLL] = &poll_encoding,
    [ENCODING_EVENTS_PADDED] = &events_padded_encoding,
};

/* ---- who is a member, who is present ---- */

static struct {
    bool stranger; /* not a member of the room */
    enum err membership;
    bool pool_full;
    int entered, left, waiting; /* `waiting`: of those who entered, with a session */
    enum encoding_id encoding;
} world;

enum err store_membership(struct store *store, struct str room_id, struct str user_id,
                          struct store_membership *membership, int *missing)
{
    (void)store;
    *missing =
        (str_eq(room_id, STR(ROOM_ID)) ? 0 : STORE_NO_ROOM) | (str_eq(user_id, STR(NICK_ID)) ? 0 : STORE_NO_USER);
    *membership = (struct store_membership){.conversation = ROOM,
                                            .user = USER,
                                            .seq = db.last[ROOM],
                                            .is_member = !world.stranger,
                                            .user_name = "bob",
                                            .user_name_len = 3,
                                            .head = "1"};
    return world.membership ? world.membership : *missing ? ERR_NOT_FOUND : ERR_OK;
}

enum err store_memberships(struct store *store, struct store_membership_asked *asked, size_t count)
{
    enum err failed = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        asked[i].err =
            store_membership(store, asked[i].room_id, asked[i].user_id, asked[i].membership, &asked[i].missing);
        failed = asked[i].err && asked[i].err != ERR_NOT_FOUND ? asked[i].err : failed;
    }
    return failed;
}

enum err db_pool_try(struct db_pool *db_pool, struct job *job)
{
    if (world.pool_full)
        return ERR_BUSY;
    db_pool_add(db_pool, job);
    return ERR_OK;
}

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    (void)presence;
    assert_int_equal(conversation, ROOM);
    assert_int_equal(member->user, USER);
    assert_str(member->name, STR("bob"));
    assert_str(member->head, STR("1"));
    world.entered++;
    world.waiting += session_id != 0;
    world.encoding = encoding;
}

void presence_online(struct presence *presence, uint64_t user)
{
    (void)presence;
    (void)user;
}

void presence_offline(struct presence *presence, uint64_t user)
{
    (void)presence;
    (void)user;
}

void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user)
{
    (void)presence;
    assert_int_equal(conversation, ROOM);
    assert_int_equal(user, USER);
    world.left++;
}

/* ---- calls ---- */

struct visit {
    struct http_call call;
    const char *query, *last_event_id;
    unsigned status; /* of the answer; 0: none yet */
    char type[100], headers[400];
    struct buf body; /* or all that was streamed */
    bool streaming, ended;
    enum send_result answer; /* of the stream's socket */
    struct session *session; /* the stream's */
};

static struct visit visits[64];
static size_t visit_count;

static struct visit *visit_of(const void *call)
{
    for (size_t i = 0; i < visit_count; i++)
        if (&visits[i].call == call)
            return &visits[i];
    fail_msg("no such call");
    return NULL;
}

/* No escapes in the queries of these tests. */
static struct str argument_of(const struct request *request, const char *name, char *out, size_t size)
{
    const struct visit *visit = request->source;
    const char *at = visit->query;
    for (size_t len = strlen(name); *at; at += strcspn(at, "&"), at += *at == '&') {
        if (strncmp(at, name, len) != 0 || at[len] != '=')
            continue;
        size_t bytes = strcspn(at + len + 1, "&");
        if (bytes >= size)
            break;
        memcpy(out, at + len + 1, bytes);
        return (struct str){out, bytes};
    }
    return STR("");
}

static struct str header_of(const struct request *request, const char *name, char *out, size_t size)
{
    const struct visit *visit = request->source;
    if (strcmp(name, "last-event-id") != 0 || !visit->last_event_id)
        return STR("");
    snprintf(out, size, "%s", visit->last_event_id);
    return str_of(out);
}

void http_vouch(struct http_call *call)
{
    (void)call;
}

void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg)
{
    assert_int_equal(visit_of(call)->status, 0);
    call->gone = gone;
    call->arg = arg;
}

void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body)
{
    struct visit *visit = visit_of(call);
    assert_int_equal(visit->status, 0); /* once */
    assert_false(visit->ended);
    visit->status = status;
    snprintf(visit->type, sizeof visit->type, "%s", type);
    snprintf(visit->headers, sizeof visit->headers, "%s", headers);
    buf_add_str(&visit->body, body);
    visit->call.gone = NULL;
}

void http_begin_stream(struct http_call *call, const char *type, const char *headers)
{
    http_reply(call, 200, type, headers, STR(""));
    visit_of(call)->streaming = true;
}

void http_stream_session(struct http_call *call, uint64_t session_id, struct sessions *all)
{
    visit_of(call)->session = sessions_find(all, session_id);
    assert_non_null(visit_of(call)->session);
}

static enum send_result stream_send(void *socket, struct str bytes)
{
    struct visit *visit = visit_of(socket);
    assert_true(visit->streaming && !visit->ended);
    buf_add_str(&visit->body, bytes);
    return visit->answer;
}

static void stream_close(void *socket, unsigned code, const char *reason)
{
    (void)code;
    (void)reason;
    visit_of(socket)->ended = true;
}

static void stream_kill(void *socket)
{
    visit_of(socket)->ended = true;
}

const struct transport http_stream = {.send = stream_send, .close = stream_close, .kill = stream_kill};

/* A request arrives; what has to be looked up waits for job_do. */
static struct visit *begin_visit(const char *method, const char *path, const char *query, const char *body)
{
    struct visit *visit = &visits[visit_count++];
    memset(visit, 0, sizeof *visit);
    buf_init(&visit->body, 10000000);
    visit->query = query;
    visit->call.method = method;
    visit->call.body = str_of(body);
    visit->call.request = (struct request){str_of(path), argument_of, header_of, visit};
    assert_true(chatroom_http_route.claims(visit->call.request.path));
    chatroom_http_route.handle(&visit->call);
    return visit;
}

static struct visit *get(const char *path, const char *query)
{
    struct visit *visit = begin_visit("GET", path, query, "");
    if (!visit->status && job_count)
        job_do();
    return visit;
}

/* The client leaves. */
static void leave(struct visit *visit)
{
    if (visit->session) {
        session_ended(visit->session);
        visit->session = NULL;
    } else if (visit->call.gone) {
        visit->call.gone(visit->call.arg, &visit->call);
    }
    visit->call.gone = NULL;
    visit->ended = true;
}

/* The room is subscribed to and read. */
static inline void enter_room(void)
{
    hub_subscribed(&hub, ROOM);
    while (job_count)
        job_do();
}

/* All that the client got since it was last asked. */
static const char *body_of(struct visit *visit)
{
    static char texts[4][200000];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    assert_true(visit->body.len < sizeof texts[0]);
    snprintf(text, sizeof texts[0], "%.*s", (int)visit->body.len, visit->body.len ? visit->body.data : "");
    buf_clear(&visit->body);
    return text;
}

/* The numbers behind every `key` in a text: "1 2 3 ". */
static inline const char *numbers(const char *text, const char *key)
{
    static char out[20000];
    size_t len = 0;
    out[0] = '\0';
    for (const char *at = text; (at = strstr(at, key));) {
        at += strlen(key);
        len += (size_t)snprintf(out + len, sizeof out - len, "%llu ", strtoull(at, NULL, 10));
    }
    return out;
}

static int begin_rooms(void **state)
{
    int failed = begin(state);
    memset(&world, 0, sizeof world);
    visit_count = 0;
    settings.max_message_bytes = 4096;
    settings.poll_max_ms = 55000;
    settings.poll_presence_ms = 15000;
    settings.journal_timeout_ms = 10000;
    settings.outbox_bytes = 100000;
    protocol_context = (struct protocol_context){.settings = &settings, .hub = &hub};
    return failed;
}

static int end_rooms(void **state)
{
    for (size_t i = 0; i < visit_count; i++) {
        leave(&visits[i]);
        buf_fini(&visits[i].body);
    }
    while (job_count)
        job_do();
    go(100); /* what has been answered ends at the next tick */
    assert_int_equal(sessions.count, 0);
    go(settings.poll_presence_ms + 100);
    assert_int_equal(world.entered, world.left);
    return end(state);
}

static void assert_refused(struct visit *visit, unsigned status, const char *code)
{
    char text[100];
    snprintf(text, sizeof text, "\"code\":\"%s\"}", code);
    assert_int_equal(visit->status, status);
    assert_string_equal(visit->type, "application/json; charset=utf-8");
    assert_non_null(strstr(body_of(visit), text));
    assert_int_equal(strcmp(visit->headers, "Retry-After: 1\r\n") == 0, status == 503 || status == 504);
}

#define ROOMS(name) cmocka_unit_test_setup_teardown(name, begin_rooms, end_rooms)

#endif
