/* http_parse.h: parses HTTP/1.1 requests. Knows no sockets. http_parse.c is the only file that uses http_parser.
 *
 * A request is a head, parsed once it is complete, and a body with a given length or in chunks. Anything that a lenient
 * proxy in front of us could read differently is refused, to prevent request smuggling (RFC 9112 section 11.2).
 * Debian's http_parser is built without its strict checks, so what it lets through (a bare LF, a blank before a colon,
 * folded lines, chunks that do not end in CR LF) is refused here. */
#ifndef CG_RELAY_NET_HTTP_PARSE_H
#define CG_RELAY_NET_HTTP_PARSE_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A parsed head; `_at` are offsets from its first byte. */
struct http_head {
    const char *method; /* a literal */
    uint16_t len;       /* including the empty line */
    uint16_t path_at, path_len, query_at, query_len;
    int64_t content_length; /* 0: none */
    bool chunked;
    bool keep_alive; /* the client wants to reuse the connection */
    bool upgrade;    /* a valid WebSocket upgrade (GET); any other Upgrade is refused */
    bool expects;    /* waits for 100 Continue before it sends the body */
};

/* Parses the head at the start of `bytes`, of which *seen were searched for its end before. Returns 0 with head->len 0
 * if it is incomplete, 0 with the head, or the HTTP status that refuses the request. */
unsigned http_head_parse(struct http_head *head, struct str bytes, size_t *seen);

/* The first header of that name (lower case) in the head at `bytes`; NULL pointer if there is none. */
struct str http_head_find(const struct http_head *head, const char *bytes, const char *name);
/* The values of all headers of that name, joined with commas, in `out`; len 0 if there is none or they do not fit with
 * a NUL. */
struct str http_head_value(const struct http_head *head, const char *bytes, const char *name, char *out, size_t size);
/* The first argument of that name in the query, decoded (%XX, '+') into `out`; len 0 if it is absent, does not
 * decode, holds a NUL or does not fit with a NUL after it. */
struct str http_head_argument(const struct http_head *head, const char *bytes, const char *name, char *out,
                              size_t size);
/* "Not Found". */
const char *http_status_text(unsigned status);

/* A body in chunks (RFC 9112 section 7.1). Zeroed at its beginning. */
struct http_chunks {
    uint64_t left; /* of the chunk */
    uint16_t line; /* bytes of the present line, or of all trailers */
    uint8_t state;
    bool done;
};

/* Decodes `len` bytes in place: moves the content to their front and returns its length. Sets *used to the bytes
 * consumed, fewer than `len` only once chunks->done. -1: not a valid chunked body. */
int64_t http_chunks_take(struct http_chunks *chunks, char *bytes, size_t len, size_t *used);

#endif
