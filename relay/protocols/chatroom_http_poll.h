/* chatroom_http_poll.h: polling and long polling of a chatroom. A call is answered from the database if there are
 * events for it. Otherwise it subscribes to the room and is answered by the next event or when its time is up. Loop
 * thread only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_POLL_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_POLL_H

#include "relay/net/http.h"

void chatroom_http_poll(struct http_call *call, struct str room_id);

#endif
