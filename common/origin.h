/* origin.h: whether a page of some site may talk to this server: the header Origin (RFC 6454, Fetch), which browsers
 * set and pages cannot. What sends none is no browser and is not concerned. */
#ifndef CG_COMMON_ORIGIN_H
#define CG_COMMON_ORIGIN_H

#include "common/str.h"

enum origin {
    ORIGIN_OWN,     /* none, or the server's own */
    ORIGIN_LISTED,  /* another one that may: its pages must be told so (CORS) */
    ORIGIN_FOREIGN, /* may not */
};

/* `list`: the setting `origins`: origins separated by commas, blanks do not count; "*" is any, "null" that of pages
 * without one. `host`: the request's header, "chat.example:8443". `scheme`: "http" or "https" as the client used it;
 * empty: not known, either will do. Besides what is listed, pages of this machine may talk to a server that they call
 * by a name of this machine (localhost, 127.x.x.x, [::1]), on whatever ports: that is how sites are developed. */
enum origin origin_judge(const char *list, struct str origin, struct str host, struct str scheme);

#endif
