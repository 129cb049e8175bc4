/* chatroom_http.h: chatrooms over plain HTTP: polling, long polling, Server-Sent Events, iframe streaming, and a POST
 * to send, with the same rooms, authorisation and sequence numbers as the WebSocket. Loop thread only.
 *
 *   GET /rooms/:roomId/poll?nickId=&after=SEQ&wait=S[&epoch=E] held until there is an event, for at most `wait` seconds
 *   GET  /rooms/:roomId/events?nickId=                            Last-Event-ID: EPOCH-SEQ resumes
 *   GET  /rooms/:roomId/stream?nickId=&callback=NAME
 *        both with padding=true: filler after each event, to get past a proxy that buffers
 *   POST /rooms/:roomId/send {nickId,content,clientId?}
 *
 * Users who are not members of the room get 404, as for a room that does not exist. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_H

#include "relay/core/encoding.h"
#include "relay/net/http.h"

extern const struct http_route chatroom_http_route;
extern const struct encoding events_encoding, events_padded_encoding, stream_encoding, poll_encoding;

#endif
