/* http_parse.h: what the bytes of an HTTP/1.1 request say. Knows no sockets. http_parse.c is the only file that knows
 * http_parser.
 *
 * A request is a head, which is parsed at once when it is whole, and a body of a told length or in chunks. What a
 * lenient reader in front of us could take for something else is refused: that is how one request is smuggled
 * inside another (RFC 9112 section 11.2). Debian's http_parser is built without its strict checks, so what it lets
 * through (a bare LF, a blank before a colon, folded lines, chunks that do not end in CR LF) is refused here. */
#ifndef CG_RELAY_NET_HTTP_PARSE_H
#define CG_RELAY_NET_HTTP_PARSE_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where things stand, as offsets from the head's first byte. */
struct http_head {
    const char *method; /* a literal */
    uint16_t len;       /* with the empty line */
    uint16_t path_at, path_len, query_at, query_len;
    int64_t content_length; /* 0: none */
    bool chunked;
    bool keep_alive; /* the client would like to go on */
    bool upgrade;    /* a GET that asks for a WebSocket properly; any other Upgrade is refused */
    bool expects;    /* waits for 100 Continue before it sends the body */
};

/* Looks for a whole head at the start of `bytes`, *seen of which were looked at before. Returns 0 with head->len 0 if
 * more is needed; 0 with the head; or the status that the request is refused with. */
unsigned http_head_parse(struct http_head *head, struct str bytes, size_t *seen);

/* The first header of that name (lower case) in the head at `bytes`; NULL pointer if there is none. */
struct str http_head_find(const struct http_head *head, const char *bytes, const char *name);
/* What headers of that name say, with commas between them, into `out`; len 0 if there is none or it does not fit with a
 * NUL after it. */
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

/* Takes `len` bytes and moves what is content to their front; returns how many that are. *used: how many were
 * taken, less than `len` only once chunks->done. -1: not a chunked body. */
int64_t http_chunks_take(struct http_chunks *chunks, char *bytes, size_t len, size_t *used);

#endif
