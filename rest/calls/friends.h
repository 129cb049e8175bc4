/* friends.h: the REST calls of the friend chat (docs/clients). Success is {"success":true,"data":…}, a failure
 * {"error":…,"code":…} with its status.
 *
 * Anyone who knows a user's id may act as that user, as in the article, unless the user has set a password; then a
 * token of that user is needed with the id, here and at the socket. Names and ids are not secret between users,
 * because friends are addressed by them.
 *
 *   POST /api/users {name, password?} → {userId, name} and with a password {token, expires}; see auth_login
 *   GET  /api/users?name= → [{userId, name}], of exactly that name
 *   POST /api/friends {user1, user2} → {friendId}; with a password on either side, for one of the two by token
 *   GET  /api/friends?userId= → [{friendId, userId, name, last: {seq, from, to, content, type, ts} or null, unread}],
 *        the latest first; content is cut at STORE_LAST_CHARS
 *   GET  /api/friends/:friendId/messages?userId=&before=&after=&limit=
 *        → [{seq, from, to, content, type, ts}], see page.h
 *   POST /api/friends/:friendId/read {userId, seq} → {seq}, up to where it is read now: never back, never past
 *        the last message
 * Somebody else's friendship gets 404. `ts` and `expires` are Unix time in milliseconds. */
#ifndef CG_REST_CALLS_FRIENDS_H
#define CG_REST_CALLS_FRIENDS_H

#include "rest/http/call.h"

extern const struct route_table friends_routes;

#endif
