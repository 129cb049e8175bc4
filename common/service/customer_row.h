/* customer_row.h: a message of a customer session as its clients see it; the same object over the socket and over
 * REST. */
#ifndef CG_COMMON_SERVICE_CUSTOMER_ROW_H
#define CG_COMMON_SERVICE_CUSTOMER_ROW_H

#include "common/buf.h"
#include "common/message.h"
#include "common/store/store_customer.h"

/* Appends {"id":seq,"friendphone":…,"friendname":…,"friendavatar":…,"app_sid":…,"created_date":"YYYY-MM-DD HH:mm:ss",
 * "userphone":…,"username":…,"useravatar":…,"content":…,"chat_type":0|1|2}: user… is the message's sender, friend… the
 * other, whichever of them the pair is seen from. So all readers of the conversation get the same bytes. Names and
 * avatars are the pair's, as they are now. */
void customer_add_row(struct buf *out, const struct message *message, const struct store_customer_pair *pair);

/* Most bytes of a row beside its content, escapes included. */
enum { CUSTOMER_ROW_EXTRA = 512 + 2 * (3 * CUSTOMER_ACCOUNT_MAX + 2 * STORE_NAME_MAX + 2 * CUSTOMER_AVATAR_MAX) };

/* The answers that are no list of rows, as the article's client reads them. */
#define CUSTOMER_INCOMPLETE "{\"code\":0,\"msg\":\"参数不全!\"}"
#define CUSTOMER_UNKNOWN    "{\"code\":0,\"msg\":\"用户不存在!\"}"
#define CUSTOMER_BANNED     "{\"code\":0,\"msg\":\"你已被禁止使用!\"}"
#define CUSTOMER_MUTED      "{\"code\":0,\"msg\":\"你已被禁言!\"}"
#define CUSTOMER_TOO_MANY   "{\"code\":0,\"msg\":\"发送太频繁,请稍后再试!\"}"
#define CUSTOMER_LIMITED    "{\"code\":0,\"msg\":\"发送太频繁,请稍后再试!\",\"retry_after_ms\":%lld}" /* a format */
#define CUSTOMER_FAILED     "{\"code\":0,\"msg\":\"聊天出现故障!\"}"
/* Appends CUSTOMER_FAILED. A frame with a clientId, which the article's client does not send, is answered with that and
 * with why (`error`, a literal: unavailable, unknown, busy …); that an outcome is unknown is said in any case. */
void customer_add_failed(struct buf *out, const char *error, struct str client_id);

#endif
