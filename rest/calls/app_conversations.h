/* app_conversations.h: the server API's calls about conversations, who is in them, and what is said there. */
#ifndef CG_REST_CALLS_APP_CONVERSATIONS_H
#define CG_REST_CALLS_APP_CONVERSATIONS_H

#include "common/service/app_acts.h"
#include "rest/http/call.h"

extern const struct route_table app_conversations_routes, app_messages_routes, app_presence_routes;

/* The conversation that the path names first, if the caller may do that there: 200, 404 also for a conversation that is
 * not theirs, 403 `role` or `not_member`, or 503. A key may do everything. `meta` as in store_app_conversation_find. */
int app_conversation(struct call *call, enum app_act act, struct store_app_conversation *found,
                     struct buf *meta) CG_MUST_CHECK;
/* The status of why something is not done, and says it in `call`. */
int app_refuse(struct call *call, enum app_refusal why);
/* Who calls, for app_acts.h. */
struct app_actor app_actor_of(const struct call *call);
/* 404 as of a call. */
int app_failed(struct call *call, enum err err);

#endif
