/* outbox.h: what waits for one client's socket: pieces, oldest first, of bytes of its own and of bytes that it shares with
 * others. What a room's log drops while many of its readers are behind is copied once, whatever their number.
 *
 *   outbox  own ──▶ spill ──▶ own        spill: one copy of what a log drops, and how many have it
 *   outbox  spill ──┘
 *
 * Loop thread only. */
#ifndef CG_RELAY_CORE_OUTBOX_H
#define CG_RELAY_CORE_OUTBOX_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <sys/queue.h>

/* Bytes that several outboxes share. Freed by the last that lets go of it. */
struct outbox_spill {
    size_t holders; /* outboxes, and who made it */
    size_t len;
    size_t share;  /* of its memory that each of its readers is charged */
    size_t *total; /* of the memory of all spills */
    char bytes[];
};

struct outbox_piece;

struct outbox {
    TAILQ_HEAD(outbox_pieces, outbox_piece) pieces;
    size_t len;    /* bytes that wait, of whatever kind */
    size_t memory; /* that they take: of a spill its share */
    size_t max;    /* bytes that may wait */
};

/* Allocates nothing yet. */
void outbox_init(struct outbox *outbox, size_t max);
/* Empty again, and without memory. */
void outbox_clear(struct outbox *outbox);

/* Appends copies of the three, one behind the other. False: they are more than it may hold, and nothing was appended. */
bool outbox_add(struct outbox *outbox, struct str head, struct str body, struct str tail) CG_MUST_CHECK;

/* A copy of `bytes` for that many readers. *total grows by its memory until the last has let go. */
struct outbox_spill *outbox_spill_new(struct str bytes, size_t readers, size_t *total);
/* Its maker lets go of it. */
void outbox_spill_release(struct outbox_spill *spill);
/* Appends what the spill holds from `at` on, without a copy. There must be room. */
void outbox_add_spill(struct outbox *outbox, struct outbox_spill *spill, size_t at);

/* What comes next: up to `most` bytes in one piece. Empty only if nothing waits. Valid until the outbox changes. */
struct str outbox_next(const struct outbox *outbox, size_t most);
/* So much of that is out. An empty outbox has no memory. */
void outbox_take(struct outbox *outbox, size_t len);

#endif
