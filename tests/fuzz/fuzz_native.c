/* What a client of the native protocol says, from its hello on. The first byte says what the journal answers; the
 * rest are its frames, a line each. Whatever they are: at most one answer each, all that it is sent is JSON, what
 * is posted may be stored, and nothing is left of a connection that is over. */
#include "hub_stubs.h"
#include "socket_stubs.h"

#include "common/mem.h"
#include "common/service/app_acts.h"
#include "common/service/message_search.h"
#include "common/store/store_native.h"
#include "common/store/store_reaction.h"
#include "relay/native/native.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct token_keys keys;

/* ---- who is known, and where they may be ---- */

enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user)
{
    (void)store;
    *user = (struct store_native_user){.user = USER, .realm = REALM_CHATROOM, .name = "ann", .head = "1"};
    return str_eq(user_id, STR(ANN)) ? ERR_OK : ERR_NOT_FOUND;
}

/* All but one are there. */
enum err store_native_mentioned(struct store *store, uint64_t conversation, struct store_mentioned *mentioned,
                                size_t count)
{
    (void)store;
    CG_ASSERT(conversation == ROOM && count);
    for (size_t i = 0; i < count; i++)
        mentioned[i].user = str_eq(mentioned[i].id, STR("no")) ? 0 : USER + i;
    return ERR_OK;
}

enum err store_reactions(struct store *store, uint64_t conversation, uint64_t first, uint64_t last, uint64_t user,
                         struct store_reaction **reactions, size_t *count, uint64_t *seq)
{
    (void)store;
    CG_ASSERT(conversation == ROOM && first && first <= last && user == USER);
    *reactions = mem_zalloc(sizeof **reactions);
    **reactions = (struct store_reaction){.seq = last, .count = 2, .me = true, .emoji = "x"};
    *count = 1;
    *seq = last;
    return ERR_OK;
}

enum err store_native_enter(struct store *store, uint64_t user, struct str id, struct store_app_event *event)
{
    (void)store;
    (void)user;
    (void)id;
    (void)event;
    return ERR_NOT_FOUND;
}

enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships)
{
    (void)store;
    CG_ASSERT(user == USER);
    memset(memberships, 0, count * sizeof *memberships);
    for (size_t i = 0; i < count; i++)
        if (str_eq(ids[i], STR(ROOM_ID)))
            memberships[i] = (struct store_native_membership){.conversation = ROOM, .kind = KIND_CHATROOM, .seq = LAST};
    return ERR_OK;
}

enum err store_native_arrivals(struct store *store, struct store_native_arrival *const *arrivals, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct store_native_arrival *arrival = arrivals[i];
        arrival->err = store_native_user(store, arrival->user_id, &arrival->user);
        for (size_t k = 0; !arrival->err && k < arrival->count; k++)
            if (store_native_memberships(store, USER, &arrival->wanted[k].id, 1, &arrival->wanted[k].membership))
                return ERR_DOWN;
    }
    return ERR_OK;
}

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count)
{
    (void)store;
    (void)among;
    (void)user;
    CG_ASSERT(conversation == ROOM);
    *count = after < LAST ? LAST - after : 0;
    return ERR_OK;
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_membership *membership)
{
    (void)store;
    (void)user;
    membership->read_seq = seq < LAST ? seq : LAST;
    return ERR_OK;
}

/* ---- the application's conversations: this user is none of its, so nothing is asked of them ---- */

bool store_app_conversation_id_ok(struct str id)
{
    return app_id_ok(id);
}

enum err app_actor_find(struct store *store, struct str id, uint64_t user, struct app_actor *actor)
{
    (void)store, (void)id, (void)user, (void)actor;
    abort();
}

bool app_may_make(const struct settings *of, const struct app_actor *actor)
{
    (void)of, (void)actor;
    abort();
}

enum err app_make(struct store *store, const struct settings *of, const struct app_actor *actor,
                  const struct app_wish *wish, struct str public_id, struct store_app_conversation *found,
                  struct buf *meta, bool *made, enum app_refusal *why)
{
    (void)store, (void)of, (void)actor, (void)wish, (void)public_id, (void)found, (void)meta, (void)made, (void)why;
    abort();
}

enum err app_put_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                        enum store_member_role role, struct app_change *change, enum app_refusal *why)
{
    (void)store, (void)actor, (void)id, (void)user, (void)role, (void)change, (void)why;
    abort();
}

enum err app_remove_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                           struct app_change *change, enum app_refusal *why)
{
    (void)store, (void)actor, (void)id, (void)user, (void)change, (void)why;
    abort();
}

enum err store_app_conversations_of(struct store *store, uint64_t user, uint64_t before, unsigned limit,
                                    store_app_line_fn *fn, void *arg)
{
    (void)store, (void)user, (void)before, (void)limit, (void)fn, (void)arg;
    abort();
}

enum err message_search_within(struct store *store, const struct app_actor *actor, struct message_search *search,
                               struct str id, enum app_refusal *why)
{
    (void)store, (void)actor, (void)search, (void)id, (void)why;
    abort();
}

const char *message_search_wrong(enum err err)
{
    (void)err;
    abort();
}

void message_search_fini(struct message_search *search)
{
    (void)search;
    abort();
}

struct search_index *message_search_index(struct search_index **index, const char *dir)
{
    (void)index, (void)dir;
    abort();
}

enum err message_search_find(struct store *store, struct search_index **index, const struct message_search *search,
                             int64_t timeout_ms, struct buf *out, enum err *refused)
{
    (void)store, (void)index, (void)search, (void)timeout_ms, (void)out, (void)refused;
    abort();
}

void presence_ask_online(struct presence *presence, struct presence_asked *asked, size_t count, presence_online_fn *fn,
                         void *arg)
{
    (void)presence, (void)asked, (void)count, (void)fn, (void)arg;
    abort();
}

void hub_tell(struct hub *of, const struct message *message, uint64_t epoch)
{
    (void)epoch;
    CG_ASSERT(of == &hub && !message);
}

void hub_revoked(struct hub *of)
{
    (void)of;
    abort();
}

/* ---- what only this protocol asks of the hub and of presence ---- */

void hub_leave_one(struct subscription *sub)
{
    LIST_REMOVE(sub, link);
    free(sub);
}

void hub_notify_read(struct hub *of, uint64_t user, const struct wire_mark *mark)
{
    CG_ASSERT(of == &hub && user == USER && mark->conversation == ROOM && mark->seq <= LAST);
}

void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg)
{
    const struct member member = {USER, STR("ann"), STR("1")};
    (void)presence;
    CG_ASSERT(conversation == ROOM);
    fn(arg, &member, 1);
}

/* ---- what it says ---- */

static void say(struct session *session, struct str frame, enum err outcome)
{
    if (ended || frame.len > (size_t)settings.max_message_bytes || !text_utf8_valid(frame))
        return; /* ws.c closes the connection */
    answers = posts = 0;
    session->protocol->received(session, frame);
    do_jobs();
    CG_ASSERT(posts <= 1);
    if (posted) {
        struct store_post post = {.err = outcome, .message = *posted};
        post.message.seq = LAST + 1;
        session->protocol->posted(session, posted_by.number, &post);
        free(posted);
        posted = NULL;
    }
    do_jobs();
    sessions_flush(&sessions);
    CG_ASSERT(answers <= 1);
}

static __attribute__((constructor)) void begin(void)
{
    stubs_init(NULL, 0);
    CG_ASSERT(!log_open("fuzz", "/dev/null", LOG_ERROR));
    protocol_context.tokens = &keys; /* none: tokens are fuzz_token's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum err outcomes[] = {ERR_OK, ERR_DOWN, ERR_UNKNOWN, ERR_NOT_FOUND};
    if (!size)
        return 0;
    struct request request = {.path = STR("/v1")};
    struct session *session = session_new(&sessions, &native_protocol, &wire, &ended);
    CG_ASSERT(session && native_protocol.claims(request.path));
    ended = false;
    native_protocol.open(session, &request);
    play_lines(session, data, size, outcomes, say);
    session_ended(session);
    CG_ASSERT(!sessions.count && !present && !waiting_count);
    return 0;
}
