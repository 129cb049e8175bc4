/* paging.h: how a call asks for a page of a conversation's history, the same for every protocol: ?before=&after=&limit=
 * by seq. The latest are told unless only `after` is given, then what follows it; always oldest first. Of the latest a
 * quarter are comings and goings at most, so that a crowd pushes nothing out that was said. A page
 * (common/store/page.h) has at most PAGING_LIMIT_MAX rows and about PAGING_BYTES bytes; what does not fit is on the
 * next one. */
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

/* Reads the parameters; range->conversation is the caller's, afterwards. False: one of them is no number, or out of range. */
bool paging_range(const struct call *call, struct store_range *range);

/* A page of that range with the bounds of all calls. */
void paging_init(struct page *page, const struct store_range *range);
/* Appends what was read as a JSON array and frees the page. */
void paging_answer(struct page *page, struct buf *out);

#endif
