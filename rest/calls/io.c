#include "rest/calls/io.h"

#include "common/audience.h"
#include "common/redis/io_scripts.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_io.h"
#include "common/text.h"
#include "rest/calls/admin.h"
#include "rest/http/failure.h"
#include "rest/services/redis_client.h"
#include "rest/services/publish.h"

#include <stdlib.h>

enum {
    PATIENCE_MS = 10000,
    EVENT_MAX = 256, /* bytes of an event's name */
    ROOMS_BYTES = AUDIENCE_NAMES * (6 * IO_ROOM_MAX + 3) + 2,
    IO_CURSOR_MAX = 20, /* digits of a cursor of IO_SCRIPT_LIST */
    LIST_LIMIT = 10000, /* sids or rooms in one answer, unless less are asked for */
    PAGES_MAX = 32,     /* of Redis for one answer: a page may have next to nothing in it */
};

/* ---- who may ---- */

enum err io_token_check(const struct settings *settings, char why[256])
{
    size_t len = strlen(settings->admin_token);
    if (!len || len >= IO_TOKEN_MIN)
        return ERR_OK;
    snprintf(why, 256, "admin_token: has %zu bytes, at least %d are needed", len, IO_TOKEN_MIN);
    return ERR_INVALID;
}

/* ---- what the calls take ---- */

/* A body: read only once its sender may ask for anything at all. */
struct asked {
    struct buf text;
    struct json_object *object;
    struct str nsp;
    uint64_t conversation;
};

static void asked_fini(struct asked *asked)
{
    json_object_put(asked->object);
    buf_fini(&asked->text);
}

static int refuse(struct call *call, const char *error)
{
    call->error = error;
    return 400;
}

static int no_socket(struct call *call)
{
    call->error = "no such socket";
    return 404;
}

static int find_namespace(struct call *call, struct str nsp, uint64_t *conversation)
{
    enum err err = store_io_namespace(call->backends->store, nsp, false, conversation);
    if (err == ERR_NOT_FOUND)
        call->error = "no such namespace";
    return err ? failure_status(err, "io") : 0;
}

/* 0 or the status to return. `asked` is to be ended in either case. */
static int take_body(struct call *call, struct asked *asked)
{
    size_t limit = (size_t)call->backends->settings->max_body_bytes;
    *asked = (struct asked){.nsp = STR("/")};
    buf_init(&asked->text, limit);
    int status = admin_check(call);
    if (status)
        return status;
    enum err err = http_read_body(call->request, limit, &asked->text);
    if (!err)
        err = json_parse_object(buf_str(&asked->text), &asked->object) ? ERR_INVALID : ERR_OK;
    if (err)
        return err == ERR_TOO_BIG ? 413 : 400;
    if (json_has(asked->object, "ns") && !json_get_string(asked->object, "ns", &asked->nsp))
        return refuse(call, "ns is a text");
    return find_namespace(call, asked->nsp, &asked->conversation);
}

/* Does it with the body. 0 or the status to return. */
static int with_body(struct call *call, int (*act)(struct call *call, const struct asked *asked))
{
    struct asked asked;
    int status = take_body(call, &asked);
    if (!status)
        status = act(call, &asked);
    asked_fini(&asked);
    return status;
}

struct names {
    struct str list[AUDIENCE_NAMES];
    size_t count;
};

/* Of a client of version 2: [NAMESPACE#][RELAY.]SID (io_keys.h). The longest tail of these characters is the SID. */
static bool looks_like_sid(struct str name)
{
    size_t len = 0;
    while (len < name.len && name.ptr[name.len - 1 - len] &&
           strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", name.ptr[name.len - 1 - len]))
        len++;
    if (len == name.len)
        return len == IO_SID_LEN || len == IO_SID_OF_CONNECTION;
    char before = name.ptr[name.len - 1 - len];
    return len == IO_SID_OF_CONNECTION && name.len <= IO_SID_MAX && (before == '.' || before == '#');
}

static bool take_name(struct names *names, struct str name)
{
    if (!name.len || (name.len > IO_ROOM_MAX && !looks_like_sid(name)) || names->count == AUDIENCE_NAMES)
        return false;
    names->list[names->count++] = name;
    return true;
}

/* Adds what the member `key` names: a text, or an array of texts; nothing if it is not there. */
static bool take_names(struct json_object *object, const char *key, struct names *names)
{
    struct json_object *value;
    struct str name;
    if (!json_has(object, key))
        return true;
    if (json_get_string(object, key, &name))
        return take_name(names, name);
    if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_array))
        return false;
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        struct json_object *element = json_object_array_get_idx(value, i);
        if (!json_object_is_type(element, json_type_string))
            return false;
        name = (struct str){json_object_get_string(element), (size_t)json_object_get_string_len(element)};
        if (!take_name(names, name))
            return false;
    }
    return true;
}

/* In Socket.IO every socket is in a room that is called by its id. */
static void add_to(struct buf *audience, struct str room)
{
    audience_add(audience, 'r', room);
    if (looks_like_sid(room))
        audience_add(audience, 's', room);
}

/* Reads the audience. False: too many names. */
static bool make_audience(struct buf *audience, const struct names *to, const struct names *except)
{
    struct audience parsed;
    for (size_t i = 0; i < to->count; i++)
        add_to(audience, to->list[i]);
    for (size_t i = 0; i < except->count; i++)
        audience_add(audience, 'x', except->list[i]);
    return !audience->failed && !audience_parse(buf_str(audience), &parsed);
}

/* ---- emit ---- */

/* The value of a member of the outermost object, as it was written: numbers keep every digit. `key` with its quotes.
 * Empty if there is none. */
static struct str written(struct str object, struct str key)
{
    struct json_token token;
    struct str value = STR("");
    const char *start = NULL;
    unsigned depth = 0;
    bool wanted = false;
    while (json_token_next(&object, &token)) {
        char first = *token.text.ptr;
        depth -= first == '}' || first == ']';
        if (wanted && !start)
            start = token.text.ptr;
        depth += first == '{' || first == '[';
        if (start && depth == 1) {
            value = (struct str){start, (size_t)(token.text.ptr + token.text.len - start)};
            start = NULL;
            wanted = false;
        }
        if (token.is_key && depth == 1)
            wanted = str_eq(token.text, key);
    }
    return value;
}

static bool is_reserved(struct str event)
{
    static const char *const reserved[] = {"connect",       "connect_error", "disconnect",
                                           "disconnecting", "newListener",   "removeListener"};
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (str_eq(event, str_of(reserved[i])))
            return true;
    return false;
}

/* Appends ["event",argument…]. 0 or the status to return. */
static int make_event(struct call *call, const struct asked *asked, struct buf *array)
{
    struct str event, args = STR("[]");
    if (!json_get_string(asked->object, "event", &event) || !event.len || event.len > EVENT_MAX)
        return refuse(call, "event is a text of 1 to 256 bytes");
    if (is_reserved(event))
        return refuse(call, "this event's name is reserved");
    if (json_has(asked->object, "args"))
        args = written(json_without_mark(buf_str(&asked->text)), STR("\"args\""));
    if (args.len < 2 || *args.ptr != '[')
        return refuse(call, "args is an array");
    struct json_token token;
    struct str inside = {args.ptr + 1, args.len - 2}, rest = inside;
    json_begin_array(array);
    json_add_string(array, NULL, event);
    if (json_token_next(&rest, &token))
        json_add_raw(array, NULL, inside);
    json_end_array(array);
    return array->failed ? 413 : 0;
}

static int store_event(struct call *call, uint64_t conversation, struct str audience, struct str array)
{
    struct store_post post = {.message = {
                                  .conversation = conversation,
                                  .kind = MESSAGE_EVENT,
                                  .content = array,
                                  .audience = audience,
                              }};
    enum err err = store_journal(call->backends->store, &post, 1, PATIENCE_MS);
    if (!err)
        err = post.err;
    if (err)
        return failure_status(err, "io");
    publish_message(call->backends, &post.message, post.epoch);
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_u64(call->out, "epoch", post.epoch);
    json_add_u64(call->out, "seq", post.message.seq);
    json_end_object(call->out);
    json_end_object(call->out);
    return 200;
}

static int show_event(struct call *call, uint64_t conversation, struct str audience, struct str array)
{
    struct io_notice notice = {IO_NOTICE_EMIT, audience, array};
    enum err err = publish_io(call->backends, conversation, &notice);
    if (!err) {
        call_begin_data(call);
        json_add_object(call->out, NULL);
        json_end_object(call->out);
        json_end_object(call->out);
    }
    return failure_status(err, "io");
}

static int emit_to(struct call *call, const struct asked *asked, struct buf *audience, struct buf *array)
{
    struct names to = {.count = 0}, except = {.count = 0};
    struct json_object *flag = NULL;
    if (!take_names(asked->object, "room", &to) || !take_names(asked->object, "rooms", &to) ||
        !take_names(asked->object, "except", &except))
        return refuse(call, "rooms are texts of 1 to 128 bytes, 64 at most");
    if (!make_audience(audience, &to, &except))
        return refuse(call, "too many rooms, or too long names");
    if (json_has(asked->object, "volatile") &&
        (!json_object_object_get_ex(asked->object, "volatile", &flag) || !json_object_is_type(flag, json_type_boolean)))
        return refuse(call, "volatile is true or false");
    int status = make_event(call, asked, array);
    if (status)
        return status;
    bool is_volatile = flag && json_object_get_boolean(flag);
    return (is_volatile ? show_event : store_event)(call, asked->conversation, buf_str(audience), buf_str(array));
}

static int emit_asked(struct call *call, const struct asked *asked)
{
    struct buf audience, array;
    buf_init(&audience, AUDIENCE_MAX);
    buf_init(&array, (size_t)call->backends->settings->max_body_bytes + 2 * EVENT_MAX);
    int status = emit_to(call, asked, &audience, &array);
    buf_fini(&array);
    buf_fini(&audience);
    return status;
}

static int emit(struct call *call)
{
    return with_body(call, emit_asked);
}

/* ---- join, leave, disconnect ---- */

/* Which sockets: one, those of a room, or all of the namespace. */
struct target {
    struct str kind, name; /* as IO_SCRIPT_CHANGE takes them */
    struct buf audience;
};

static void target_set(struct target *target, const struct str *sid, const struct str *room)
{
    *target = (struct target){.kind = sid    ? STR("sid")
                                      : room ? STR("room")
                                             : STR("all"),
                              .name = sid    ? *sid
                                      : room ? *room
                                             : STR("")};
    buf_init(&target->audience, AUDIENCE_MAX);
    if (sid)
        audience_add(&target->audience, 's', *sid);
    else if (room)
        add_to(&target->audience, *room);
}

struct change {
    char cursor[IO_CURSOR_MAX + 1];
    uint64_t sockets;
};

static void on_changed(void *arg, size_t index, struct str text)
{
    struct change *change = arg;
    if (!index)
        snprintf(change->cursor, sizeof change->cursor, "%.*s", (int)text.len, text.ptr);
    else
        change->sockets += strtoull(text.ptr, NULL, 10);
}

/* How many sockets one script may take: as much work as dropping IO_PAGE of them, whatever they are to do. */
static size_t portion(struct str what, const struct names *rooms)
{
    size_t moves = IO_PAGE * 8 / (rooms->count ? rooms->count : 1);
    return str_eq(what, STR("drop")) ? IO_PAGE : moves;
}

/* In Redis, portion by portion, so that no other waits long. */
static enum err change_sockets(struct call *call, const struct asked *asked, const struct target *target,
                               struct str what, const struct names *rooms, uint64_t *sockets)
{
    struct change change = {.cursor = "0"};
    struct buf json;
    enum err err = ERR_OK;
    char count[24], most[24];
    snprintf(count, sizeof count, "%zu", portion(what, rooms));
    snprintf(most, sizeof most, "%lld", (long long)call->backends->settings->io_rooms_max);
    buf_init(&json, ROOMS_BYTES);
    json_begin_array(&json);
    for (size_t i = 0; i < rooms->count; i++)
        json_add_string(&json, NULL, rooms->list[i]);
    json_end_array(&json);
    CG_ASSERT(!json.failed);
    do {
        char cursor[sizeof change.cursor];
        memcpy(cursor, change.cursor, sizeof cursor);
        struct str args[] = {asked->nsp,    target->kind, target->name,   str_of(cursor),
                             str_of(count), what,         buf_str(&json), str_of(most)};
        err = redis_client_eval(call->backends->redis, IO_SCRIPT_CHANGE, args, 8, on_changed, &change);
    } while (!err && strcmp(change.cursor, "0") != 0);
    buf_fini(&json);
    *sockets = change.sockets;
    return err;
}

/* Redis first, so that the next query sees it; then the relays that have the sockets. */
static int change(struct call *call, const struct asked *asked, const struct target *target, struct str what,
                  enum io_notice_kind kind, const struct names *rooms)
{
    uint64_t sockets;
    enum err err = change_sockets(call, asked, target, what, rooms, &sockets);
    if (!err && !sockets && str_eq(target->kind, STR("sid")))
        return no_socket(call);
    size_t notices = kind == IO_NOTICE_DISCONNECT ? 1 : rooms->count;
    for (size_t i = 0; !err && i < notices; i++) {
        struct io_notice notice = {kind, buf_str(&target->audience), rooms->count ? rooms->list[i] : STR("")};
        err = publish_io(call->backends, asked->conversation, &notice);
    }
    call_begin_data(call);
    json_add_object(call->out, NULL);
    json_add_u64(call->out, "sockets", sockets);
    json_end_object(call->out);
    json_end_object(call->out);
    return failure_status(err, "io");
}

/* The members `sid` and `room` of what was asked. */
struct addressed {
    bool has_sid, has_room;
    struct str sid, room;
};

static int take_addressed(struct call *call, const struct asked *asked, struct addressed *addressed)
{
    addressed->has_sid = json_has(asked->object, "sid");
    addressed->has_room = json_has(asked->object, "room");
    if (addressed->has_sid && !json_get_string(asked->object, "sid", &addressed->sid))
        return refuse(call, "sid is a text");
    if (addressed->has_sid && !looks_like_sid(addressed->sid))
        return no_socket(call);
    if (addressed->has_room && (!json_get_string(asked->object, "room", &addressed->room) || !addressed->room.len ||
                                addressed->room.len > IO_ROOM_MAX))
        return refuse(call, "room is a text of 1 to 128 bytes");
    return 200;
}

/* {sid,rooms}: one socket; {room,rooms}: those in the room; {rooms}: all. A `room` that is no target, because there is
 * a sid or no `rooms`, is one of `rooms`. */
static int move(struct call *call, const struct asked *asked, struct str what, enum io_notice_kind kind)
{
    struct names rooms = {.count = 0};
    struct target target;
    struct addressed addressed;
    int status = take_addressed(call, asked, &addressed);
    if (status != 200)
        return status;
    if (!take_names(asked->object, "rooms", &rooms))
        return refuse(call, "rooms are texts of 1 to 128 bytes, 64 at most");
    bool is_target = addressed.has_room && !addressed.has_sid && rooms.count;
    if (addressed.has_room && !is_target && !take_name(&rooms, addressed.room))
        return refuse(call, "rooms are texts of 1 to 128 bytes, 64 at most");
    if (!rooms.count)
        return refuse(call, "rooms is needed");
    for (size_t i = 0; is_target && i + 1 < rooms.count; i++)
        if (str_eq(rooms.list[i], addressed.room)) { /* last: whoever has left it is no target any more */
            rooms.list[i] = rooms.list[rooms.count - 1];
            rooms.list[rooms.count - 1] = addressed.room;
        }
    target_set(&target, addressed.has_sid ? &addressed.sid : NULL, is_target ? &addressed.room : NULL);
    status = change(call, asked, &target, what, kind, &rooms);
    buf_fini(&target.audience);
    return status;
}

static int join_asked(struct call *call, const struct asked *asked)
{
    return move(call, asked, STR("join"), IO_NOTICE_JOIN);
}

static int leave_asked(struct call *call, const struct asked *asked)
{
    return move(call, asked, STR("leave"), IO_NOTICE_LEAVE);
}

static int disconnect_asked(struct call *call, const struct asked *asked)
{
    static const struct names none;
    struct target target;
    struct addressed addressed;
    int status = take_addressed(call, asked, &addressed);
    if (status != 200)
        return status;
    if (addressed.has_sid && addressed.has_room)
        return refuse(call, "either sid or room");
    target_set(&target, addressed.has_sid ? &addressed.sid : NULL, addressed.has_room ? &addressed.room : NULL);
    status = change(call, asked, &target, STR("drop"), IO_NOTICE_DISCONNECT, &none);
    buf_fini(&target.audience);
    return status;
}

static int join(struct call *call)
{
    return with_body(call, join_asked);
}

static int leave(struct call *call)
{
    return with_body(call, leave_asked);
}

static int disconnect(struct call *call)
{
    return with_body(call, disconnect_asked);
}

/* ---- which rooms and sockets there are, and how many ---- */

/* What pages of IO_SCRIPT_LIST gave, on its way into the body. */
struct listing {
    struct str *texts; /* owned, as is what they point to */
    size_t count, cap;
    char next[IO_CURSOR_MAX + 1];
};

static void on_listed(void *arg, size_t index, struct str text)
{
    struct listing *listing = arg;
    if (!index) {
        snprintf(listing->next, sizeof listing->next, "%.*s", (int)text.len, text.ptr);
        return;
    }
    if (listing->count == listing->cap) {
        listing->cap = listing->cap ? listing->cap * 2 : 64;
        listing->texts = mem_realloc(listing->texts, listing->cap * sizeof listing->texts[0]);
    }
    listing->texts[listing->count++] = (struct str){mem_strndup(text.ptr, text.len), text.len};
}

static int by_text(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    size_t least = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->ptr, right->ptr, least);
    return order ? order : left->len < right->len ? -1 : left->len > right->len;
}

/* Sorted; each once, though one may have been in two pages. */
static void listing_write(struct listing *listing, struct buf *out)
{
    if (listing->count)
        qsort(listing->texts, listing->count, sizeof listing->texts[0], by_text);
    for (size_t i = 0; i < listing->count; i++)
        if (!i || !str_eq(listing->texts[i], listing->texts[i - 1]))
            json_add_string(out, NULL, listing->texts[i]);
}

static void listing_fini(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free((void *)(uintptr_t)listing->texts[i].ptr);
    free(listing->texts);
}

static bool is_cursor(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len && text.len <= IO_CURSOR_MAX;
}

/* The namespace that a query names. 0 or the status to return. */
static int take_query(struct call *call, struct str *nsp)
{
    uint64_t conversation;
    int status = admin_check(call);
    if (status)
        return status;
    if (!http_query(call->query, "ns", nsp))
        *nsp = STR("/");
    return find_namespace(call, *nsp, &conversation);
}

static int list(struct call *call, struct str kind, struct str name)
{
    struct str nsp, cursor = STR("0");
    uint64_t limit;
    int status = take_query(call, &nsp);
    if (status)
        return status;
    http_query(call->query, "cursor", &cursor);
    if (!http_query_number(call->query, "limit", 1, LIST_LIMIT, LIST_LIMIT, &limit) || !is_cursor(cursor) ||
        !text_utf8_valid(name) || memchr(name.ptr, '\0', name.len))
        return 400;
    char number[24], at[IO_CURSOR_MAX + 1];
    struct listing listing = {.texts = NULL};
    enum err err;
    int pages = PAGES_MAX;
    snprintf(number, sizeof number, "%llu", (unsigned long long)(limit < IO_LIST_PAGE ? limit : IO_LIST_PAGE));
    snprintf(listing.next, sizeof listing.next, "%.*s", (int)cursor.len, cursor.ptr);
    do { /* page by page, so that no other waits long */
        memcpy(at, listing.next, sizeof at);
        struct str args[] = {nsp, kind, name, str_of(at), str_of(number)};
        err = redis_client_eval(call->backends->redis, IO_SCRIPT_LIST, args, 5, on_listed, &listing);
    } while (!err && --pages && listing.count < limit && strcmp(listing.next, "0") != 0);
    call_begin_data(call);
    json_add_array(call->out, NULL);
    listing_write(&listing, call->out);
    listing_fini(&listing);
    json_end_array(call->out);
    if (strcmp(listing.next, "0") != 0)
        json_add_text(call->out, "next", listing.next);
    json_end_object(call->out);
    return failure_status(err, "io");
}

static int list_rooms(struct call *call)
{
    return list(call, STR("rooms"), STR(""));
}

static int list_room_sockets(struct call *call)
{
    return list(call, STR("room"), call->params[0]);
}

static int list_sockets(struct call *call)
{
    struct str room;
    if (http_query(call->query, "room", &room)) /* for names that no path can hold */
        return list(call, STR("room"), room);
    return list(call, STR("all"), STR(""));
}

static void on_counts(void *arg, size_t index, struct str text)
{
    json_add_raw(arg, index ? "rooms" : "sockets", text);
}

static int count(struct call *call)
{
    struct str nsp;
    int status = take_query(call, &nsp);
    if (status)
        return status;
    call_begin_data(call);
    json_add_object(call->out, NULL);
    enum err err = redis_client_eval(call->backends->redis, IO_SCRIPT_COUNT, &nsp, 1, on_counts, call->out);
    json_end_object(call->out);
    json_end_object(call->out);
    return failure_status(err, "io");
}

/* ---- the routes ---- */

static const struct route rows[] = {
    {.method = "POST",
     .path = "/api/io/emit",
     .body = BODY_STREAM,
     .handler = emit,
     .failed = failure_coded,
     .doc = "emits an event to a Socket.IO namespace or rooms of it (admin)"},
    {.method = "GET",
     .path = "/api/io/rooms",
     .takes_query = true,
     .handler = list_rooms,
     .failed = failure_coded,
     .doc = "the rooms that have a socket (admin)"},
    {.method = "GET",
     .path = "/api/io/rooms/:room/sockets",
     .takes_query = true,
     .handler = list_room_sockets,
     .failed = failure_coded,
     .doc = "the ids of the sockets in a room (admin)"},
    {.method = "GET",
     .path = "/api/io/sockets",
     .takes_query = true,
     .handler = list_sockets,
     .failed = failure_coded,
     .doc = "the ids of all sockets (admin)"},
    {.method = "GET",
     .path = "/api/io/counts",
     .takes_query = true,
     .handler = count,
     .failed = failure_coded,
     .doc = "how many sockets and rooms there are (admin)"},
    {.method = "POST",
     .path = "/api/io/join",
     .body = BODY_STREAM,
     .handler = join,
     .failed = failure_coded,
     .doc = "makes sockets join rooms (admin)"},
    {.method = "POST",
     .path = "/api/io/leave",
     .body = BODY_STREAM,
     .handler = leave,
     .failed = failure_coded,
     .doc = "makes sockets leave rooms (admin)"},
    {.method = "POST",
     .path = "/api/io/disconnect",
     .body = BODY_STREAM,
     .handler = disconnect,
     .failed = failure_coded,
     .doc = "disconnects sockets (admin)"},
};

const struct route_table io_routes = ROUTE_TABLE(rows);
