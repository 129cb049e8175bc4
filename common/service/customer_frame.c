#include "common/service/customer_frame.h"

#include "common/client_id.h"
#include "common/store/store_customer.h"
#include "common/text.h"

bool customer_get_account(struct json_object *object, const char *key, struct str *out)
{
    struct json_object *member;
    int64_t number;
    if (json_get_int(object, key, 0, INT64_MAX - 1, &number) && json_object_object_get_ex(object, key, &member))
        *out = str_of(json_object_get_string(member)); /* its digits; the object keeps them */
    else if (!json_get_string(object, key, out))
        return false;
    return store_customer_account_ok(*out);
}

/* *app_sid stays as it is if the party does not say it. */
static bool read_party(struct json_object *object, const char *key, struct str *account, struct str *app_sid)
{
    struct json_object *party;
    return json_object_object_get_ex(object, key, &party) && json_object_is_type(party, json_type_object) &&
           customer_get_account(party, "account", account) &&
           (!json_has(party, "app_sid") || customer_get_account(party, "app_sid", app_sid));
}

/* Both are of one application: it is enough if one of the two says which. */
static bool read_parties(struct json_object *object, struct customer_frame *frame)
{
    struct str friends = STR(""), users = STR("");
    if (!read_party(object, "friendInfo", &frame->friend_account, &friends) ||
        !read_party(object, "userInfo", &frame->user_account, &users))
        return false;
    frame->app_sid = friends.len ? friends : users;
    return frame->app_sid.len && (!users.len || str_eq(users, frame->app_sid)) &&
           !str_eq(frame->friend_account, frame->user_account);
}

static bool read_kind(struct json_object *object, enum message_kind *kind)
{
    static const enum message_kind kinds[] = {MESSAGE_TEXT, MESSAGE_IMAGE, MESSAGE_VIDEO};
    int64_t number;
    struct str text;
    if (!json_get_int(object, "chat_type", 0, 2, &number)) {
        if (!json_get_string(object, "chat_type", &text) || text.len != 1 || text.ptr[0] < '0' || text.ptr[0] > '2')
            return false;
        number = text.ptr[0] - '0';
    }
    *kind = kinds[number];
    return true;
}

enum err customer_frame_read(struct json_object *object, const char *media_url, struct customer_frame *frame)
{
    *frame = (struct customer_frame){0};
    if (!read_parties(object, frame))
        return ERR_INVALID;
    if (!read_kind(object, &frame->kind) || !json_get_string(object, "chat_content", &frame->content) ||
        !client_id_get(object, "clientId", &frame->client_id))
        return ERR_INVALID;
    return frame->kind == MESSAGE_TEXT ? text_check_content(frame->content) : text_check_url(frame->content, media_url);
}

bool customer_frame_is_of(const struct customer_frame *frame, struct str app_sid, struct str friend_account,
                          struct str user_account)
{
    return str_eq(frame->app_sid, app_sid) && str_eq(frame->friend_account, friend_account) &&
           str_eq(frame->user_account, user_account);
}
