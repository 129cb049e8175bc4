/* chatroom.h: the REST calls of the chatroom (docs: the protocol page of the chatroom). Each answers 200,
 * 400 for input that breaks a rule, or 503 when the database cannot be used.
 *
 *   createChatroom {chatroomName, nickName, headNum}
 *       → {"success":true,"data":{"chatroomId":…,"nickId":…}}. The user is a member and counts as online
 *       from here on, for admit_ms without a socket.
 *   getRoomNums → {"success":true,"data":N}
 *   validateNickIdByRoomId {roomId, nickId}
 *       → {"success":true} or {"success":false}, both with 200. While Redis is down nobody can say who
 *       is online: membership alone decides then.
 *   getRoomInfo {roomId}, getUserInfo {userId}
 *       → {"success":true,"data":NAME}, without data if there is no such id.
 *
 * And beside the article's five, with failures as {"error":…,"code":…}:
 *   GET /api/rooms/:roomId/messages?nickId=&before=&after=&limit=
 *       → {"success":true,"data":[{"seq":…,"type":"message"|"join"|"leave","name":…,"content":…,"ts":MS}]}, see
 *       page.h; for members of the room, else 404. */
#ifndef CG_REST_CALLS_CHATROOM_H
#define CG_REST_CALLS_CHATROOM_H

#include "rest/http/call.h"

extern const struct route_table chatroom_routes;

#endif
