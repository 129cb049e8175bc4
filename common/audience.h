/* audience.h: the audience of an event in a Socket.IO namespace. Its text form is stored with a message
 * (message.audience) and sent through Redis; empty means everybody. Any thread.
 *
 *   a run of: 'r' room | 's' socket | 'x' all but this socket or room; then the name's length in decimal, ':',
 *     its bytes
 *   r3:Reds20:AAAAAAAAAAAAAAAAAAAAx20:BBBBBBBBBBBBBBBBBBBB
 *
 * 'r' and 's' both address: the event goes once to each socket that is listed or in one of the rooms. */
#ifndef CG_COMMON_AUDIENCE_H
#define CG_COMMON_AUDIENCE_H

#include "common/buf.h"
#include "common/err.h"

enum { AUDIENCE_MAX = 4096, AUDIENCE_NAMES = 64 };

struct audience_name {
    char kind; /* 'r', 's', 'x' */
    struct str name;
};

struct audience {
    struct audience_name names[AUDIENCE_NAMES];
    size_t count;
    bool everybody; /* neither 'r' nor 's' */
};

/* The names point into `text`. ERR_INVALID: not of this form, a name that is empty or no UTF-8; ERR_TOO_BIG. */
enum err audience_parse(struct str text, struct audience *audience) CG_MUST_CHECK;
/* Appends one name. */
void audience_add(struct buf *text, char kind, struct str name);

#endif
