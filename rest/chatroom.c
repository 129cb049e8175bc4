#include "rest/chatroom.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/store.h"
#include "common/text.h"
#include "rest/presence.h"

enum { HEAD_TEXT_MAX = 32, ID_TEXT_MAX = 64 };

static int status_of(enum err err, const char *call)
{
    if (!err)
        return 200;
    if (err != ERR_DOWN) /* that it is down, db.c says once */
        log_error("rest.store_failed", "call=%s err=%s", call, err_name(err));
    return 503;
}

/* ---- what the calls take ---- */

static bool take_name(struct json_object *object, const char *key, size_t max_chars,
                      struct str *out)
{
    return json_get_string(object, key, out) && !text_check_name(*out, max_chars);
}

/* Clients show what "system" said as the server's own lines: nobody may be called so. Exactly so: names
 * are compared by their bytes here and by every client. */
static bool is_reserved(struct str nick)
{
    return str_eq(nick, STR("system"));
}

/* An id's text. Any shape: one that no id has is an unknown id, not a mistake. */
static bool take_id(struct json_object *object, const char *key, struct str *out)
{
    return json_get_string(object, key, out) && out->len > 0 && out->len <= ID_TEXT_MAX;
}

static bool is_plain_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
            return false;
    return true;
}

/* headNum: an integer or a short text, kept as the JSON scalar it is, so that a client gets back the
 * type it sent. */
static bool take_head(struct json_object *object, struct buf *head)
{
    int64_t number;
    struct str text;
    if (json_get_int(object, "headNum", 0, INT32_MAX, &number)) {
        buf_add_u64(head, (uint64_t)number);
        return true;
    }
    if (!json_get_string(object, "headNum", &text) || !text.len || text.len > HEAD_TEXT_MAX ||
        !is_plain_ascii(text))
        return false;
    buf_add_json(head, text);
    return !head->failed; /* escapes can pass STORE_HEAD_MAX */
}

/* ---- createChatroom ---- */

static int enter(const struct backends *backends, struct str room, struct str nick, struct str head,
                 struct buf *out)
{
    struct store_entry entry;
    enum err err = store_enter(backends->store, room, nick, head, &entry);
    if (err)
        return status_of(err, "createChatroom");
    /* Without Redis the admission is lost and nothing else: validate then goes by membership. */
    if (presence_admit(backends->presence, entry.conversation, entry.user))
        metric_inc(METRIC_PRESENCE_SKIPPED);
    buf_addf(out, "{\"success\":true,\"data\":{\"chatroomId\":\"%s\",\"nickId\":\"%s\"}}",
             entry.room_id, entry.user_id);
    return 200;
}

int chatroom_create(const struct backends *backends, struct str body, struct buf *out)
{
    size_t max_chars = (size_t)backends->settings->max_name_chars;
    struct json_object *object;
    if (json_parse_object(body, &object))
        return 400;
    int status = 400;
    struct str room, nick;
    struct buf head;
    buf_init(&head, STORE_HEAD_MAX);
    if (take_name(object, "chatroomName", max_chars, &room) &&
        take_name(object, "nickName", max_chars, &nick) && !is_reserved(nick) &&
        take_head(object, &head))
        status = enter(backends, room, nick, buf_str(&head), out);
    buf_fini(&head);
    json_object_put(object);
    return status;
}

/* ---- the questions ---- */

int chatroom_count(const struct backends *backends, struct str body, struct buf *out)
{
    (void)body;
    uint64_t count;
    enum err err = store_count_rooms(backends->store, &count);
    if (!err)
        buf_addf(out, "{\"success\":true,\"data\":%llu}", (unsigned long long)count);
    return status_of(err, "getRoomNums");
}

static enum err is_there(const struct backends *backends, struct str room_id, struct str user_id,
                         bool *there)
{
    struct store_place place;
    int missing;
    *there = false;
    enum err err = store_place(backends->store, room_id, user_id, &place, &missing);
    if (err || !place.is_member)
        return err == ERR_NOT_FOUND ? ERR_OK : err;
    if (presence_online(backends->presence, place.conversation, place.user, there)) {
        metric_inc(METRIC_PRESENCE_SKIPPED);
        *there = true; /* it cannot be known, and nothing is refused for want of Redis */
    }
    return ERR_OK;
}

int chatroom_validate(const struct backends *backends, struct str body, struct buf *out)
{
    struct json_object *object;
    if (json_parse_object(body, &object))
        return 400;
    int status = 400;
    struct str room_id, user_id;
    if (take_id(object, "roomId", &room_id) && take_id(object, "nickId", &user_id)) {
        bool there;
        status = status_of(is_there(backends, room_id, user_id, &there), "validateNickIdByRoomId");
        buf_addf(out, "{\"success\":%s}", there ? "true" : "false");
    }
    json_object_put(object);
    return status;
}

typedef enum err name_lookup(struct store *store, struct str id, struct buf *name);

static int name_of(const struct backends *backends, struct str body, const char *key,
                   name_lookup *look_up, const char *call, struct buf *out)
{
    struct json_object *object;
    if (json_parse_object(body, &object))
        return 400;
    int status = 400;
    struct str id;
    if (take_id(object, key, &id)) {
        struct buf name;
        buf_init(&name, STORE_NAME_MAX);
        enum err err = look_up(backends->store, id, &name);
        status = status_of(err == ERR_NOT_FOUND ? ERR_OK : err, call);
        buf_add_text(out, "{\"success\":true");
        if (!err) {
            buf_add_text(out, ",\"data\":");
            buf_add_json(out, buf_str(&name));
        }
        buf_add_char(out, '}');
        buf_fini(&name);
    }
    json_object_put(object);
    return status;
}

int chatroom_room_info(const struct backends *backends, struct str body, struct buf *out)
{
    return name_of(backends, body, "roomId", store_room_name, "getRoomInfo", out);
}

int chatroom_user_info(const struct backends *backends, struct str body, struct buf *out)
{
    return name_of(backends, body, "userId", store_user_name, "getUserInfo", out);
}
