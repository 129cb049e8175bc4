/* What a client of the native protocol says, from its hello on. The first byte says what the journal answers; the
 * rest are its frames, a line each. Whatever they are: at most one answer each, all that it is sent is JSON, what
 * is posted may be stored, and nothing is left of a connection that is over. */
#include "hub_stubs.h"
#include "socket_stubs.h"

#include "common/mem.h"
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
