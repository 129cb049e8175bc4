/* chatroom_http.h: the chatrooms over plain HTTP: polling, long polling, Server-Sent Events, iframe streaming,
 * and a POST to send; the same rooms, the same authorisation, the same numbers.
 *
 *   GET  /rooms/:roomId/poll?nickId=&after=SEQ&wait=S[&epoch=E]   held until there is something, at most wait seconds
 *   GET  /rooms/:roomId/events?nickId=                            Last-Event-ID: EPOCH-SEQ resumes
 *   GET  /rooms/:roomId/stream?nickId=&callback=NAME
 *        both with padding=true: what means nothing after each piece, for who sits behind a proxy that holds back some
 *   POST /rooms/:roomId/send {nickId,content,clientId?}
 *
 * Whoever is not a member of the room gets 404, as for a room that does not exist. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_H

#include "relay/core/encoding.h"
#include "relay/net/http.h"

extern const struct http_route chatroom_http_route;
extern const struct encoding events_encoding, events_padded_encoding, stream_encoding, poll_encoding;

#endif
