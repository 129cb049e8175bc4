/* customer_row.h: encodes a message of a customer session; the same object over the socket and over REST. Any
 * thread. */
#ifndef CG_COMMON_SERVICE_CUSTOMER_ROW_H
#define CG_COMMON_SERVICE_CUSTOMER_ROW_H

#include "common/buf.h"
#include "common/message.h"
#include "common/store/store_customer.h"

/* Appends {"id":seq,"friendphone":…,"friendname":…,"friendavatar":…,"app_sid":…,"created_date":"YYYY-MM-DD HH:mm:ss",
 * "userphone":…,"username":…,"useravatar":…,"content":…,"chat_type":0|1|2}: user… is the message's sender, friend… the
 * other, regardless of the side of `pair`, so that all clients get the same bytes. Names and avatars are the present
 * ones in `pair`. */
void customer_add_row(struct buf *out, const struct message *message, const struct store_customer_pair *pair);

/* An upper bound of a row's bytes without its content, including escapes. */
enum { CUSTOMER_ROW_EXTRA = 512 + 2 * (3 * CUSTOMER_ACCOUNT_MAX + 2 * STORE_NAME_MAX + 2 * CUSTOMER_AVATAR_MAX) };

/* Answers that are no list of rows, in the form that the article's client reads. */
#define CUSTOMER_INCOMPLETE "{\"code\":0,\"msg\":\"参数不全!\"}"
#define CUSTOMER_UNKNOWN    "{\"code\":0,\"msg\":\"用户不存在!\"}"
#define CUSTOMER_BANNED     "{\"code\":0,\"msg\":\"你已被禁止使用!\"}"
#define CUSTOMER_MUTED      "{\"code\":0,\"msg\":\"你已被禁言!\"}"
#define CUSTOMER_TOO_MANY   "{\"code\":0,\"msg\":\"发送太频繁,请稍后再试!\"}"
#define CUSTOMER_LIMITED    "{\"code\":0,\"msg\":\"发送太频繁,请稍后再试!\",\"retry_after_ms\":%lld}" /* a format */
#define CUSTOMER_FAILED     "{\"code\":0,\"msg\":\"聊天出现故障!\"}"
/* Appends CUSTOMER_FAILED. If the frame had a clientId, which the article's client does not send, adds it and the
 * reason (`error`, a literal: unavailable, unknown, busy …). An unknown outcome is always stated. */
void customer_add_failed(struct buf *out, const char *error, struct str client_id);

#endif
