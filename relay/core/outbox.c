#include "relay/core/outbox.h"

#include "common/err.h"
#include "common/mem.h"

#include <stdlib.h>
#include <string.h>

enum {
    PIECE_BYTES = 256,          /* of the smallest piece */
    PIECE_GROWS_TO = 64 * 1024, /* small answers are one piece, which grows; what is larger is not moved */
};

struct outbox_piece {
    TAILQ_ENTRY(outbox_piece) link;
    struct outbox_spill *spill; /* NULL: its bytes are its own */
    size_t at, end;             /* of those that wait */
    size_t cap;                 /* of `own` */
    char own[];
};

void outbox_init(struct outbox *outbox, size_t max)
{
    *outbox = (struct outbox){.max = max};
    TAILQ_INIT(&outbox->pieces);
}

static void release(struct outbox_spill *spill)
{
    if (--spill->holders)
        return;
    *spill->total -= spill->len;
    free(spill);
}

static void drop_first(struct outbox *outbox)
{
    struct outbox_piece *piece = TAILQ_FIRST(&outbox->pieces);
    TAILQ_REMOVE(&outbox->pieces, piece, link);
    outbox->len -= piece->end - piece->at;
    if (piece->spill) {
        outbox->memory -= piece->spill->share;
        release(piece->spill);
    }
    outbox->memory -= sizeof *piece + piece->cap;
    free(piece);
}

void outbox_clear(struct outbox *outbox)
{
    while (!TAILQ_EMPTY(&outbox->pieces))
        drop_first(outbox);
}

/* ---- bytes of its own ---- */

static struct outbox_piece *add_piece(struct outbox *outbox, size_t cap)
{
    struct outbox_piece *piece = mem_realloc(NULL, sizeof *piece + cap);
    *piece = (struct outbox_piece){.cap = cap};
    TAILQ_INSERT_TAIL(&outbox->pieces, piece, link);
    outbox->memory += sizeof *piece + cap;
    return piece;
}

static size_t cap_for(size_t cap, size_t need)
{
    while (cap < need)
        cap *= 2;
    return cap;
}

/* The last piece, with room for so many bytes behind what it has. Small ones grow, so that what is said in one turn of the
 * loop is one write. */
static struct outbox_piece *piece_for(struct outbox *outbox, size_t len)
{
    struct outbox_piece *last = TAILQ_LAST(&outbox->pieces, outbox_pieces);
    if (!last || last->spill)
        return add_piece(outbox, len < PIECE_GROWS_TO ? cap_for(PIECE_BYTES, len) : len);
    if (last->end + len <= last->cap)
        return last;
    size_t waiting = last->end - last->at;
    if (waiting + len > PIECE_GROWS_TO)
        return add_piece(outbox, len < PIECE_GROWS_TO ? PIECE_GROWS_TO : len);
    struct outbox_piece *piece = add_piece(outbox, cap_for(last->cap ? last->cap : PIECE_BYTES, waiting + len));
    memcpy(piece->own, last->own + last->at, waiting);
    piece->end = waiting;
    TAILQ_REMOVE(&outbox->pieces, last, link);
    outbox->memory -= sizeof *last + last->cap;
    free(last);
    return piece;
}

static void put(struct outbox_piece *piece, struct str bytes)
{
    if (bytes.len)
        memcpy(piece->own + piece->end, bytes.ptr, bytes.len);
    piece->end += bytes.len;
}

bool outbox_add(struct outbox *outbox, struct str head, struct str body, struct str tail)
{
    size_t len = head.len + body.len + tail.len;
    if (len > outbox->max - outbox->len)
        return false;
    if (!len)
        return true;
    struct outbox_piece *piece = piece_for(outbox, len);
    put(piece, head);
    put(piece, body);
    put(piece, tail);
    outbox->len += len;
    return true;
}

/* ---- bytes that are shared ---- */

struct outbox_spill *outbox_spill_new(struct str head, struct str body, size_t readers, size_t *total)
{
    size_t len = head.len + body.len;
    CG_ASSERT(len && readers);
    struct outbox_spill *spill = mem_realloc(NULL, sizeof *spill + len);
    *spill = (struct outbox_spill){.holders = 1, .len = len, .share = len / readers + 1, .total = total};
    if (head.len)
        memcpy(spill->bytes, head.ptr, head.len);
    if (body.len)
        memcpy(spill->bytes + head.len, body.ptr, body.len);
    *total += len;
    return spill;
}

void outbox_spill_release(struct outbox_spill *spill)
{
    release(spill);
}

void outbox_add_spill(struct outbox *outbox, struct outbox_spill *spill, size_t at)
{
    CG_ASSERT(at < spill->len && spill->len - at <= outbox->max - outbox->len);
    struct outbox_piece *piece = add_piece(outbox, 0);
    piece->spill = spill;
    piece->at = at;
    piece->end = spill->len;
    spill->holders++;
    outbox->memory += spill->share;
    outbox->len += spill->len - at;
}

/* ---- out of it ---- */

struct str outbox_next(const struct outbox *outbox, size_t most)
{
    const struct outbox_piece *first = TAILQ_FIRST(&outbox->pieces);
    if (!first)
        return (struct str){"", 0};
    size_t len = first->end - first->at;
    return (struct str){(first->spill ? first->spill->bytes : first->own) + first->at, len < most ? len : most};
}

void outbox_take(struct outbox *outbox, size_t len)
{
    struct outbox_piece *first = TAILQ_FIRST(&outbox->pieces);
    if (!len)
        return;
    CG_ASSERT(first && len <= first->end - first->at);
    first->at += len;
    outbox->len -= len;
    if (first->at == first->end)
        drop_first(outbox);
}
