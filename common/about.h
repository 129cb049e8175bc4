/* about.h: what a message says besides its content, in every conversation: `meta`, an object of the application's that is
 * kept as it came, `reply_to` and `mentions`. It stands in message.extra as members of a JSON object behind a mark, so
 * that it is never taken for the rest of a friend's frame, which stands there without. */
#ifndef CG_COMMON_ABOUT_H
#define CG_COMMON_ABOUT_H

#include "common/buf.h"
#include "common/message.h"

enum { ABOUT_MENTIONS_MAX = 50, ABOUT_MAX = MESSAGE_META_MAX + ABOUT_MENTIONS_MAX * 21 + 128 };

struct about {
    struct str meta;          /* JSON; empty: none */
    uint64_t reply_to;        /* the number of a message; 0: none */
    const uint64_t *mentions; /* users, by their numbers */
    size_t mention_count;
};

/* Appends message.extra; nothing if it says nothing. */
void about_add(struct buf *extra, const struct about *about);

/* The members of message_about without `mentions`, which are numbers of this installation. */
struct str about_without_mentions(struct str members);
/* Those numbers; how many. */
size_t about_mentions(struct str members, uint64_t users[ABOUT_MENTIONS_MAX]);

#endif
