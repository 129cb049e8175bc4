/* http.h: a request and its answer in plain C. Knows no FastCGI, so routes and router can be tested
 * without a server. */
#ifndef CG_REST_HTTP_H
#define CG_REST_HTTP_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

enum { HTTP_RESPONSE_MAX = 1 << 20 }; /* bytes of an answer's body */

struct http_request {
    struct str method; /* "GET" */
    struct str path;   /* decoded by nginx, without the query; "/mysql/getRoomNums" */
    struct str remote; /* the client's address as nginx saw it, for log lines */

    /* Appends the whole body to `body`. Called at most once, and only for a route that takes one, so
     * nothing is read that nobody wants.
     *   ERR_TOO_BIG it is longer than `limit` bytes; no more than that was kept in memory;
     *   ERR_INVALID it is not what Content-Length says: cut short, longer, or that is no number. */
    enum err (*read_body)(const struct http_request *request, size_t limit, struct buf *body);
    void *source; /* whatever read_body needs */
};

struct http_response {
    int status;
    const char *type;  /* Content-Type; a literal */
    const char *allow; /* Allow, for 405; a literal or NULL */
    struct buf body;
};

void http_response_init(struct http_response *response);
void http_response_fini(struct http_response *response);

/* "Bad Request" for 400; never NULL. */
const char *http_reason(int status);

/* Appends the header block with its empty line, as CGI (RFC 3875) wants it: "Status: 200 OK" first. */
void http_add_header(struct buf *out, const struct http_response *response);

#endif
