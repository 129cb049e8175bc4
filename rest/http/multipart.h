/* multipart.h: an incremental parser of multipart/form-data (RFC 7578, RFC 2046 section 5.1). Bytes in, callbacks out.
 * Buffers one part's header block and nothing of its data: a delimiter begins with its only CR, so bytes that turn out
 * not to be a delimiter can be reconstructed.
 *
 * Ignores what precedes the first delimiter and follows the last one (some clients begin with an empty line).
 * Otherwise strict: folded or repeated headers, a part without a name, and a line that begins like the delimiter but
 * continues differently are ERR_INVALID. */
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
    struct str filename; /* the client's claim, never to be trusted; .ptr NULL if it is no file */
    struct str type;     /* Content-Type, likewise; .ptr NULL if there is none */
};

/* Called from multipart_feed, for each part in order: begin, data (any number, never empty), end. Arguments are valid
 * until they return. An error ends the parsing and is returned by multipart_feed. */
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

/* Internal to the parser. */
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
 * one valid boundary. */
enum err multipart_init(struct multipart *multipart, struct str content_type, const struct multipart_calls *calls,
                        void *arg) CG_MUST_CHECK;

/* Takes the next bytes, split anywhere. ERR_INVALID for a violation of the format, ERR_TOO_BIG past the bounds of
 * header blocks or parts, or a callback's error; the error is sticky. */
enum err multipart_feed(struct multipart *multipart, struct str bytes) CG_MUST_CHECK;

/* Ends the body. ERR_INVALID if the last delimiter is missing. */
enum err multipart_end(const struct multipart *multipart) CG_MUST_CHECK;

#endif
