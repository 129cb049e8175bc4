/* unread.h: read markers and unread counts in chatrooms and spaces. Friendships have calls of their own
 * (friends.h). */
#ifndef CG_REST_CALLS_UNREAD_H
#define CG_REST_CALLS_UNREAD_H

#include "rest/http/call.h"

extern const struct route_table unread_routes;

#endif
