/* audience.h: whom in a Socket.IO namespace an event is for. As text it stands beside a stored message
 * (message.audience) and crosses Redis; empty means everybody.
 *
 *   a run of: 'r' room | 's' socket | 'x' all but this socket or room; then the name's length in decimal, ':',
 *     its bytes
 *   r3:Reds20:AAAAAAAAAAAAAAAAAAAAx20:BBBBBBBBBBBBBBBBBBBB
 *
 * Rooms and sockets are both "to": who is in any of the rooms or is one of the sockets, once each. */
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
