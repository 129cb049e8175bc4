/* origin.h: decides whether a web page may use this server, by the Origin header (RFC 6454, Fetch), which browsers set
 * and pages cannot. Clients that send none are not browsers and are allowed. Any thread.
 *
 * No protocol uses cookies or anything else that a browser adds by itself, so a foreign page cannot take over a
 * session. The check protects servers that only the browser's machine can reach, and the page itself cannot. */
#ifndef CG_COMMON_ORIGIN_H
#define CG_COMMON_ORIGIN_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum origin {
    ORIGIN_OWN,      /* no Origin, or the server's own */
    ORIGIN_LISTED,   /* another one that is allowed, by CORS headers */
    ORIGIN_FOREIGN,  /* refused */
    ORIGIN_MISNAMED, /* refused: the request names the server by a name that it does not have */
};

/* The settings of the same names. */
struct origin_rules {
    const char *origins, *server_names;
};

/* Whether every item of the two lists has a form that a request can have; else no page would ever match it. ERR_INVALID
 * with one line in `why` that names the setting and the item. */
enum err origin_check(const struct origin_rules *rules, char why[256]) CG_MUST_CHECK;

/* For Access-Control-Allow-Headers: every header that we read, and those that libraries add. */
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

/* Whether `host` names the loopback interface or is empty. Pages for operators are served only then. */
bool origin_asks_here(struct str host);

/* The origin in a form that is safe in logs and between quotes: printable ASCII, cut to ORIGIN_TEXT_MAX. */
enum { ORIGIN_TEXT_MAX = 256 };
void origin_text(struct str origin, char out[ORIGIN_TEXT_MAX]);

/* Counts and logs a refusal. Sets `out` to the refused origin or name. */
void origin_refuse(enum origin why, struct str origin, struct str host, char out[ORIGIN_TEXT_MAX]);
/* Adds the text from origin_refuse to a refusal's body as the member "origin" or "host", if the body is an object with
 * members. */
void origin_add_to(struct buf *json, enum origin why, const char *said);
/* The setting that would allow it. */
const char *origin_setting(enum origin why);

#endif
