/* chatroom.h: the five REST calls of the chatroom (docs: the protocol page of door A). Route handlers:
 * see route_handler in router.h for the contract. Each returns 200, 400 for input that breaks a rule,
 * or 503 when the database cannot be used. */
#ifndef CG_REST_CHATROOM_H
#define CG_REST_CHATROOM_H

#include "rest/router.h"

/* {chatroomName, nickName, headNum} → {"success":true,"data":{"chatroomId":…,"nickId":…}}.
 * The user is a member and counts as online from here on, for admit_ms without a socket. */
route_handler chatroom_create;

/* → {"success":true,"data":N} */
route_handler chatroom_count;

/* {roomId, nickId} → {"success":true} or {"success":false}, both with 200. While Redis is down nobody
 * can say who is online: membership alone decides then. */
route_handler chatroom_validate;

/* {roomId} or {userId} → {"success":true,"data":NAME}, without data if there is no such id. */
route_handler chatroom_room_info;
route_handler chatroom_user_info;

#endif
