/* origin.h: whether a page of some site may talk to this server: the header Origin (RFC 6454, Fetch), which browsers
 * set and pages cannot. What sends none is no browser and is not concerned.
 *
 * No door uses cookies or anything else that a browser adds by itself, so no session is to be had by a foreign page. What
 * is kept from it are machines behind the browser, to which the page has no way of its own. */
#ifndef CG_COMMON_ORIGIN_H
#define CG_COMMON_ORIGIN_H

#include "common/buf.h"
#include "common/str.h"

enum origin {
    ORIGIN_OWN,     /* none, or the server's own */
    ORIGIN_LISTED,  /* another one that may: its pages must be told so (CORS) */
    ORIGIN_FOREIGN, /* may not */
};

/* What pages of another origin may send, for Access-Control-Allow-Headers: all that we read, and what libraries add. */
#define ORIGIN_HEADERS                                                                                                  \
    "Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, Token, X-Requested-With"

/* `list`: the setting `origins`: origins separated by commas, blanks do not count; "*" is any, "null" that of pages
 * without one. `host`: the request's header, "chat.example:8443". `scheme`: "http" or "https" as the client used it;
 * empty: not known, either will do. Besides what is listed may talk to us:
 *   - the same host, under any scheme and port: native clients make up ws://HOST, and TLS or ports may be changed by a
 *     proxy in front;
 *   - what no site has: chrome-extension, moz-extension, weapp, capacitor, ionic, file;
 *   - pages of this machine, if they call the server by a name of this machine (localhost, 127.x.x.x, [::1]): that is how
 *     sites are developed. */
enum origin origin_judge(const char *list, struct str origin, struct str host, struct str scheme);

/* The origin as it may stand in logs and between quotes: printable ASCII, cut to ORIGIN_TEXT_MAX. */
enum { ORIGIN_TEXT_MAX = 256 };
void origin_text(struct str origin, char out[ORIGIN_TEXT_MAX]);

/* Counts and logs that it was refused. */
void origin_refused(struct str origin, struct str host);
/* Makes the origin one more member of a refusal's body, if that is an object that has members. */
void origin_add_to(struct buf *json, struct str origin);

#endif
