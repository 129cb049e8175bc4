/* http.h: a request and its answer, independent of FastCGI, so that routes and router can be tested without a server.
 * A request belongs to one thread. */
#ifndef CG_REST_HTTP_HTTP_H
#define CG_REST_HTTP_HTTP_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    HTTP_RESPONSE_MAX = 24 << 20, /* bytes of an answer's body */
    HTTP_QUERY_BYTES = 8192,      /* of an undecoded query string; nginx passes no longer one */
    HTTP_QUERY_PAIRS = 128,
    HTTP_ALLOW_MAX = 32,
    HTTP_REFUSAL_MAX = 32,
};

struct http_request {
    struct str method; /* "GET" */
    struct str
        path; /* decoded by nginx, but below /v1/ as it came, without the query; "/mysql/getRoomNums". Any bytes. */
    struct str query;  /* what follows '?', undecoded */
    struct str remote; /* the client's address as nginx saw it */

    /* Request headers, unchanged; empty if absent. Any bytes. */
    struct str token, authorization, idempotency_key, content_type;
    struct str origin, host, asked_method; /* asked_method: of a preflight (Access-Control-Request-Method) */
    struct str scheme;                     /* "http" or "https", as nginx saw it */

    /* Content-Length, 0 for none, HTTP_LENGTH_BAD if it is no number. */
    uint64_t length;
#define HTTP_LENGTH_BAD UINT64_MAX

    /* Reads the next part of the body, at most `cap` (1..INT_MAX) bytes; blocks. *got is 0 once all of it has been
     * read. ERR_INVALID: it is shorter or longer than Content-Length; what was read before must not be used. The body
     * is read only if a route asks for it. */
    enum err (*read)(const struct http_request *request, char *room, size_t cap, size_t *got);
    void *source; /* for `read`'s use */
};

/* Appends the whole body to `body`, which may grow to `limit`. To be called at most once.
 *   ERR_TOO_BIG it is longer than `limit` bytes; nothing was read;
 *   ERR_INVALID it is not what Content-Length says, or that is no number. */
enum err http_read_body(const struct http_request *request, size_t limit, struct buf *body) CG_MUST_CHECK;

/* Reads the rest of the body, because nginx reads an answer only after it has written the body. nginx has buffered and
 * bounded it, so this does not wait long. */
void http_discard_body(const struct http_request *request);

/* The parameters of a query string, decoded: %XX and + (application/x-www-form-urlencoded). */
struct http_query {
    size_t count;
    struct {
        struct str name, value; /* in `text`; valid UTF-8 without NUL */
    } pairs[HTTP_QUERY_PAIRS];
    char text[HTTP_QUERY_BYTES + 1]; /* with a NUL */
};

/* ERR_TOO_BIG past HTTP_QUERY_BYTES or HTTP_QUERY_PAIRS; ERR_INVALID for a malformed %XX, NUL or bytes that are not
 * UTF-8. On failure it has no parameters. */
enum err http_query_parse(struct http_query *query, struct str text) CG_MUST_CHECK;
/* The first parameter of that name. False if there is none; `key=` is there and empty. */
bool http_query(const struct http_query *query, const char *name, struct str *value);
/* The same as an integer within [min, max], however it is spelled (json_whole); `fallback` if there is none.
 * False if it is anything else. */
bool http_query_number(const struct http_query *query, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                       uint64_t *value);

struct http_response {
    int status;
    const char *type;           /* Content-Type; a literal */
    char allow[HTTP_ALLOW_MAX]; /* Allow, for 405; else empty */
    int64_t retry_after_s;      /* Retry-After; 0: none */
    struct str origin; /* a foreign origin whose pages may read the answer; empty: none. Borrowed from the request */
    char refusal[HTTP_REFUSAL_MAX]; /* X-Chaguan-Refusal: why it failed, for nginx; empty: none */
    bool preflight;                 /* … and the answer is a preflight's, with the methods of `allow` */
    struct buf body;
};

void http_response_init(struct http_response *response);
void http_response_fini(struct http_response *response);

/* Appends the header block with its empty line in CGI's form (RFC 3875): "Status: 200 OK" first. */
void http_add_header(struct buf *out, const struct http_response *response);

#endif
