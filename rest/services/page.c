#include "rest/services/page.h"

#include "common/json.h"

bool page_range(const struct call *call, struct store_range *range)
{
    struct str given;
    uint64_t limit = 0;
    *range = (struct store_range){.conversation = 0};
    bool fine = http_query_number(call->query, "after", 0, INT64_MAX, 0, &range->after) &&
                http_query_number(call->query, "before", 0, INT64_MAX, INT64_MAX, &range->before) &&
                http_query_number(call->query, "limit", 1, PAGE_LIMIT_MAX, PAGE_LIMIT, &limit);
    range->limit = (unsigned)limit;
    range->latest = !http_query(call->query, "after", &given) || http_query(call->query, "before", &given);
    return fine;
}

void page_init(struct page *page, const struct store_range *range)
{
    buf_init(&page->rows, PAGE_BYTES + PAGE_ROW_MAX);
    page->count = 0;
    page->latest = range->latest;
    page->full = false;
}

struct buf *page_row(struct page *page)
{
    CG_ASSERT(page->count < PAGE_LIMIT_MAX);
    page->starts[page->count] = page->rows.len;
    return &page->rows;
}

static void drop_oldest(struct page *page)
{
    size_t gone = page->starts[1];
    buf_consume(&page->rows, gone);
    page->count--;
    for (size_t i = 0; i < page->count; i++)
        page->starts[i] = page->starts[i + 1] - gone;
}

void page_row_end(struct page *page)
{
    page->count++;
    while (page->latest && page->rows.len > PAGE_BYTES && page->count > 1)
        drop_oldest(page);
    if (page->latest || page->count == 1)
        return;
    page->full |= page->rows.len > PAGE_BYTES;
    if (page->full) /* and everything after it: a page has no holes */
        page->rows.len = page->starts[--page->count];
}

void page_fini(struct page *page, struct buf *out)
{
    json_add_array(out, NULL);
    for (size_t i = 0; i < page->count; i++) {
        size_t end = i + 1 < page->count ? page->starts[i + 1] : page->rows.len;
        json_add_raw(out, NULL, (struct str){page->rows.data + page->starts[i], end - page->starts[i]});
    }
    json_end_array(out);
    out->failed |= page->rows.failed;
    buf_fini(&page->rows);
}
