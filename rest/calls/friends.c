#include "rest/calls/friends.h"

#include "common/json.h"
#include "common/store/store_friends.h"
#include "common/store/store_login.h"
#include "rest/services/auth.h"
#include "rest/services/caller.h"
#include "rest/http/failure.h"
#include "rest/services/limiter.h"
#include "rest/services/moderate.h"
#include "rest/services/paging.h"
#include "rest/services/publish.h"

#include <stdlib.h>

enum { FRIENDS_LISTED = 1000 }; /* in one answer */

/* ---- what the calls take ---- */

/* The user that the id names: 200, 404 or 503. */
static int look_up(struct call *call, struct str user_id, struct store_friend_self *self)
{
    enum err err = store_friend_self(call->backends->store, user_id, self);
    if (err == ERR_NOT_FOUND)
        call->error = "no such user";
    return failure_status(err, "friend_self");
}

/* Whether the request may speak as this user: 200, 401, 404 or 503. */
static int speak_as(struct call *call, struct str user_id, struct store_friend_self *self)
{
    user_id = auth_own(call, user_id);
    int status = look_up(call, user_id, self);
    if (status == 200 && self->has_password)
        status = call_status(call, auth_must_be(call, user_id, &self->rights), "friend_self");
    return status == 200 ? call_status(call, moderate(call, self->user, 0, MODERATE_ENTER), "moderate") : status;
}

static int speak_from_query(struct call *call, struct store_friend_self *self)
{
    struct str user_id = STR("");
    return http_query(call->query, "userId", &user_id) || call->caller ? speak_as(call, user_id, self) : 400;
}

static int speak_from_body(struct call *call, struct store_friend_self *self)
{
    struct str user_id = STR("");
    return json_get_string(call->object, "userId", &user_id) || call->caller ? speak_as(call, user_id, self) : 400;
}

/* ---- users ---- */

static int make_user(struct call *call)
{
    struct str name, password;
    bool with_password = json_has(call->object, "password");
    struct auth_login login;
    name = call->caller ? str_of(call->caller->user.id) : STR("");
    if ((!call->caller && !json_get_string(call->object, "name", &name)) ||
        (with_password && !json_get_string(call->object, "password", &password)))
        return 400;
    int status =
        call_status(call, auth_login(call, REALM_FRIENDS, name, with_password ? &password : NULL, &login), "login");
    if (status == 200)
        status = call_status(call, moderate(call, login.user, 0, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_text(call->out, "userId", login.user_id);
    json_add_string(call->out, "name", name);
    if (login.has_password)
        auth_add_token(call, &login);
    json_end_object(call->out);
    json_end_object(call->out);
    return 200;
}

static int find_user(struct call *call)
{
    struct str name;
    struct store_login found;
    if (!http_query(call->query, "name", &name) || !name.len || name.len > STORE_NAME_MAX)
        return 400;
    enum err err = store_login_find(call->backends->store, call->caller ? REALM_APP : REALM_FRIENDS, name, &found);
    call_begin_data(call);
    json_add_array(call->out, NULL);
    if (!err) {
        json_add_object(call->out, NULL);
        json_add_text(call->out, "userId", found.user_id);
        json_add_string(call->out, "name", name);
        json_end_object(call->out);
    }
    json_end_array(call->out);
    json_end_object(call->out);
    return failure_status(err == ERR_NOT_FOUND ? ERR_OK : err, "find_user");
}

/* ---- friendships ---- */

/* Either may ask for a friendship; but where one of the two has a password, only who is one of them. */
static bool may_befriend(const struct call *call, const struct store_friend_self both[2], struct str one,
                         struct str other)
{
    if (!both[0].has_password && !both[1].has_password)
        return true;
    return auth_is(call, one, &both[0].rights) || auth_is(call, other, &both[1].rights);
}

/* Which of the two says, by a token, that they want it. NULL: neither. */
static const struct store_friend_self *asking(const struct call *call, const struct store_friend_self both[2],
                                              struct str one, struct str other)
{
    if (auth_is(call, one, &both[0].rights))
        return &both[0];
    return auth_is(call, other, &both[1].rights) ? &both[1] : NULL;
}

/* Many friends make every connection of a user expensive, so their number is bounded. Strangers must not be able to
 * use it up: for a user with a password they may fill half of it; the other half needs the user's token. */
static int check_friend_count(struct call *call, const struct store_friend_self *self, bool asks)
{
    uint64_t most = (uint64_t)call->backends->settings->friends_max, count;
    if (!most)
        return 200;
    if (self->has_password && !asks)
        most = (most + 1) / 2;
    enum err err = store_friend_count(call->backends->store, self->user, most, &count);
    if (err)
        return failure_status(err, "friend_count");
    if (count < most)
        return 200;
    call->error = "one of the two has as many friends as may be";
    call->code = "friends_max";
    return 429;
}

/* What a friendship that is new is charged to: the address that asks, and the user whose token comes along. */
struct charge {
    struct limiter_day address, user;
};

static void uncharge(struct charge *charge)
{
    limiter_day_forget(&charge->address);
    limiter_day_forget(&charge->user);
}

static int charge_befriending(struct call *call, const struct store_friend_self *asks, struct charge *charge)
{
    const struct settings *settings = call->backends->settings;
    *charge = (struct charge){.address.counted = false};
    if (settings->friends_day_address &&
        limiter_day_address(&charge->address, call->backends, "friends", call->request->remote,
                            settings->friends_day_address, &call->retry_after_s))
        call->error = "too many new friendships from this address today";
    else if (asks && settings->friends_day_user &&
             limiter_day_user(&charge->user, call->backends, "friends", asks->user, settings->friends_day_user,
                              &call->retry_after_s))
        call->error = "too many new friendships today";
    else
        return 200;
    uncharge(charge);
    call->code = "friends_day";
    return 429;
}

/* Of two who are none yet. `asks`: whose token came along; NULL: nobody's. */
static int make_friendship(struct call *call, const struct store_friend_self both[2],
                           const struct store_friend_self *asks, char friend_id[ID_MAX])
{
    struct charge charge;
    bool made;
    int status = check_friend_count(call, &both[0], asks == &both[0]);
    if (status == 200)
        status = check_friend_count(call, &both[1], asks == &both[1]);
    if (status == 200)
        status = charge_befriending(call, asks, &charge);
    if (status != 200)
        return status;
    enum err err = store_friend_make(call->backends->store, both[0].user, both[1].user, friend_id, &made);
    if (err || !made)
        uncharge(&charge);
    for (size_t i = 0; !err && made && i < 2; i++)
        publish_friends(call->backends, both[i].user);
    return err ? failure_status(err, "befriend") : 200;
}

static int befriend(struct call *call)
{
    struct str one, other;
    struct store_friend_self both[2];
    if (!json_get_string(call->object, "user1", &one) || !json_get_string(call->object, "user2", &other))
        return 400;
    int status = look_up(call, one, &both[0]);
    if (status == 200)
        status = look_up(call, other, &both[1]);
    if (status != 200)
        return status;
    if (both[0].user == both[1].user) {
        call->error = "nobody is their own friend";
        return 400;
    }
    if (!may_befriend(call, both, one, other))
        return 401;
    status = call_status(call, moderate(call, both[0].user, 0, MODERATE_ENTER), "moderate");
    if (status == 200)
        status = call_status(call, moderate(call, both[1].user, 0, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    char friend_id[ID_MAX];
    enum err err = store_friend_find(call->backends->store, both[0].user, both[1].user, friend_id);
    status = failure_status(err == ERR_NOT_FOUND ? ERR_OK : err, "friend_find");
    if (err == ERR_NOT_FOUND)
        status = make_friendship(call, both, asking(call, both, one, other), friend_id);
    if (status != 200)
        return status;
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_text(call->out, "friendId", friend_id);
    json_end_object(call->out);
    json_end_object(call->out);
    return 200;
}

static const char *type_of(enum message_kind kind)
{
    return kind == MESSAGE_EMOJI ? "emoji" : kind >= MESSAGE_FILE && kind <= MESSAGE_VIDEO ? "file" : "text";
}

/* The members of a message's object, and its end. */
static void add_message(struct buf *out, const struct message *message, struct str from, struct str to)
{
    json_add_u64(out, "seq", message->seq);
    json_add_string(out, "from", from);
    json_add_string(out, "to", to);
    json_add_string(out, "content", message->content);
    json_add_text(out, "type", type_of(message->kind));
    json_add_int(out, "ts", message->at_ms);
    json_add_raw(out, NULL, message_frame(message));
    json_end_object(out);
}

struct listing {
    struct buf *out;
    uint64_t user;
    struct str user_id;
    size_t count, limit;
    bool more;
    struct store_friend_cursor last; /* that was listed */
};

/* One more than asked for is read, to see whether there are more. */
static void on_line(void *arg, const struct store_friend_line *line)
{
    struct listing *listing = arg;
    struct buf *out = listing->out;
    if (listing->count == listing->limit) {
        listing->more = true;
        return;
    }
    listing->last = (struct store_friend_cursor){(uint64_t)line->last.at_ms, line->conversation};
    bool mine = line->last.sender == listing->user;
    listing->count++;
    json_add_object(out, NULL);
    json_add_string(out, "friendId", line->friend_id);
    json_add_string(out, "userId", line->user_id);
    json_add_string(out, "name", line->name);
    if (line->last.seq) {
        json_add_object(out, "last");
        add_message(out, &line->last, mine ? listing->user_id : line->user_id, mine ? line->user_id : listing->user_id);
    } else {
        json_add_null(out, "last");
    }
    json_add_u64(out, "unread", line->unread);
    json_end_object(out);
}

/* As "next" of the page before says it: the last message's time and the friendship's number. */
static bool take_cursor(const struct call *call, struct store_friend_cursor *from)
{
    struct str text;
    char *end;
    *from = STORE_FRIENDS_FIRST;
    if (!http_query(call->query, "cursor", &text))
        return true;
    if (!text.len || text.len > 40 || text.ptr[0] < '0' || text.ptr[0] > '9')
        return false;
    char number[41];
    memcpy(number, text.ptr, text.len);
    number[text.len] = '\0';
    from->at_ms = strtoull(number, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9')
        return false;
    from->conversation = strtoull(end + 1, &end, 10);
    return !*end && from->at_ms <= INT64_MAX && from->conversation <= INT64_MAX;
}

static int list_friends(struct call *call)
{
    struct store_friend_self self;
    struct store_friend_cursor from;
    struct listing listing = {.out = call->out};
    uint64_t limit;
    if (!take_cursor(call, &from) ||
        !http_query_number(call->query, "limit", 1, FRIENDS_LISTED, FRIENDS_LISTED, &limit))
        return 400;
    int status = speak_from_query(call, &self);
    if (status != 200)
        return status;
    listing.limit = limit;
    listing.user = self.user;
    http_query(call->query, "userId", &listing.user_id);
    call_begin_data(call);
    json_add_array(call->out, NULL);
    enum err err = store_friend_list(call->backends->store, self.user, &from, (unsigned)limit + 1, on_line, &listing);
    json_end_array(call->out);
    if (listing.more) {
        char next[48];
        snprintf(next, sizeof next, "%llu-%llu", (unsigned long long)listing.last.at_ms,
                 (unsigned long long)listing.last.conversation);
        json_add_text(call->out, "next", next);
    }
    json_end_object(call->out);
    return failure_status(err, "list_friends");
}

/* ---- one friendship ---- */

static void add_row(void *friendship, const struct message *message, struct buf *out)
{
    const struct store_friendship *f = friendship;
    bool from_low = message->sender == f->low;
    json_begin_object(out);
    add_message(out, message, str_of(from_low ? f->low_id : f->high_id), str_of(from_low ? f->high_id : f->low_id));
}

static int read_messages(struct call *call)
{
    struct store_friend_self self;
    struct store_friend_membership membership;
    struct store_range range;
    if (!paging_range(call, &range))
        return 400;
    int status = speak_from_query(call, &self);
    if (status != 200)
        return status;
    enum err err = store_friend_membership(call->backends->store, call->params[0], self.user, &membership);
    if (err)
        return failure_status(err, "friend_membership");
    status =
        call_status(call, moderate(call, self.user, membership.friendship.conversation, MODERATE_ENTER), "moderate");
    if (status != 200)
        return status;
    struct page page;
    range.conversation = membership.friendship.conversation;
    paging_init(&page, &range);
    page.wants = page_wants_said;
    page.encode = add_row;
    page.arg = &membership.friendship;
    err = page_read(&page, call->backends->store);
    call_begin_data(call);
    paging_answer(&page, call->out);
    json_end_object(call->out);
    return failure_status(err, "read_friend");
}

static int mark_read(struct call *call)
{
    struct store_friend_self self;
    struct store_friend_membership membership = {.seq = 0};
    int64_t seq;
    if (!json_get_int(call->object, "seq", 0, INT64_MAX - 1, &seq))
        return 400;
    int status = speak_from_body(call, &self);
    if (status != 200)
        return status;
    uint64_t epoch;
    enum err err = store_epoch(call->backends->store, &epoch);
    if (!err)
        err = store_friend_membership(call->backends->store, call->params[0], self.user, &membership);
    uint64_t up_to = (uint64_t)seq < membership.seq ? (uint64_t)seq : membership.seq;
    if (!err && up_to > membership.read_seq)
        err = store_friend_read(call->backends->store, membership.friendship.conversation, self.user, up_to);
    if (!err && up_to > membership.read_seq)
        publish_read(call->backends, self.user, &(struct wire_mark){membership.friendship.conversation, up_to}, epoch);
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_u64(call->out, "seq", up_to > membership.read_seq ? up_to : membership.read_seq);
    json_end_object(call->out);
    json_end_object(call->out);
    return failure_status(err, "mark_read");
}

static const struct route rows[] = {
    {.method = "POST",
     .path = "/api/users",
     .creates = true,
     .body = BODY_JSON,
     .handler = make_user,
     .failed = failure_coded,
     .doc = "a user of the friend chat by name; with a password, logs in"},
    {.method = "GET",
     .path = "/api/users",
     .takes_query = true,
     .handler = find_user,
     .failed = failure_coded,
     .doc = "users of exactly that name"},
    {.method = "POST",
     .path = "/api/friends",
     .creates = true,
     .body = BODY_JSON,
     .handler = befriend,
     .failed = failure_coded,
     .doc = "makes two users friends"},
    {.method = "GET",
     .path = "/api/friends",
     .takes_query = true,
     .handler = list_friends,
     .failed = failure_coded,
     .doc = "a user's friends, the last message and the unread of each, page by page"},
    {.method = "GET",
     .path = "/api/friends/:friendId/messages",
     .takes_query = true,
     .handler = read_messages,
     .failed = failure_coded,
     .doc = "what two friends wrote, page by page"},
    {.method = "POST",
     .path = "/api/friends/:friendId/read",
     .body = BODY_JSON,
     .handler = mark_read,
     .failed = failure_coded,
     .doc = "marks messages read"},
};

const struct route_table friends_routes = ROUTE_TABLE_OF_FRONT_END(rows);
