/* app_conversations.h: the server API's calls about conversations, who is in them, and what is said there. */
#ifndef CG_REST_CALLS_APP_CONVERSATIONS_H
#define CG_REST_CALLS_APP_CONVERSATIONS_H

#include "common/store/store_app_conversation.h"
#include "rest/http/call.h"

extern const struct route_table app_conversations_routes, app_messages_routes, app_presence_routes;

/* What somebody wants to do in a conversation. What each role may: docs/platform.md. */
enum app_act {
    APP_READ,     /* see it, its members and its messages */
    APP_SAY,      /* say something */
    APP_MODERATE, /* recall what others said; members and readers come, go and change */
    APP_OWN,      /* change it, delete it, and who moderates it */
    APP_COUNT
};

/* The conversation that the path names first, if the caller may do that there: 200, 404 also for a conversation that is
 * not theirs, 403 `role` or `not_member`, or 503. A key may do everything. `meta` as in store_app_conversation_find. */
int app_conversation(struct call *call, enum app_act act, struct store_app_conversation *found,
                     struct buf *meta) CG_MUST_CHECK;
/* Whether that role may; a moderator of the whole application is a moderator wherever they are a member. */
bool app_role_may(enum store_member_role role, enum app_act act);
/* 404 as of a call. */
int app_failed(struct call *call, enum err err);

#endif
