/* chatroom_http_send.h: a POST that sends a message to a chatroom, with the same checks as the WebSocket's frame.
 * Answered once the message is committed. Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_SEND_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_SEND_H

#include "relay/net/http.h"

void chatroom_http_send(struct http_call *call, struct str room_id);

#endif
