/* page.h: a page of a conversation's history, for whoever shows histories: which messages (a range), which of them (a
 * filter), what they look like (an encoder), and how much at most. What comes of it is rows, oldest first.
 *
 *   range ─▶ store_read ─▶ wants? ─▶ encode ─▶ row, row, row …  bounded by number and bytes
 *                                    ├ the latest of a range: what is too much goes at the front
 *                                    └ what follows a cursor: what is too much is on the next page
 *
 * A page has no holes, and one row at least if there is any, however long. One thread at a time. */
#ifndef CG_COMMON_STORE_PAGE_H
#define CG_COMMON_STORE_PAGE_H

#include "common/store/store.h"

/* Whether its readers are shown this message at all. */
typedef bool page_wants_fn(const struct message *message);
/* Appends a message's row; nothing: it has none. */
typedef void page_encode_fn(void *arg, const struct message *message, struct buf *out);

struct page;
/* Appends a row in the place of messages that are no longer there: those of these numbers. */
typedef void page_gone_fn(void *arg, const struct page *page, uint64_t first, uint64_t last, struct buf *out);

struct page_place {
    size_t end; /* of the row's bytes; it begins where the one before it ends */
    bool passing, left_out;
};

struct page {
    /* what is wanted: page_init, and then whoever reads */
    struct store_range range;
    page_wants_fn *wants; /* NULL: all */
    page_encode_fn *encode;
    page_gone_fn *gone; /* NULL: nothing tells of them */
    void *arg;
    size_t rows_max;  /* 0: as many as the range has */
    size_t bytes_max; /* of all rows */
    /* Of the latest, comings and goings (message_is_passing) at most: the older ones are left out, and what was said
     * before them is read in their place. SIZE_MAX: they are rows like all others. */
    size_t passing_max;

    /* what was found */
    struct buf rows; /* one behind the other: page_row */
    size_t count;
    bool more;      /* a row was left out for the bounds, at the end where the page is cut */
    size_t read;    /* messages that were looked at, and … */
    uint64_t first; /* … the first one's number, 0: none; */
    uint64_t last;  /* the last one's that needs not be read again: the next page begins after it. range.after: none */

    /* its own */
    struct page_place *places;
    size_t place_count, place_cap;
    size_t oldest, passing_at; /* no row before them is kept; no passing one */
    size_t kept_bytes, passing;
};

/* `row_max`: bytes that one row may have beside the others; a longer one fails the page. `wants` and `encode` may be set
 * afterwards, as all that is wanted may. Allocates nothing yet. */
void page_init(struct page *page, const struct store_range *range, size_t bytes_max, size_t row_max);
void page_fini(struct page *page);

/* Reads it. ERR_DOWN as store_read; ERR_INTERNAL: a row was too long. The page is to be freed in any case. */
enum err page_read(struct page *page, struct store *store) CG_MUST_CHECK;

/* The same in pieces, for rows that come from somewhere else: from store_read_ranges … */
void page_add(struct page *page, const struct message *message);
/* … or are no messages: the row is appended to what page_begin_row gives; NULL: the page is full. */
struct buf *page_begin_row(struct page *page);
void page_end_row(struct page *page, bool passing);
/* And the end: only now there are rows. ERR_INTERNAL as above. */
enum err page_end(struct page *page) CG_MUST_CHECK;

/* A row, of `count`. */
struct str page_row(const struct page *page, size_t i);
/* Appends all rows to a JSON array that is being written. */
void page_add_rows(const struct page *page, struct buf *out);

/* Filters: what is no message by itself but about another one (message_is_aside) is not shown; and only what
 * somebody said (message_is_said). */
bool page_wants_no_revisions(const struct message *message);
bool page_wants_said(const struct message *message);

#endif
