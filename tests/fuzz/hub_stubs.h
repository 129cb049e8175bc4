/* hub_stubs.h: all that surrounds an adapter, for targets that feed one what a client says: a hub that takes posts and
 * holds them against what may be stored, readers that answer when asked to, a presence that nobody sees. A target
 * includes this once. */
#ifndef CG_TESTS_HUB_STUBS_H
#define CG_TESTS_HUB_STUBS_H

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/store/store_admission.h"
#include "common/store/store_life.h"
#include "common/text.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/core/presence.h"
#include "relay/db/db_pool.h"

#include <stdlib.h>

#define ROOM_ID "room_0123456789abcdef0123456789abcdef"
#define ANN     "user_0123456789abcdef0123456789abcdef"
#define BOB     "user_fedcba9876543210fedcba9876543210"

enum { ROOM = 7, USER = 9, OTHER = 10, LAST = 5, EPOCH = 3 };

static struct settings settings;
static struct wheel wheel;
static struct sessions sessions;
static struct hub hub = {.settings = &settings, .wheel = &wheel, .sessions = &sessions, .epoch = EPOCH};
static int64_t now_ms = 5000000;

/* What the world does to the present input. */
static struct {
    enum err post;      /* of hub_post */
    bool log_too_short; /* histories must be read */
} mood;

/* ---- what may be said of text ---- */

static void check_text(struct str text, size_t max)
{
    CG_ASSERT(text.len <= max && text_utf8_valid(text));
}

static void check_json(struct str text)
{
    CG_ASSERT(text_utf8_valid(text) && !json_vet(text, JSON_VET_MAX_DEPTH, UINT32_MAX));
}

/* ---- the hub ---- */

struct stub_subscription {
    struct subscription sub;
    uint64_t conversation;
};

static struct message *posted; /* the last one, while it is in hand */
static struct post_id posted_by;
static unsigned posts;

void hub_join(struct hub *of, struct session *session, uint64_t conversation, enum encoding_id encoding)
{
    struct stub_subscription *stub = mem_zalloc(sizeof *stub);
    CG_ASSERT(of == &hub && !hub_subscription(session, conversation));
    (void)encoding;
    stub->sub = (struct subscription){.session = session, .announced = true};
    stub->conversation = conversation;
    LIST_INSERT_HEAD(&session->subscriptions, &stub->sub, link);
    session->protocol->joined(session, &stub->sub);
}

uint64_t hub_conversation(const struct subscription *sub)
{
    return ((const struct stub_subscription *)sub)->conversation;
}

struct subscription *hub_subscription(const struct session *session, uint64_t conversation)
{
    struct subscription *sub;
    LIST_FOREACH(sub, &session->subscriptions, link)
        if (hub_conversation(sub) == conversation)
            break;
    return sub;
}

void hub_leave(struct hub *of, struct session *session)
{
    CG_ASSERT(of == &hub);
    for (struct subscription *sub; (sub = LIST_FIRST(&session->subscriptions));) {
        LIST_REMOVE(sub, link);
        free(sub);
    }
}

struct hub *hub_of(const struct subscription *sub)
{
    (void)sub;
    return &hub;
}

uint64_t hub_trimmed(const struct subscription *sub)
{
    (void)sub;
    return 0;
}

bool hub_catch_up(struct subscription *sub, bool anew)
{
    (void)sub;
    (void)anew;
    return true;
}

uint64_t hub_seq(const struct subscription *sub)
{
    (void)sub;
    return LAST;
}

void hub_expect(struct subscription *sub, uint64_t seq)
{
    (void)sub;
    CG_ASSERT(seq >= LAST);
}

enum err hub_post(struct hub *of, struct post_id id, const struct message *message)
{
    CG_ASSERT(of == &hub && message->conversation == ROOM);
    bool revision = message_is_revision(message->kind);
    check_text(message->content, (size_t)settings.max_message_bytes * (revision ? 6 : 1) + (revision ? 128 : 0));
    CG_ASSERT(!text_check_content(message->content) && (!revision || !json_vet(message->content, 2, 4)));
    CG_ASSERT(message->client_id.len <= MESSAGE_CLIENT_ID_MAX && text_utf8_valid(message->client_id));
    CG_ASSERT(!message->sent_at.len || text_is_sent_at(message->sent_at));
    CG_ASSERT(message->sender == USER && !message->seq && str_eq(message->sender_name, STR("ann")));
    posts++;
    if (mood.post)
        return mood.post;
    free(posted);
    posted = message_dup(message);
    posted_by = id;
    return ERR_OK;
}

void hub_show(struct hub *of, uint64_t conversation, enum encoding_id encoding, struct str payload)
{
    CG_ASSERT(of == &hub && conversation == ROOM && encoding < ENCODING_COUNT);
    check_json(payload);
}

void hub_notify(struct hub *of, enum wire_kind kind, uint64_t conversation, uint64_t user)
{
    CG_ASSERT(of == &hub && kind == WIRE_HISTORY && conversation == ROOM && user == USER);
}

void hub_each(struct hub *of, uint64_t conversation, hub_session_fn *fn, void *arg)
{
    for (size_t i = 0; i < of->sessions->cap; i++)
        if (of->sessions->slots[i] && hub_subscription(of->sessions->slots[i], conversation))
            fn(arg, of->sessions->slots[i]);
}

bool hub_recent(struct hub *of, uint64_t conversation, enum encoding_id encoding,
                void (*fn)(void *arg, struct str payload), void *arg)
{
    (void)encoding;
    (void)fn;
    (void)arg;
    CG_ASSERT(of == &hub && conversation == ROOM);
    return !mood.log_too_short;
}

static bool pending(const struct subscription *sub, struct str *bytes)
{
    (void)sub;
    *bytes = STR("");
    return true;
}

bool hub_read(struct subscription *sub, hub_payload_fn *fn, void *arg)
{
    (void)sub;
    (void)fn;
    (void)arg;
    return true;
}

/* ---- presence ---- */

static int present;

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    (void)presence;
    CG_ASSERT(conversation == ROOM && member->user == USER && encoding < ENCODING_COUNT);
    present++;
    struct session *session = session_id ? sessions_find(&sessions, session_id) : NULL;
    if (session)
        session->protocol->entered(session);
}

void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user)
{
    (void)presence;
    CG_ASSERT(conversation == ROOM && user == USER && present > 0);
    present--;
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

/* ---- the readers, and what they find ---- */

static struct job *waiting[16];
static size_t waiting_count;

enum err db_pool_try(struct db_pool *db_pool, struct job *job)
{
    (void)db_pool;
    CG_ASSERT(waiting_count < 16);
    waiting[waiting_count++] = job;
    return ERR_OK;
}

static void do_jobs(void)
{
    while (waiting_count) {
        struct job *job = waiting[--waiting_count];
        job_alone(job, NULL);
        job->done(job);
    }
}

enum err store_membership(struct store *store, struct str room_id, struct str user_id,
                          struct store_membership *membership, int *missing)
{
    (void)store;
    *missing = (str_eq(room_id, STR(ROOM_ID)) ? 0 : STORE_NO_ROOM) | (str_eq(user_id, STR(ANN)) ? 0 : STORE_NO_USER);
    *membership = (struct store_membership){.conversation = ROOM,
                                            .user = USER,
                                            .seq = LAST,
                                            .is_member = true,
                                            .user_name = "ann",
                                            .user_name_len = 3,
                                            .head = "1"};
    return *missing ? ERR_NOT_FOUND : ERR_OK;
}

enum err store_memberships(struct store *store, struct store_membership_asked *asked, size_t count)
{
    for (size_t i = 0; i < count; i++)
        asked[i].err =
            store_membership(store, asked[i].room_id, asked[i].user_id, asked[i].membership, &asked[i].missing);
    return ERR_OK;
}

/* A history that looks like what its readers must not take it for. */
enum err store_life_get(struct store *store, uint64_t conversation, struct store_life *life)
{
    (void)store;
    (void)conversation;
    *life = (struct store_life){.trimmed = 0};
    return ERR_OK;
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    (void)store;
    CG_ASSERT(range->conversation == ROOM);
    for (uint64_t seq = range->after + 1; seq <= LAST && seq < range->before; seq++) {
        struct message message = {.conversation = ROOM,
                                  .seq = seq,
                                  .sender = USER,
                                  .kind = MESSAGE_TEXT,
                                  .sender_name = STR("ann"),
                                  .content = STR("</script>\n\ndata: \"\\\xe2\x80\xa8")};
        fn(arg, &message);
    }
    return ERR_OK;
}

struct ranged {
    store_ranged_fn *fn;
    void *arg;
    size_t range;
};

static void on_in_range(void *arg, const struct message *message)
{
    const struct ranged *ranged = arg;
    ranged->fn(ranged->arg, ranged->range, message);
}

enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct ranged ranged = {fn, arg, i};
        err = store_read(store, &ranges[i], on_in_range, &ranged);
    }
    return err;
}

/* ---- the whole ---- */

static void stubs_init(char **sets, int count)
{
    char why[256];
    CG_ASSERT(!settings_load(&settings, NULL, sets, count, why));
    clock_freeze(now_ms);
    wheel_init(&wheel);
    sessions_init(&sessions, &settings, &wheel);
    sessions.pending = pending;
    protocol_context.settings = &settings;
    protocol_context.hub = &hub;
}

/* The first byte of the input is how everybody around the adapter feels, and which of four outcomes its questions have;
 * each line after it is a frame of the client's. */
static inline void play_lines(struct session *session, const uint8_t *data, size_t size, const enum err outcomes[4],
                              void (*say)(struct session *session, struct str line, enum err outcome))
{
    mood.post = data[0] & 16 ? ERR_BUSY : data[0] & 64 ? ERR_DENIED : ERR_OK;
    mood.log_too_short = data[0] & 32;
    const char *at = (const char *)data + 1, *end = (const char *)data + size;
    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        line = line ? line : end;
        say(session, (struct str){at, (size_t)(line - at)}, outcomes[data[0] >> 2 & 3]);
        at = line + 1;
    }
}

#endif
