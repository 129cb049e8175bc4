/* paging.h: the parameters with which a call asks for a page of history, the same for every protocol:
 * ?before=&after=&limit= by seq. Gives the latest messages, or if only `after` is given those that follow it; always
 * oldest first. Of the latest, at most a quarter are joins and leaves, so that a crowd does not push out the messages.
 * A page (common/store/page.h) has at most PAGING_LIMIT_MAX rows and about PAGING_BYTES bytes; the rest is on the next
 * page. Any thread. */
#ifndef CG_REST_SERVICES_PAGING_H
#define CG_REST_SERVICES_PAGING_H

#include "common/store/page.h"
#include "rest/http/call.h"

enum {
    PAGING_LIMIT = 50,
    PAGING_LIMIT_MAX = 200,
    PAGING_BYTES = 1 << 20,
    PAGING_ROW_MAX = 20 << 20, /* bytes of one row: more than the longest message */
};

/* Reads the parameters; the caller then sets range->conversation. False: one of them is no number, or out of range. */
bool paging_range(const struct call *call, struct store_range *range);

/* Initialises a page of that range with these bounds. */
void paging_init(struct page *page, const struct store_range *range);
/* Appends the rows as a JSON array and frees the page. */
void paging_answer(struct page *page, struct buf *out);

#endif
