/* rest_fakes.h: a database and a Redis controlled by the test, for the tests of rest/. They take the
 * place of store.c and redis_client.c when the test is linked, so a test includes this once. */
#ifndef CG_TESTS_REST_FAKES_H
#define CG_TESTS_REST_FAKES_H

#include "tests/unit/check.h"

#include "common/store/store_sql.h"
#include "common/io_notice.h"
#include "common/service/operator.h"
#include "common/store/store.h"
#include "common/store/store_join.h"
#include "common/store/store_io.h"
#include "common/store/store_sanctions.h"
#include "common/token.h"
#include "common/redis/redis_sync.h"
#include "rest/services/redis_client.h"
#include "rest/router.h"
#include "rest/routes.h"

#define ROOM_ID "room_0123456789abcdef0123456789abcdef"
#define USER_ID "user_fedcba9876543210fedcba9876543210"

static struct {
    /* what they answer */
    enum err store, presence; /* of every call */
    uint64_t rooms;
    bool is_member, online, erased_lately;
    struct str name, content;
    uint64_t messages, sender; /* what store_read finds: so many, from whom, of what kind */
    enum message_kind kind;
    struct store_sanctioned sanctioned;
    enum err entering; /* of each who enters */
    bool names_are_there;
    /* what they were asked */
    int64_t rooms_max;
    char judged_address[64];
    struct operator_order order; /* the last one */
    char ordered_user[64];
    int entered, groups, admitted, memberships, asked_online, named;
    char room[1024], nick[1024], head[64];
    uint64_t conversation, user;
    struct store_range range;
    struct {
        char name[512];
        int64_t value;
    } counter[8];
    size_t counters;
    struct wire_header publications[4];
    int published;
    char published_content[1024];
    struct wire_mark mark; /* that was told last */
    char notices[2048];    /* "kind audience body|" each */
    /* the namespace "/" is conversation 7; scripts, as "nsp argument argument …|" each, and what they answer */
    char evaluated[4096];
    const char *const *answers[4]; /* texts up to a NULL; the last one again if there are more questions */
    size_t evals;
    uint64_t writes; /* what has been stored for good */
} fake;

static void keep(char *out, size_t size, struct str text)
{
    assert_true(text.len < size);
    if (text.len)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

void store_pin(struct store *store)
{
    (void)store;
}

void store_unpin(struct store *store)
{
    (void)store;
}

void store_refresh(struct store *store)
{
    (void)store;
}

uint64_t store_writes(const struct store *store)
{
    (void)store;
    return fake.writes;
}

bool store_is_connected(const struct store *store)
{
    (void)store;
    return !fake.store;
}

enum err store_ping(struct store *store)
{
    (void)store;
    return fake.store;
}

enum err store_join(struct store *store, struct store_join *joins, size_t count, int64_t rooms_max)
{
    (void)store;
    fake.rooms_max = rooms_max;
    fake.entered += (int)count;
    fake.groups++;
    for (size_t i = 0; i < count; i++) {
        keep(fake.room, sizeof fake.room, joins[i].room);
        keep(fake.nick, sizeof fake.nick, joins[i].nick);
        keep(fake.head, sizeof fake.head, joins[i].head);
        keep(fake.judged_address, sizeof fake.judged_address, joins[i].address);
        keep(joins[i].room_id, ID_MAX, STR(ROOM_ID));
        keep(joins[i].user_id, ID_MAX, STR(USER_ID));
        joins[i].conversation = 7;
        joins[i].user = 9;
        joins[i].err = joins[i].old_room || joins[i].old_nick ? ERR_INVALID : fake.entering;
        if (fake.names_are_there)
            joins[i].err = fake.entering;
    }
    return fake.store;
}

enum err store_sanctioned(struct store *store, uint64_t user, struct str address, uint64_t conversation,
                          struct store_sanctioned *out)
{
    (void)store;
    (void)user;
    (void)conversation;
    keep(fake.judged_address, sizeof fake.judged_address, address);
    *out = fake.sanctioned;
    return fake.store;
}

enum err store_erased_lately(struct store *store, bool *any)
{
    (void)store;
    *any = fake.erased_lately;
    return fake.store;
}

/* ---- an operator's orders ---- */

enum err operator_carry_out(struct store *store, const struct operator_order *order, struct operator_done *done,
                            const char **why)
{
    (void)store;
    fake.order = *order;
    keep(fake.ordered_user, sizeof fake.ordered_user, order->user);
    *done = (struct operator_done){.sanction = {.kind = order->kind, .user = 9}, .lifted = order->lift};
    *why = "because";
    return fake.store;
}

void operator_add_wire(struct buf *out, const struct sanction *sanction, uint64_t epoch)
{
    wire_add_header(out, &(struct wire_header){.kind = WIRE_SANCTION, .epoch = epoch, .conversation = WIRE_CONTROL});
    if (sanction->kind == SANCTION_KICK)
        sanction_add_kick(out, sanction);
}

const char *operator_realm_word(int realm)
{
    return realm == REALM_CHATROOM ? "chatroom" : "";
}

enum err store_sanction_lines(struct store *store, uint64_t user, store_sanction_line_fn *fn, void *arg)
{
    (void)store;
    struct store_sanction_line line = {.sanction = {.kind = SANCTION_BAN, .user = 9},
                                       .realm = REALM_CHATROOM,
                                       .user_name = STR("小\"明"),
                                       .until = STR("2030-01-01 00:00:00"),
                                       .created_at = STR("2029-01-01 00:00:00")};
    if (!user && !fake.store)
        fn(arg, &line);
    return fake.store;
}

enum err store_count_rooms(struct store *store, uint64_t *count)
{
    (void)store;
    *count = fake.rooms;
    return fake.store;
}

static enum err name_if(bool known, struct buf *name)
{
    fake.named++;
    if (fake.store)
        return fake.store;
    if (!known)
        return ERR_NOT_FOUND;
    buf_add_str(name, fake.name);
    return ERR_OK;
}

enum err store_room_name(struct store *store, struct str room_id, struct buf *name)
{
    (void)store;
    return name_if(str_eq(room_id, STR(ROOM_ID)), name);
}

enum err store_user_name(struct store *store, struct str user_id, struct buf *name)
{
    (void)store;
    return name_if(str_eq(user_id, STR(USER_ID)), name);
}

enum err store_membership(struct store *store, struct str room_id, struct str user_id,
                          struct store_membership *membership, int *missing)
{
    (void)store;
    fake.memberships++;
    *membership = (struct store_membership){.conversation = 7, .user = 9, .is_member = fake.is_member};
    *missing =
        (str_eq(user_id, STR(USER_ID)) ? 0 : STORE_NO_USER) | (str_eq(room_id, STR(ROOM_ID)) ? 0 : STORE_NO_ROOM);
    return fake.store ? fake.store : *missing ? ERR_NOT_FOUND : ERR_OK;
}

enum err redis_client_ping(struct redis_sync *redis, size_t *up)
{
    (void)redis;
    *up = !fake.presence;
    return fake.presence;
}

void redis_sync_add_state(const struct redis_sync *redis, struct buf *out)
{
    (void)redis;
    buf_addf(out, "[{\"at\":\"here\",\"up\":%s}]", fake.presence ? "false" : "true");
}

size_t redis_client_admit(struct redis_sync *redis, const struct redis_admission *admissions, size_t count)
{
    (void)redis;
    fake.admitted += (int)count;
    if (count) {
        fake.conversation = admissions[count - 1].conversation;
        fake.user = admissions[count - 1].user;
    }
    return fake.presence ? 0 : count;
}

enum err redis_client_online(struct redis_sync *redis, uint64_t conversation, uint64_t user, bool *online)
{
    (void)redis;
    fake.asked_online++;
    fake.conversation = conversation;
    fake.user = user;
    *online = fake.online;
    return fake.presence;
}

/* Messages seq 1 to fake.messages, by the range's rules. */
enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    (void)store;
    fake.range = *range;
    uint64_t low = range->after + 1, high = range->before - 1;
    if (high > fake.messages)
        high = fake.messages;
    if (range->latest && high >= low + range->limit)
        low = high - range->limit + 1;
    for (uint64_t seq = low; seq <= high && seq < low + range->limit; seq++) {
        struct message message = {.conversation = range->conversation,
                                  .seq = seq,
                                  .sender = fake.sender,
                                  .at_ms = 1700000000000,
                                  .kind = fake.kind,
                                  .sender_name = fake.name,
                                  .content = fake.content};
        fn(arg, &message);
    }
    return fake.store;
}

/* Rows of messages are read by nobody here. */
void store_on_message(void *reading, const struct db_value *columns)
{
    (void)reading;
    (void)columns;
    fail();
}

enum err store_epoch(struct store *store, uint64_t *epoch)
{
    (void)store;
    *epoch = 1;
    return fake.store;
}

/* Counters that never end. */
enum err redis_client_ask(struct redis_sync *redis, struct redis_asked *asked, size_t count)
{
    (void)redis;
    for (size_t i = 0; i < count; i++)
        asked[i].online = fake.online;
    return fake.presence;
}

enum err redis_client_present(struct redis_sync *redis, uint64_t conversation, uint64_t after, size_t limit,
                              struct redis_asked *present, size_t *count)
{
    (void)redis;
    (void)after;
    (void)limit;
    present[0] = (struct redis_asked){conversation, 9, fake.online};
    *count = 1;
    return fake.presence;
}

enum err redis_client_count(struct redis_sync *redis, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                            int64_t *left_ms)
{
    (void)redis;
    size_t i = 0;
    if (fake.presence)
        return fake.presence;
    while (i < fake.counters && !str_eq(name, str_of(fake.counter[i].name)))
        i++;
    assert_true(i < sizeof fake.counter / sizeof fake.counter[0]);
    if (i == fake.counters) {
        keep(fake.counter[i].name, sizeof fake.counter[i].name, name);
        fake.counters++;
    }
    *value = fake.counter[i].value += by;
    *left_ms = life_ms;
    return ERR_OK;
}

enum err redis_client_publish(struct redis_sync *redis, uint64_t conversation, struct str payload)
{
    (void)redis;
    struct wire_header header;
    assert_int_equal(wire_get_header(&payload, &header), 0);
    assert_int_equal(header.conversation, conversation);
    assert_int_equal(header.sender, 0);
    assert_true(fake.published < 4);
    fake.publications[fake.published++] = header;
    if (header.kind == WIRE_MESSAGES) {
        struct message message;
        assert_int_equal(wire_get_message(&payload, &header, &message), 0);
        keep(fake.published_content, sizeof fake.published_content, message.content);
    }
    if (header.kind == WIRE_READ) {
        assert_int_equal(wire_get_mark(payload, &fake.mark), 0);
        payload.len = 0;
    }
    if (header.kind == WIRE_SANCTION && payload.len) {
        struct sanction kick;
        assert_int_equal(sanction_get_kick(payload, &kick), 0);
        assert_int_equal(kick.user, 9);
        payload.len = 0;
    }
    if (header.kind == WIRE_IO) {
        struct io_notice notice;
        assert_int_equal(io_notice_get(payload, &notice), 0);
        size_t len = strlen(fake.notices);
        snprintf(fake.notices + len, sizeof fake.notices - len, "%d %.*s %.*s|", (int)notice.kind,
                 (int)notice.audience.len, notice.audience.ptr, (int)notice.body.len, notice.body.ptr);
        payload.len = 0;
    }
    assert_int_equal(payload.len, 0);
    return fake.presence;
}

enum err store_io_namespace(struct store *store, struct str name, bool create, uint64_t *conversation)
{
    (void)store;
    assert_false(create);
    *conversation = 7;
    return fake.store ? fake.store : str_eq(name, STR("/")) ? ERR_OK : ERR_NOT_FOUND;
}

enum err redis_client_eval(struct redis_sync *redis, const char *script, const struct str *args, size_t count,
                           redis_client_text_fn *fn, void *arg)
{
    (void)redis;
    (void)script;
    if (fake.presence)
        return fake.presence;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(fake.evaluated);
        snprintf(fake.evaluated + len, sizeof fake.evaluated - len, "%.*s%s", (int)args[i].len, args[i].ptr,
                 i + 1 < count ? " " : "|");
    }
    size_t question = fake.evals++;
    while (question && !fake.answers[question])
        question--;
    for (size_t i = 0; fake.answers[question] && fake.answers[question][i]; i++)
        fn(arg, i, str_of(fake.answers[question][i]));
    return ERR_OK;
}

/* ---- asking the router ---- */

#define SECRET "0123456789abcdef0123456789abcdef"

static struct settings settings = {.max_name_chars = 64, .max_body_bytes = 65536, .login_attempts = 3};
static struct token_keys tokens = {.secret = SECRET, .audience = "chaguan", .ttl_ms = 60000};

struct sent {
    struct str body;
    enum err err; /* what reading it ends with, whatever its length */
    int reads;
    size_t at;
    /* request headers and the query string */
    struct str query, token, authorization, idempotency_key, content_type, origin, host;
};

static enum err read_sent(const struct http_request *request, char *room, size_t cap, size_t *got)
{
    struct sent *sent = request->source;
    sent->reads++;
    *got = 0;
    if (sent->err)
        return sent->err;
    *got = sent->body.len - sent->at < cap ? sent->body.len - sent->at : cap;
    memcpy(room, sent->body.ptr + sent->at, *got);
    sent->at += *got;
    return ERR_OK;
}

static struct http_response response; /* of the last call; freed by the next */

static void ask(const char *method, const char *path, struct sent *sent)
{
    struct backends backends = {.settings = &settings, .tokens = &tokens};
    struct http_request request = {.method = str_of(method),
                                   .path = str_of(path),
                                   .query = sent->query,
                                   .remote = STR("192.0.2.1"),
                                   .token = sent->token,
                                   .authorization = sent->authorization,
                                   .idempotency_key = sent->idempotency_key,
                                   .content_type = sent->content_type,
                                   .origin = sent->origin,
                                   .host = sent->host,
                                   .length = sent->body.len,
                                   .read = read_sent,
                                   .source = sent};
    http_response_fini(&response);
    http_response_init(&response);
    router_init(routes);
    router_serve(&backends, &request, &response);
}

/* A token of the user, valid until the next call. */
static inline struct str token_of(const char *user_id)
{
    static struct buf text;
    int64_t expires_s;
    buf_fini(&text);
    buf_init(&text, TOKEN_MAX);
    assert_int_equal(token_make(&tokens, user_id, 0, &text, &expires_s), 0);
    return buf_str(&text);
}

/* The same with a query string and a token, either of which may be NULL. */
static inline int call_as(const char *method, const char *path, const char *query, const char *user_id, struct str body)
{
    struct sent sent = {.body = body, .query = str_of(query)};
    if (user_id)
        sent.token = token_of(user_id);
    ask(method, path, &sent);
    return response.status;
}

/* The answer to `method path` with `body`: its status; its body is in `response`. */
static inline int call(const char *method, const char *path, struct str body)
{
    struct sent sent = {.body = body};
    ask(method, path, &sent);
    return response.status;
}

#define assert_answer(method, path, sent_body, want_status, want_body) \
    do { \
        assert_int_equal(call(method, path, sent_body), want_status); \
        assert_bytes(buf_str(&response.body), want_body); \
    } while (0)

static int reset(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    settings.max_body_bytes = 65536;
    return 0;
}

static int free_response(void **state)
{
    (void)state;
    http_response_fini(&response);
    return 0;
}

#endif
