/* origin.h: whether a page of some site may talk to this server: the header Origin (RFC 6454, Fetch), which browsers
 * set and pages cannot. What sends none is no browser and is not concerned.
 *
 * No protocol uses cookies or anything else that a browser adds by itself, so no session is to be had by a foreign
 * page. What is kept from it are machines behind the browser, to which the page has no way of its own. */
#ifndef CG_COMMON_ORIGIN_H
#define CG_COMMON_ORIGIN_H

#include "common/buf.h"
#include "common/str.h"

enum origin {
    ORIGIN_OWN,      /* none, or the server's own */
    ORIGIN_LISTED,   /* another one that may: its pages must be told so (CORS) */
    ORIGIN_FOREIGN,  /* may not */
    ORIGIN_MISNAMED, /* may not: it calls the server by a name that is none of its own */
};

/* The settings of that name. */
struct origin_rules {
    const char *origins, *server_names;
};

/* What pages of another origin may send, for Access-Control-Allow-Headers: all that we read, and what libraries add. */
#define ORIGIN_HEADERS \
    "Authorization, Cache-Control, Content-Type, Idempotency-Key, Last-Event-ID, Token, X-Requested-With"

/* `origins`: separated by commas, blanks do not count; "*" is any, "null" that of pages without one. `server_names`: the
 * names that the server may be called by, likewise. Without being listed it may be called by addresses, by the names of this
 * machine and by those that lead somewhere only in a local network, and over TLS by any: else a page could have its own name
 * lead to us (DNS rebinding) and be a page of the same host. `host`: the request's header, "chat.example:8443", empty if
 * there is none. `scheme`: "http" or "https" as the client used it; empty: not known, either will do. Besides what is listed
 * may talk to us:
 *   - the same host, under any scheme and port: native clients make up ws://HOST, and TLS or ports may be changed by a
 *     proxy in front;
 *   - what no site has: chrome-extension, moz-extension, weapp, capacitor, ionic, file;
 *   - pages of this machine, if they call the server by a name of this machine (localhost, 127.x.x.x, [::1]): that is how
 *     sites are developed. */
enum origin origin_judge(const struct origin_rules *rules, struct str origin, struct str host, struct str scheme);

static inline bool origin_is_refused(enum origin origin)
{
    return origin == ORIGIN_FOREIGN || origin == ORIGIN_MISNAMED;
}

/* Whether `host` is a name of the loopback interface, or none: pages for operators are shown to nobody else. */
bool origin_asks_here(struct str host);

/* The origin as it may stand in logs and between quotes: printable ASCII, cut to ORIGIN_TEXT_MAX. */
enum { ORIGIN_TEXT_MAX = 256 };
void origin_text(struct str origin, char out[ORIGIN_TEXT_MAX]);

/* Counts and logs a refusal, and says what is not wanted: the origin or the name. */
void origin_refuse(enum origin why, struct str origin, struct str host, char out[ORIGIN_TEXT_MAX]);
/* Makes what origin_refuse said one more member of a refusal's body, "origin" or "host", if that is an object that has members. */
void origin_add_to(struct buf *json, enum origin why, const char *said);
/* The setting that would let it in. */
const char *origin_setting(enum origin why);

#endif
