/* page.h: a page of a conversation's history: a range of messages, a filter, an encoder, and bounds. The result is
 * rows, oldest first.
 *
 *   range ─▶ store_read ─▶ wants? ─▶ encode ─▶ row, row, row …  bounded by number and bytes
 *                                    ├ the latest of a range: what is too much goes at the front
 *                                    └ what follows a cursor: what is too much is on the next page
 *
 * A page has no gaps, and at least one row if there is any, however long. One thread at a time. */
#ifndef CG_COMMON_STORE_PAGE_H
#define CG_COMMON_STORE_PAGE_H

#include "common/store/store.h"

/* Whether this message is shown at all. */
typedef bool page_wants_fn(const struct message *message);
/* Appends a message's row, or nothing if it has none. */
typedef void page_encode_fn(void *arg, const struct message *message, struct buf *out);

struct page;
/* Appends a placeholder for the messages `first` to `last`, which were removed. */
typedef void page_gone_fn(void *arg, const struct page *page, uint64_t first, uint64_t last, struct buf *out);

struct page_place {
    size_t end; /* end of the row's bytes; it begins where the previous one ends */
    bool passing, left_out;
};

struct page {
    /* the request: page_init, then the caller */
    struct store_range range;
    page_wants_fn *wants; /* NULL: all */
    page_encode_fn *encode;
    page_gone_fn *gone; /* NULL: no placeholders */
    void *arg;
    size_t rows_max;  /* 0: as many as the range has */
    size_t bytes_max; /* of all rows */
    /* With range.latest: the most joins and leaves (message_is_passing). Older ones are left out, and earlier messages
     * are read instead. SIZE_MAX: no such bound. */
    size_t passing_max;

    /* the result */
    struct buf rows; /* concatenated: page_row */
    size_t count;
    bool more;      /* rows were left out because of the bounds */
    size_t read;    /* number of messages read, and … */
    uint64_t first; /* … the first one's number, 0: none; */
    uint64_t last;  /* the next page begins after this number; range.after: none was read */

    /* internal */
    struct page_place *places;
    size_t place_count, place_cap;
    size_t oldest, passing_at; /* the oldest row kept; the oldest passing one kept */
    size_t kept_bytes, passing;
};

/* `row_max`: the most bytes of a single row; a longer one fails the page. `wants`, `encode` and the rest of the
 * request may be set afterwards. Allocates nothing yet. */
void page_init(struct page *page, const struct store_range *range, size_t bytes_max, size_t row_max);
void page_fini(struct page *page);

/* Reads the page. ERR_DOWN as store_read; ERR_INTERNAL: a row was too long. Always call page_fini. */
enum err page_read(struct page *page, struct store *store) CG_MUST_CHECK;

/* The same in steps, for rows from another source: from store_read_ranges … */
void page_add(struct page *page, const struct message *message);
/* … or for rows that are no messages: append the row to the buffer from page_begin_row; NULL: the page is full. */
struct buf *page_begin_row(struct page *page);
void page_end_row(struct page *page, bool passing);
/* Completes the page; the rows are valid from now on. ERR_INTERNAL as above. */
enum err page_end(struct page *page) CG_MUST_CHECK;

/* The row `i`, of `count`. */
struct str page_row(const struct page *page, size_t i);
/* Appends all rows to a JSON array that is being written. */
void page_add_rows(const struct page *page, struct buf *out);

/* Filters: all but message_is_aside; and only message_is_said. */
bool page_wants_no_revisions(const struct message *message);
bool page_wants_said(const struct message *message);

#endif
