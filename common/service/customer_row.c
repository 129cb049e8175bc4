#include "common/service/customer_row.h"

#include "common/clock.h"

static int chat_type(enum message_kind kind)
{
    return kind == MESSAGE_IMAGE ? 1 : kind == MESSAGE_VIDEO ? 2 : 0;
}

static void add_text(struct buf *out, const char *key, struct str text)
{
    buf_addf(out, ",\"%s\":", key);
    buf_add_json(out, text);
}

void customer_add_row(struct buf *out, const struct message *message, const struct store_customer_pair *pair)
{
    bool from_user = message->sender == pair->user.user;
    const struct store_customer *user = from_user ? &pair->user : &pair->friend;
    const struct store_customer *friend = from_user ? &pair->friend : &pair->user;
    char created[CLOCK_TEXT_MAX];
    clock_format_local(message->at_ms, created);
    buf_addf(out, "{\"id\":%llu", (unsigned long long)message->seq);
    add_text(out, "friendphone", str_of(friend->account));
    add_text(out, "friendname", str_of(friend->username));
    add_text(out, "friendavatar", str_of(friend->avatar));
    add_text(out, "app_sid", str_of(pair->app_sid));
    add_text(out, "created_date", str_of(created));
    add_text(out, "userphone", str_of(user->account));
    add_text(out, "username", str_of(user->username));
    add_text(out, "useravatar", str_of(user->avatar));
    add_text(out, "content", message->content);
    buf_addf(out, ",\"chat_type\":%d}", chat_type(message->kind));
}

void customer_add_failed(struct buf *out, const char *error, struct str client_id)
{
    struct str failed = STR(CUSTOMER_FAILED);
    if (!client_id.len && strcmp(error, "unknown") != 0) {
        buf_add_str(out, failed);
        return;
    }
    buf_add(out, failed.ptr, failed.len - 1);
    buf_addf(out, ",\"error\":\"%s\"", error);
    if (client_id.len) {
        buf_add_text(out, ",\"clientId\":");
        buf_add_json(out, client_id);
    }
    buf_add_char(out, '}');
}
