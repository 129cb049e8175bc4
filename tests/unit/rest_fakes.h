/* rest_fakes.h: a database and a Redis that do as they are told, for the tests of rest/. They take the
 * place of store.c and presence.c when the test is linked, so a test includes this once. */
#ifndef CG_TESTS_REST_FAKES_H
#define CG_TESTS_REST_FAKES_H

#include "check.h"

#include "common/store.h"
#include "rest/presence.h"
#include "rest/router.h"

#define ROOM_ID "room_0123456789abcdef0123456789abcdef"
#define USER_ID "user_fedcba9876543210fedcba9876543210"

static struct {
    /* what they answer */
    enum err store, presence; /* of every call */
    uint64_t rooms;
    bool is_member, online;
    struct str name;
    /* what they were asked */
    int entered, admitted, placed, asked_online, named;
    char room[1024], nick[1024], head[64];
    uint64_t conversation, user;
} fake;

static void keep(char *out, size_t size, struct str text)
{
    assert_true(text.len < size);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

enum err store_ping(struct store *store)
{
    (void)store;
    return fake.store;
}

enum err store_enter(struct store *store, struct str room, struct str nick, struct str head,
                     struct store_entry *entry)
{
    (void)store;
    fake.entered++;
    keep(fake.room, sizeof fake.room, room);
    keep(fake.nick, sizeof fake.nick, nick);
    keep(fake.head, sizeof fake.head, head);
    *entry = (struct store_entry){ROOM_ID, USER_ID, 7, 9};
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

enum err store_place(struct store *store, struct str room_id, struct str user_id,
                     struct store_place *place, int *missing)
{
    (void)store;
    fake.placed++;
    *place = (struct store_place){.conversation = 7, .user = 9, .is_member = fake.is_member};
    *missing = (str_eq(user_id, STR(USER_ID)) ? 0 : STORE_NO_USER) |
               (str_eq(room_id, STR(ROOM_ID)) ? 0 : STORE_NO_ROOM);
    return fake.store ? fake.store : *missing ? ERR_NOT_FOUND : ERR_OK;
}

enum err presence_ping(struct presence *presence)
{
    (void)presence;
    return fake.presence;
}

enum err presence_admit(struct presence *presence, uint64_t conversation, uint64_t user)
{
    (void)presence;
    fake.admitted++;
    fake.conversation = conversation;
    fake.user = user;
    return fake.presence;
}

enum err presence_online(struct presence *presence, uint64_t conversation, uint64_t user,
                         bool *online)
{
    (void)presence;
    fake.asked_online++;
    fake.conversation = conversation;
    fake.user = user;
    *online = fake.online;
    return fake.presence;
}

/* ---- asking the router ---- */

static struct settings settings = {.max_name_chars = 64, .max_body_bytes = 65536};

struct sent {
    struct str body;
    enum err err; /* what reading it ends with, whatever its length */
    int reads;
    size_t at;
    /* request headers and the query string */
    struct str query, token, authorization, idempotency_key, content_type;
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
    struct backends backends = {.settings = &settings};
    struct http_request request = {.method = str_of(method),
                                   .path = str_of(path),
                                   .query = sent->query,
                                   .remote = STR("192.0.2.1"),
                                   .token = sent->token,
                                   .authorization = sent->authorization,
                                   .idempotency_key = sent->idempotency_key,
                                   .content_type = sent->content_type,
                                   .length = sent->body.len,
                                   .read = read_sent,
                                   .source = sent};
    http_response_fini(&response);
    http_response_init(&response);
    router_serve(&backends, &request, &response);
}

/* The answer to `method path` with `body`: its status; its body is in `response`. */
static int call(const char *method, const char *path, struct str body)
{
    struct sent sent = {.body = body};
    ask(method, path, &sent);
    return response.status;
}

#define assert_answer(method, path, sent_body, want_status, want_body)                             \
    do {                                                                                           \
        assert_int_equal(call(method, path, sent_body), want_status);                              \
        assert_bytes(buf_str(&response.body), want_body);                                          \
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
