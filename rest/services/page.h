/* page.h: reading a conversation page by page, the same for every protocol: ?before=&after=&limit= by seq. The latest
 * are told unless only `after` is given, then what follows it; always oldest first. A page has at most
 * PAGE_LIMIT_MAX rows and about PAGE_BYTES bytes; what does not fit is on the next page. */
#ifndef CG_REST_SERVICES_PAGE_H
#define CG_REST_SERVICES_PAGE_H

#include "common/store/store.h"
#include "rest/http/call.h"

enum {
    PAGE_LIMIT = 50,
    PAGE_LIMIT_MAX = 200,
    PAGE_BYTES = 1 << 20,
    PAGE_ROW_MAX = 20 << 20, /* bytes of one row: more than the longest message */
};

/* Reads the parameters; range->conversation is the caller's, afterwards. False: one of them is no number, or out of range. */
bool page_range(const struct call *call, struct store_range *range);

/* The rows of a page while they come in. */
struct page {
    struct buf rows;
    size_t starts[PAGE_LIMIT_MAX]; /* where each row begins in `rows` */
    size_t count;
    bool latest; /* when it is full, the oldest go; else what comes */
    bool full;
};

void page_init(struct page *page, const struct store_range *range);
/* Where to append the next row, of any shape. */
struct buf *page_row(struct page *page);
/* After each row. */
void page_row_end(struct page *page);
/* Appends the rows as a JSON array and frees the page. */
void page_fini(struct page *page, struct buf *out);

#endif
