/* outbox.h: the queue of bytes that wait for one client's socket, oldest first. A piece is owned, or shares a spill:
 * when a room's log drops bytes that many clients have not had, they are copied once for all of them, and an answer that
 * several clients get is kept once.
 *
 *   outbox  own ──▶ spill ──▶ own        spill: one copy of what several get, and how many have it
 *   outbox  spill ──┘
 *
 * Loop thread only. */
#ifndef CG_RELAY_CORE_OUTBOX_H
#define CG_RELAY_CORE_OUTBOX_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <sys/queue.h>

/* Bytes shared by several outboxes. Reference-counted: the last holder frees it. */
struct outbox_spill {
    size_t holders; /* references: outboxes, and its maker */
    size_t len;
    size_t share;  /* the part of its memory that each reader is charged */
    size_t *total; /* counts the memory of all spills */
    char bytes[];
};

struct outbox_piece;

struct outbox {
    TAILQ_HEAD(outbox_pieces, outbox_piece) pieces;
    size_t len;    /* bytes that wait */
    size_t memory; /* bytes allocated for them; of a spill, the share */
    size_t max;    /* bytes that may wait */
};

/* Allocates nothing yet. */
void outbox_init(struct outbox *outbox, size_t max);
/* Empties it and frees its memory. */
void outbox_clear(struct outbox *outbox);

/* Appends copies of the three, in order. False: they would exceed `max`, and nothing was appended. */
bool outbox_add(struct outbox *outbox, struct str head, struct str body, struct str tail) CG_MUST_CHECK;

/* A copy of the two, in order, to be shared by `readers` outboxes. *total includes its memory until it is freed. The caller
 * owns one reference. */
struct outbox_spill *outbox_spill_new(struct str head, struct str body, size_t readers, size_t *total);
/* Drops the maker's reference. */
void outbox_spill_release(struct outbox_spill *spill);
/* Appends the spill's bytes from `at` on, without copying. They must fit into `max`. */
void outbox_add_spill(struct outbox *outbox, struct outbox_spill *spill, size_t at);

/* The next bytes, contiguous, at most `most`. Empty only if the outbox is. Valid until the outbox changes. */
struct str outbox_next(const struct outbox *outbox, size_t most);
/* Removes `len` bytes that were sent. An outbox that becomes empty frees its memory. */
void outbox_take(struct outbox *outbox, size_t len);

#endif
