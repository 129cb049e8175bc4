/* multipart.h: a multipart/form-data body (RFC 7578, RFC 2046 section 5.1) as it comes in, part by part. Knows no
 * request and no file: bytes in, calls out. Nothing is held but one part's header block; of a part's data not a byte,
 * because a delimiter begins with a CR and has no other, so what looked like one and was none can be said again.
 *
 * What comes before the first delimiter and after the last one means nothing (some clients begin with an empty line).
 * Strict: what form-data clients do not send is ERR_INVALID: folded or doubled headers, a part without a name, a line that
 * begins like the delimiter and goes on otherwise. */
#ifndef CG_REST_HTTP_MULTIPART_H
#define CG_REST_HTTP_MULTIPART_H

#include "common/err.h"
#include "common/str.h"

enum {
    MULTIPART_BOUNDARY_MAX = 256, /* bytes; RFC 2046 has 70 */
    MULTIPART_HEADER_MAX = 4096,  /* bytes of one part's header block with its empty line */
    MULTIPART_PARTS_MAX = 64,
};

struct multipart_part {
    struct str name;     /* of the form's field; any bytes but control characters */
    struct str filename; /* as the client says: never to be believed; .ptr NULL if it is no file */
    struct str type;     /* Content-Type, likewise; .ptr NULL if there is none */
};

/* Called from multipart_feed, for each part in order: begin, data (any number, never empty), end. What they are given
 * is valid until they return. Whatever they return but ERR_OK ends the parsing and is returned by multipart_feed. */
struct multipart_calls {
    enum err (*begin)(void *arg, const struct multipart_part *part);
    enum err (*data)(void *arg, struct str bytes);
    enum err (*end)(void *arg);
};

enum multipart_state {
    MULTIPART_START,     /* up to and with the first delimiter, which needs no line before it */
    MULTIPART_DATA,      /* in a part, up to and with the next delimiter */
    MULTIPART_DELIMITED, /* after a delimiter: "--", or blanks and a line's end */
    MULTIPART_DASH,      /* the second '-' */
    MULTIPART_LINE_END,  /* the LF of that line's end */
    MULTIPART_HEADER,    /* a part's header block */
    MULTIPART_EPILOGUE,  /* after the last delimiter */
};

/* Everything in it is the parser's own. */
struct multipart {
    const struct multipart_calls *calls;
    void *arg;
    enum err err; /* sticky */
    enum multipart_state state;
    unsigned parts;
    size_t matched; /* bytes of `delimiter` that the last bytes were */
    size_t delimiter_len, header_len;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX]; /* CR LF "--" boundary */
    char header[MULTIPART_HEADER_MAX];
};

/* Begins a body of that Content-Type; `calls` must outlive the parser. ERR_INVALID: it is not multipart/form-data with
 * one proper boundary. */
enum err multipart_init(struct multipart *multipart, struct str content_type, const struct multipart_calls *calls,
                        void *arg) CG_MUST_CHECK;

/* The next bytes, however they are cut. ERR_INVALID for what breaks the format, ERR_TOO_BIG past the header block's or
 * the parts' bound, or what a call returned; the same again for whatever is fed after that. */
enum err multipart_feed(struct multipart *multipart, struct str bytes) CG_MUST_CHECK;

/* No more bytes. ERR_INVALID if the last delimiter has not come. */
enum err multipart_end(const struct multipart *multipart) CG_MUST_CHECK;

#endif
