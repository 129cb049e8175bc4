#include "common/service/customer_row.h"

#include "common/clock.h"
#include "common/json.h"

static int chat_type(enum message_kind kind)
{
    return kind == MESSAGE_IMAGE ? 1 : kind == MESSAGE_VIDEO ? 2 : 0;
}

void customer_add_row(struct buf *out, const struct message *message, const struct store_customer_pair *pair)
{
    bool from_user = message->sender == pair->user.user;
    const struct store_customer *user = from_user ? &pair->user : &pair->friend;
    const struct store_customer *friend = from_user ? &pair->friend : &pair->user;
    char created[CLOCK_TEXT_MAX];
    clock_format_local(message->at_ms, created);
    json_begin_object(out);
    json_add_u64(out, "id", message->seq);
    json_add_string(out, "friendphone", str_of(friend->account));
    json_add_string(out, "friendname", str_of(friend->username));
    json_add_string(out, "friendavatar", str_of(friend->avatar));
    json_add_string(out, "app_sid", str_of(pair->app_sid));
    json_add_string(out, "created_date", str_of(created));
    json_add_string(out, "userphone", str_of(user->account));
    json_add_string(out, "username", str_of(user->username));
    json_add_string(out, "useravatar", str_of(user->avatar));
    json_add_string(out, "content", message->content);
    json_add_int(out, "chat_type", chat_type(message->kind));
    json_end_object(out);
}

void customer_add_failed(struct buf *out, const char *error, struct str client_id)
{
    struct str failed = STR(CUSTOMER_FAILED);
    if (!client_id.len && strcmp(error, "unknown") != 0) {
        buf_add_str(out, failed);
        return;
    }
    buf_add(out, failed.ptr, failed.len - 1);
    json_add_text(out, "error", error);
    if (client_id.len)
        json_add_string(out, "clientId", client_id);
    json_end_object(out);
}
