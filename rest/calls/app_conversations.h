/* app_conversations.h: the server API's calls about conversations, their members and their messages. */
#ifndef CG_REST_CALLS_APP_CONVERSATIONS_H
#define CG_REST_CALLS_APP_CONVERSATIONS_H

#include "common/service/app_acts.h"
#include "rest/http/call.h"

extern const struct route_table app_conversations_routes, app_messages_routes, app_presence_routes;

/* Finds the conversation named in the path's first parameter and checks that the caller may do `act` there. Returns
 * 200; 404, also for a conversation that is not theirs; 403 `role` or `not_member`; or 503. A server key may do
 * everything. `meta` as in store_app_conversation_find. */
int app_conversation(struct call *call, enum app_act act, struct store_app_conversation *found,
                     struct buf *meta) CG_MUST_CHECK;
/* Returns the status of a refusal, and sets the reason in `call`. */
int app_refuse(struct call *call, enum app_refusal why);
/* The caller, for app_acts.h. */
struct app_actor app_actor_of(const struct call *call);
/* Returns the status of an error, with 404 for ERR_NOT_FOUND. */
int app_failed(struct call *call, enum err err);

#endif
