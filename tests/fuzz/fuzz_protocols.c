/* What a client says at the protocols of the articles, on a connection that is in. The first byte says which protocol,
 * and what the journal answers; the rest are its frames, a line each. Whatever they are: at most one answer each, all
 * answers are JSON, what is posted may be stored, and what all readers are shown of it is JSON again. */
#include "hub_stubs.h"
#include "socket_stubs.h"

#include "common/store/store_customer.h"
#include "relay/protocols/chatroom.h"
#include "relay/protocols/customer.h"
#include "relay/protocols/friends.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/protocols/space.h"

#define FRIEND_ID "friend_0123456789abcdef0123456789abcdef"
#define SPACE_ID  "space_0123456789abcdef0123456789abcdef"
#define SECRET    "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_CHATROOM] = &chatroom_encoding,
    [ENCODING_FRIENDS_LOW] = &friends_low_encoding,
    [ENCODING_FRIENDS_HIGH] = &friends_high_encoding,
    [ENCODING_CUSTOMER] = &customer_encoding,
    [ENCODING_SPACE] = &space_encoding,
    [ENCODING_POLL] = &poll_encoding,
};

/* ---- who is known ---- */

enum err store_friend_self(struct store *store, struct str user_id, struct store_friend_self *self)
{
    (void)store;
    CG_ASSERT(str_eq(user_id, STR(ANN)));
    *self = (struct store_friend_self){.user = USER, .name = "ann"};
    return ERR_OK;
}

enum err store_friendships(struct store *store, uint64_t user, uint64_t *before, store_friendship_fn *fn, void *arg)
{
    *before = 0;
    const struct store_friendship friendship = {ROOM, USER, OTHER, FRIEND_ID, ANN, BOB};
    (void)store;
    (void)user;
    fn(arg, &friendship);
    return ERR_OK;
}

enum err store_customer_pair(struct store *store, struct str app_sid, struct str friend_account,
                             struct str user_account, struct store_customer_pair *out, int *missing)
{
    (void)store;
    CG_ASSERT(app_sid.len && friend_account.len && user_account.len);
    *missing = 0;
    *out = (struct store_customer_pair){.conversation = ROOM,
                                        .app_sid = "app",
                                        .seq = LAST,
                                        .friend = {.user = OTHER, .account = "2", .username = "bob"},
                                        .user = {.user = USER, .account = "1", .username = "ann"}};
    return ERR_OK;
}

enum err store_space_membership(struct store *store, struct str space_id, struct str user_id, const char *space_name,
                                struct store_space_membership *membership)
{
    (void)store;
    CG_ASSERT(str_eq(space_id, STR(SPACE_ID)) && str_eq(user_id, STR(ANN)) && !strcmp(space_name, "tea"));
    *membership =
        (struct store_space_membership){.conversation = ROOM, .user = USER, .space_name = "tea", .user_name = "ann"};
    return ERR_OK;
}

/* ---- how it came in ---- */

static struct token_keys keys;
static char *token;

static struct str argument(const struct request *request, const char *name, char *out, size_t size)
{
    const struct {
        const char *name, *value;
    } arguments[] = {{"roomId", str_eq(request->path, STR("/tea")) ? SPACE_ID : ROOM_ID},
                     {"nickId", ANN},
                     {"token", token},
                     {"app_sid", "app"},
                     {"friendphone", "2"},
                     {"userphone", "1"}};
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++)
        if (!strcmp(name, arguments[i].name) && strlen(arguments[i].value) < size) {
            memcpy(out, arguments[i].value, strlen(arguments[i].value) + 1);
            return str_of(out);
        }
    return STR("");
}

static struct str header(const struct request *request, const char *name, char *out, size_t size)
{
    (void)request;
    (void)name;
    CG_ASSERT(size);
    *out = '\0';
    return STR("");
}

static const struct {
    const struct protocol *protocol;
    const char *path;
} ways[] = {{&chatroom_protocol, "/"},
            {&friends_protocol, "/ws/" ANN},
            {&customer_protocol, "/chat/v1/message"},
            {&space_protocol, "/tea"}};

static struct session *open_one(unsigned way)
{
    struct request request = {str_of(ways[way].path), argument, header, NULL};
    struct session *session = session_new(&sessions, ways[way].protocol, &wire, &ended);
    CG_ASSERT(session && session->protocol->claims(request.path));
    CG_ASSERT(!session->protocol->refuse || !session->protocol->refuse(&request));
    ended = false;
    session->protocol->open(session, &request);
    do_jobs();
    CG_ASSERT(!ended && !LIST_EMPTY(&session->subscriptions));
    return session;
}

/* ---- what it says ---- */

/* Committed: everybody who may read it gets JSON. */
static void check_shown(const struct message *message)
{
    for (int i = 0; i < ENCODING_COUNT; i++) {
        struct buf out;
        buf_init(&out, message->content.len * 6 + 8192);
        if (encodings[i])
            encodings[i]->message(message, &out);
        CG_ASSERT(!out.failed);
        if (out.len)
            check_json(buf_str(&out));
        buf_fini(&out);
    }
}

static void say(struct session *session, struct str frame, enum err outcome)
{
    if (ended || frame.len > (size_t)settings.max_message_bytes || !text_utf8_valid(frame))
        return; /* ws.c closes the connection */
    frames = posts = 0;
    session->protocol->received(session, frame);
    CG_ASSERT(posts <= 1);
    if (posted) {
        struct store_post post = {.err = outcome, .message = *posted};
        post.message.seq = LAST + 1;
        post.message.at_ms = clock_wall_ms();
        CG_ASSERT(posted_by.session_id == session->id);
        if (!outcome)
            check_shown(&post.message);
        session->protocol->posted(session, posted_by.number, &post);
        free(posted);
        posted = NULL;
    }
    do_jobs();
    CG_ASSERT(frames <= 1);
}

static __attribute__((constructor)) void begin(void)
{
    char secret[] = "jwt_secret=" SECRET, why[256];
    char *sets[] = {secret};
    struct buf text;
    int64_t expires;
    stubs_init(sets, 1);
    CG_ASSERT(!log_open("fuzz", "/dev/null", LOG_ERROR));
    CG_ASSERT(!token_keys_load(&settings, &keys, why));
    buf_init(&text, TOKEN_MAX);
    CG_ASSERT(!token_make(&keys, ANN, 0, &text, &expires));
    token = mem_strndup(text.data, text.len);
    buf_fini(&text);
    protocol_context.tokens = &keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum err outcomes[] = {ERR_OK, ERR_DOWN, ERR_UNKNOWN, ERR_INVALID};
    if (!size)
        return 0;
    struct session *session = open_one(data[0] & 3);
    play_lines(session, data, size, outcomes, say);
    session_ended(session);
    CG_ASSERT(!sessions.count && !present && !waiting_count);
    return 0;
}
