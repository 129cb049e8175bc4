/* chatroom_http_stream.h: streams a chatroom's events: Server-Sent Events, or scripts for an iframe. Missed messages
 * come first (relay/core/catchup.h). Loop thread only. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_STREAM_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_STREAM_H

#include "relay/net/http.h"

/* Some proxies hold back the last 1 or 2 KB: as much filler, for each kind of stream. */
#define ROOMS_BLANKS_64 "                                                                "
#define ROOMS_BLANKS_512 \
    ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 \
        ROOMS_BLANKS_64
#define ROOMS_BLANKS_2048    ROOMS_BLANKS_512 ROOMS_BLANKS_512 ROOMS_BLANKS_512 ROOMS_BLANKS_512
#define ROOMS_EVENTS_PADDING ":" ROOMS_BLANKS_2048 "\n\n"
#define ROOMS_STREAM_PADDING "<!--" ROOMS_BLANKS_2048 "-->\n"

void chatroom_http_events(struct http_call *call, struct str room_id);
void chatroom_http_stream(struct http_call *call, struct str room_id);

#endif
