/* customer.h: the customer sessions over HTTP: registration, history and posting, which together are the polling form
 * of a session.
 *
 *   POST /users/register   {account, app_sid, username, avatar?}
 *                          → {"status":200,"payload":{account,app_sid,username,avatar}}; again: another name, avatar
 *   GET  /chat/v1/history  ?friendphone=&userphone=&app_sid=&before=&after=&limit=  → {"code":1,"data":[row…]}
 *   POST /chat/v1/message  the frame of the socket → the list, as over the socket; with an Idempotency-Key, once
 *
 * Failures of the last two have the socket's bodies, and a status beside: 400 参数不全! (something is missing, or breaks a
 * rule); 403 the same (a query that names others than the frame); 404 用户不存在! (an account that is not registered, or a
 * session with oneself); 503 聊天出现故障! (not stored, or unknown; repeat it with the same key to find out). */
#ifndef CG_REST_CALLS_CUSTOMER_H
#define CG_REST_CALLS_CUSTOMER_H

#include "rest/http/call.h"

extern const struct route_table customer_routes;

#endif
