/* native_fakes.h: the native protocol on a real hub; the database, presence and the readers are fakes. */
#ifndef CG_TESTS_NATIVE_FAKES_H
#define CG_TESTS_NATIVE_FAKES_H

#define HUB_FAKES_REAL_ENCODINGS
#include "tests/unit/core/hub_fakes.h"

#include "common/json.h"
#include "common/service/app_acts.h"
#include "common/service/message_search.h"
#include "common/store/store_life.h"
#include "common/store/store_native.h"
#include "common/store/store_reaction.h"
#include "relay/core/protocol.h"
#include "relay/native/native.h"
#include "relay/core/presence.h"

#define ANN  "user_000000000000000000000000000000a1"
#define BOB  "user_000000000000000000000000000000b2"
#define ROOM "room_00000000000000000000000000000007"
#define TEA  "room_00000000000000000000000000000008"
#define NONE "room_00000000000000000000000000000009"
/* One of the application's, SHOP_ID to it. */
#define SHOP    "conv_0000000000000000000000000000000a"
#define SHOP_ID "order-10"
/* As the application calls TEA. */
#define TEA_ID "tea-8"

/* Nothing was removed. */
enum err store_life_get(struct store *store, uint64_t conversation, struct store_life *life)
{
    (void)store;
    (void)conversation;
    *life = (struct store_life){.trimmed = 0};
    return db.err;
}

static const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_NATIVE] = &native_encoding,
    [ENCODING_NATIVE_PRESENCE] = &native_presence_encoding,
};

/* ---- who there is, and where they may be ---- */

static struct {
    bool full;     /* the readers */
    enum err err;  /* of look-ups */
    uint64_t read; /* everybody's marker */
    int entered, left;
    size_t answered; /* of the journal's posts */
    enum encoding_id encoding;
    enum store_realm realm;
    bool has_password;
    size_t reactions;   /* two to each message */
    enum err uncounted; /* what is unread cannot be counted */
    bool of_app;        /* they are users of the application */
    struct {
        enum app_refusal why;
        enum err err;
        bool revoked;
        char told[400]; /* what was asked of it last */
        size_t lines;   /* conversations of a user */
        bool silent;    /* nobody knows who is online */
        int entered;    /* public conversations that were looked for */
        bool no_index;
        enum err refused; /* of the index */
    } acts;
} world;

static struct token_keys keys;

enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user)
{
    (void)store;
    bool ann = str_eq(user_id, STR(ANN)), bob = str_eq(user_id, STR(BOB));
    *user = (struct store_native_user){
        .user = ann ? 1 : 2, .realm = world.realm, .has_password = world.has_password, .name = "ann", .head = "3"};
    if (bob)
        memcpy(user->name, "bob", 3);
    if (world.of_app)
        memcpy(user->id, user->name, 4);
    return world.err ? world.err : ann || bob ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_native_enter(struct store *store, uint64_t user, struct str id, struct store_app_event *event)
{
    (void)store;
    (void)user;
    (void)id;
    (void)event;
    world.acts.entered++;
    return ERR_NOT_FOUND;
}

enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships)
{
    (void)store;
    (void)user;
    memset(memberships, 0, count * sizeof *memberships);
    for (size_t i = 0; i < count && !world.err; i++) {
        if (str_eq(ids[i], STR(SHOP)) || str_eq(ids[i], STR(SHOP_ID)))
            memberships[i] = (struct store_native_membership){.conversation = 10, .kind = KIND_APP, .role = ROLE_OWNER};
        uint64_t conversation = str_eq(ids[i], STR(ROOM))                                 ? 7
                                : str_eq(ids[i], STR(TEA)) || str_eq(ids[i], STR(TEA_ID)) ? 8
                                                                                          : 0;
        if (conversation)
            memberships[i] = (struct store_native_membership){.conversation = conversation,
                                                              .kind = KIND_CHATROOM,
                                                              .seq = db.last[conversation],
                                                              .read_seq = world.read};
    }
    return world.err;
}

enum err store_native_arrivals(struct store *store, struct store_native_arrival *const *arrivals, size_t count)
{
    enum err failed = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        struct store_native_arrival *arrival = arrivals[i];
        arrival->err = store_native_user(store, arrival->user_id, &arrival->user);
        for (size_t k = 0; k < arrival->count && !arrival->err; k++)
            arrival->err = store_native_memberships(store, arrival->user.user, &arrival->wanted[k].id, 1,
                                                    &arrival->wanted[k].membership);
        failed = arrival->err && arrival->err != ERR_NOT_FOUND ? arrival->err : failed;
    }
    return failed;
}

enum err store_reactions(struct store *store, uint64_t conversation, uint64_t first, uint64_t last, uint64_t user,
                         struct store_reaction **reactions, size_t *count, uint64_t *seq)
{
    (void)store;
    (void)user;
    assert_true(first && first <= last);
    *count = world.reactions;
    *reactions = *count ? calloc(*count, sizeof **reactions) : NULL;
    for (size_t i = 0; i < *count; i++) {
        (*reactions)[i] = (struct store_reaction){.seq = first + i / 2, .count = i + 1, .me = i % 2};
        memcpy((*reactions)[i].emoji, i % 2 ? "🍵" : "👍", 4);
    }
    *seq = db.last[conversation];
    return world.err;
}

/* Everybody is there but those whose ids begin with "no", and user 99. */
enum err store_native_mentioned(struct store *store, uint64_t conversation, struct store_mentioned *mentioned,
                                size_t count)
{
    (void)store;
    assert_true(conversation);
    for (size_t i = 0; i < count; i++)
        if (mentioned[i].id.len)
            mentioned[i].user = memcmp(mentioned[i].id.ptr, "no", 2) ? 40 + mentioned[i].id.len : 0;
        else if (mentioned[i].user == 99)
            mentioned[i].user = 0;
    return world.err;
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_membership *membership)
{
    (void)store;
    (void)user;
    if (seq > membership->seq)
        seq = membership->seq;
    if (seq > world.read)
        world.read = membership->read_seq = seq;
    return world.err;
}

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count)
{
    assert_true(among);
    (void)store;
    (void)user;
    *count = db.last[conversation] - after;
    return world.err ? world.err : world.uncounted;
}

enum err db_pool_try(struct db_pool *db_pool, struct job *job)
{
    if (world.full)
        return ERR_BUSY;
    db_pool_add(db_pool, job);
    return ERR_OK;
}

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    (void)presence;
    (void)conversation;
    assert_true(member->user && session_id);
    world.encoding = encoding;
    world.entered++;
}

void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user)
{
    (void)presence;
    (void)conversation;
    assert_true(user);
    world.left++;
}

void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg)
{
    struct member member = {1, STR("ann"), STR("3")};
    (void)presence;
    (void)conversation;
    fn(arg, &member, 1);
}

/* ---- the application's conversations ---- */

bool store_app_conversation_id_ok(struct str id)
{
    return app_id_ok(id);
}

enum err app_actor_find(struct store *store, struct str id, uint64_t user, struct app_actor *actor)
{
    (void)store;
    *actor = (struct app_actor){.is_user = true, .user = user};
    assert_true(id.len);
    return world.err;
}

static enum err act(enum app_refusal *why)
{
    *why = world.acts.why;
    return *why ? ERR_DENIED : world.acts.err;
}

bool app_may_make(const struct settings *of, const struct app_actor *actor)
{
    (void)of;
    (void)actor;
    return world.acts.why != APP_CREATE;
}

enum err app_make(struct store *store, const struct settings *of, const struct app_actor *actor,
                  const struct app_wish *wish, struct str public_id, struct store_app_conversation *found,
                  struct buf *meta, bool *made, enum app_refusal *why)
{
    (void)store;
    (void)of;
    (void)public_id;
    *found = (struct store_app_conversation){
        .conversation = 10, .kind = KIND_APP, .public_id = SHOP, .type = wish->type, .role = ROLE_OWNER};
    memcpy(found->name, wish->id.ptr, wish->id.len);
    buf_add_str(meta, wish->meta);
    *made = true;
    snprintf(world.acts.told, sizeof world.acts.told, "%d makes %.*s with %zu", (int)actor->user, (int)wish->id.len,
             wish->id.ptr, wish->count);
    return act(why);
}

static enum err change_member(const char *what, const struct app_actor *actor, struct str id, struct str user,
                              struct app_change *change, enum app_refusal *why)
{
    *change = (struct app_change){.of.conversation = 10, .user.user = 4, .made = true, .revoked = world.acts.revoked};
    memcpy(change->user.id, user.ptr, user.len);
    snprintf(world.acts.told, sizeof world.acts.told, "%d %s %.*s %.*s", (int)actor->user, what, (int)user.len,
             user.ptr, (int)id.len, id.ptr);
    return act(why);
}

enum err app_put_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                        enum store_member_role role, struct app_change *change, enum app_refusal *why)
{
    (void)store;
    enum err err = change_member("puts", actor, id, user, change, why);
    change->role = role ? role : ROLE_MEMBER;
    return err;
}

enum err app_remove_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                           struct app_change *change, enum app_refusal *why)
{
    (void)store;
    return change_member("removes", actor, id, user, change, why);
}

/* Every other one is of two. */
enum err store_app_conversations_of(struct store *store, uint64_t user, uint64_t before, unsigned limit,
                                    store_app_line_fn *fn, void *arg)
{
    (void)store;
    assert_true(user);
    for (uint64_t number = world.acts.lines; number && limit; number--) {
        struct store_app_line line = {.conversation = number,
                                      .public_id = STR(SHOP),
                                      .name = STR(SHOP_ID),
                                      .type = number % 2 ? APP_DIRECT : APP_GROUP,
                                      .title = STR(""),
                                      .meta = STR(""),
                                      .role = ROLE_MEMBER,
                                      .unread = 2};
        if (number >= before)
            continue;
        line.partner.user = number % 2 ? number : 0;
        line.partner.id = STR("bob");
        line.partner.name = line.partner.face = STR("");
        fn(arg, &line);
        limit--;
    }
    return world.err;
}

/* The real one's words are known (common/search); the index is a pointer that nobody follows. */
enum err message_search_within(struct store *store, const struct app_actor *actor, struct message_search *search,
                               struct str id, enum app_refusal *why)
{
    (void)store;
    search->reader = actor->user;
    snprintf(world.acts.told, sizeof world.acts.told, "%d looks in %.*s", (int)actor->user, (int)id.len, id.ptr);
    return act(why);
}

const char *message_search_wrong(enum err err)
{
    (void)err;
    return "is wrong";
}

void message_search_fini(struct message_search *search)
{
    search_query_fini(&search->query);
}

struct search_index *message_search_index(struct search_index **index, const char *dir)
{
    (void)dir;
    *index = world.acts.no_index ? NULL : (struct search_index *)&world;
    return *index;
}

enum err message_search_find(struct store *store, struct search_index **index, const struct message_search *search,
                             int64_t timeout_ms, struct buf *out, enum err *refused)
{
    (void)store;
    (void)timeout_ms;
    *refused = world.acts.refused;
    if (*refused)
        *index = NULL;
    json_add_array(out, "items");
    json_end_array(out);
    json_add_u64(out, "limit", search->limit);
    json_add_u64(out, "before", search->before == INT64_MAX ? 0 : search->before);
    return world.err;
}

/* User 1 is. */
void presence_ask_online(struct presence *presence, struct presence_asked *asked, size_t count, presence_online_fn *fn,
                         void *arg)
{
    (void)presence;
    for (size_t i = 0; i < count; i++)
        asked[i] = (struct presence_asked){asked[i].user, !world.acts.silent, asked[i].user == 1};
    fn(arg);
}

/* ---- clients ---- */

static struct client *open_client(void)
{
    struct client *client = &clients[client_count++];
    memset(client, 0, sizeof *client);
    buf_init(&client->got, 10000000);
    buf_init(&client->told, 100000);
    client->session = session_new(&sessions, &native_protocol, &wire, client);
    native_protocol.open(client->session, NULL);
    return client;
}

static void say(struct client *client, const char *format, ...)
{
    char text[2000];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    native_protocol.received(client->session, (struct str){text, (size_t)len});
}

/* What the client was sent in this turn of the loop: all of it, whole frames. */
static inline const char *heard(struct client *client)
{
    hub_flush(&hub);
    sessions_flush(&sessions);
    return got(client);
}

#define LIMITS \
    "\"limits\":{\"message_bytes\":1000,\"rooms\":3,\"rates\":{\"messages\":{\"per_s\":0,\"burst\":1}," \
    "\"kib\":{\"per_s\":0,\"burst\":1}},\"uploads\":{\"bytes\":0}," \
    "\"kinds\":[\"text\",\"emoji\",\"file\",\"image\",\"video\"]},"

/* The same, but of each frame only "re N", "re N CODE", or "KIND SEQ". */
static inline const char *brief(struct client *client)
{
    static char out[20000];
    size_t len = 0;
    char *text = strdup(heard(client)), *rest = text;
    out[0] = '\0';
    for (char *frame; (frame = strsep(&rest, "|")) && *frame;) {
        const char *code = strstr(frame, "\"code\":\""), *seq = strstr(frame, "\"seq\":");
        const char *ev = strstr(frame, "\"ev\":\"");
        if (!strncmp(frame, "{\"re\":", 6) && code && strstr(frame, "\"ok\":false"))
            len += (size_t)snprintf(out + len, sizeof out - len, "re %d %.*s|", atoi(frame + 6),
                                    (int)strcspn(code + 8, "\""), code + 8);
        else if (!strncmp(frame, "{\"re\":", 6))
            len += (size_t)snprintf(out + len, sizeof out - len, "re %d|", atoi(frame + 6));
        else
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*s %d|", (int)strcspn(ev + 6, "\""), ev + 6,
                                    seq ? atoi(seq + 6) : 0);
    }
    free(text);
    return out;
}

static void do_all(void)
{
    while (job_count) {
        job_do();
        if (!net.up)
            continue;
        confirm_inboxes();
        for (uint64_t conversation = 7; conversation <= 8; conversation++)
            hub_subscribed(&hub, conversation);
    }
}

/* Greeted, with nothing joined. */
static inline struct client *greeted(const char *user)
{
    struct client *client = open_client();
    say(client, "{\"id\":0,\"cmd\":\"hello\",\"user\":\"%s\"}", user);
    do_all();
    assert_string_equal(brief(client), "re 0|");
    return client;
}

static inline void joined(struct client *client, const char *room, const char *more)
{
    say(client, "{\"id\":1,\"cmd\":\"join\",\"room\":\"%s\"%s}", room, more);
    do_all();
    for (uint64_t conversation = 7; conversation <= 8; conversation++)
        hub_subscribed(&hub, conversation);
    do_all();
}

/* The journal's answer to what it was given as number `at`, from 0. */
static inline void answer_post_at(size_t at, uint64_t seq, enum err err)
{
    struct store_post post = {.message = message_of(7, seq), .err = err};
    assert_true(at < net.taken_count && net.taken_count <= 64);
    if (!err && db.last[7] < seq)
        db.last[7] = seq;
    hub_stored(&hub, &post, &net.taken[at], 1);
}

/* To the oldest that has none. */
static inline void answer_post(uint64_t seq, enum err err)
{
    answer_post_at(world.answered++, seq, err);
}

static int begin_native(void **state)
{
    int failed = begin(state);
    memset(&world, 0, sizeof world);
    world.realm = REALM_CHATROOM;
    settings.max_message_bytes = 1000;
    settings.outbox_bytes = 80000;
    settings.handshake_timeout_ms = 3000;
    settings.native_rooms_max = 3;
    settings.media_url = "/media/";
    protocol_context = (struct protocol_context){.settings = &settings, .hub = &hub, .tokens = &keys};
    return failed;
}

static int end_native(void **state)
{
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            disconnect_client(&clients[i]);
    while (job_count)
        job_do();
    assert_int_equal(world.entered, world.left);
    return end(state);
}

/* ---- commands ---- */

#define NATIVE(name) cmocka_unit_test_setup_teardown(name, begin_native, end_native)

#endif
