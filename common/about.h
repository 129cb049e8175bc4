/* about.h: a message's fields besides its content: `meta` (an object of the application's, kept unchanged), `reply_to`
 * and `mentions`. They are stored in message.extra as members of a JSON object behind a mark, which distinguishes them
 * from the rest of a friend chat's frame, stored there without one. Any thread. */
#ifndef CG_COMMON_ABOUT_H
#define CG_COMMON_ABOUT_H

#include "common/buf.h"
#include "common/message.h"

enum { ABOUT_MENTIONS_MAX = 50, ABOUT_MAX = MESSAGE_META_MAX + ABOUT_MENTIONS_MAX * 21 + 128 };

struct about {
    struct str meta;          /* JSON; empty: none */
    uint64_t reply_to;        /* the number of a message; 0: none */
    const uint64_t *mentions; /* user numbers */
    size_t mention_count;
};

/* Appends the text for message.extra; nothing if all fields are empty. */
void about_add(struct buf *extra, const struct about *about);

/* The members without `mentions`, whose user numbers mean nothing outside this installation. `members`:
 * message_about. */
struct str about_without_mentions(struct str members);
/* Reads the mentioned users' numbers; returns how many there are. */
size_t about_mentions(struct str members, uint64_t users[ABOUT_MENTIONS_MAX]);

#endif
