/* spaces.h: the REST calls of the spaces (docs/clients). Success is a bare object, a failure {"error":…,"code":…} with
 * its status. All but login need a token, in the header `token` or as a bearer; else 401. User ids are no secret here.
 *
 *   POST /api/login {nickName, password?} → {userId, token, expires}; see auth_login. 501 without jwt_secret.
 *   POST /api/spaces {name?} → {roomId, roomNum}; roomNum is the name, or eight random digits. A name that the caller
 *        is in already is the same space, somebody else's is 409: a space is entered by its id.
 *   POST /api/spaces/:roomId/join → {roomId, roomNum}; knowing the id is enough to join
 *   GET  /api/spaces/:roomId → {roomId, roomNum, members: [{userId, nickName}], records: the latest 200,
 *        standings: [{userId, score}]}; the standings are of all members and sum to zero
 *   GET  /api/spaces/:roomId/messages?before=&after=&limit= → [record], see page.h
 *   POST /api/spaces/:roomId/transfers {toId, score, clientId} → {roomId, seq, fromId, toId, score, createTime}; the
 *        header Idempotency-Key may stand for clientId. The same clientId again is the same answer; with another
 *        toId or score it is 409.
 * A record is {seq, type, fromId, toId, score, createTime}: type "1" a transfer, "2" a join, "3" a leave (then toId
 * and score are null). createTime is ISO 8601 UTC, expires Unix time in milliseconds. A space that the caller is not a
 * member of gets 404. */
#ifndef CG_REST_CALLS_SPACES_H
#define CG_REST_CALLS_SPACES_H

#include "rest/http/call.h"

extern const struct route_table spaces_routes;

#endif
