#include "rest/services/paging.h"

#include "common/json.h"

bool paging_range(const struct call *call, struct store_range *range)
{
    struct str given;
    uint64_t limit = 0;
    *range = (struct store_range){.conversation = 0};
    bool fine = http_query_number(call->query, "after", 0, INT64_MAX, 0, &range->after) &&
                http_query_number(call->query, "before", 0, INT64_MAX, INT64_MAX, &range->before) &&
                http_query_number(call->query, "limit", 1, PAGING_LIMIT_MAX, PAGING_LIMIT, &limit);
    range->limit = (unsigned)limit;
    range->latest = !http_query(call->query, "after", &given) || http_query(call->query, "before", &given);
    return fine;
}

void paging_init(struct page *page, const struct store_range *range)
{
    page_init(page, range, PAGING_BYTES, PAGING_ROW_MAX);
    if (range->latest) /* what follows a cursor is all that there is */
        page->passing_max = range->limit / 4;
}

void paging_answer(struct page *page, struct buf *out)
{
    json_add_array(out, NULL);
    page_add_rows(page, out);
    json_end_array(out);
    out->failed |= page->rows.failed;
    page_fini(page);
}
