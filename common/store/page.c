#include "common/store/page.h"

#include "common/json.h"
#include "common/mem.h"

#include <stdlib.h>

void page_init(struct page *page, const struct store_range *range, size_t bytes_max, size_t row_max)
{
    *page = (struct page){.range = *range, .bytes_max = bytes_max, .passing_max = SIZE_MAX, .last = range->after};
    /* of the latest, as much again may have been left out and not been cleared away */
    buf_init(&page->rows, (range->latest ? 2 * bytes_max : bytes_max) + row_max);
}

void page_fini(struct page *page)
{
    buf_fini(&page->rows);
    free(page->places);
    page->places = NULL;
    page->count = page->place_count = page->place_cap = 0;
}

static size_t begin_of(const struct page *page, size_t i)
{
    return i ? page->places[i - 1].end : 0;
}

/* Takes the bytes of what was left out away. */
static void clear_away(struct page *page)
{
    size_t kept = 0, end = 0;
    for (size_t i = 0, begin = 0; i < page->place_count; i++) {
        struct page_place place = page->places[i];
        size_t len = place.end - begin;
        if (!place.left_out) {
            if (end != begin)
                memmove(page->rows.data + end, page->rows.data + begin, len);
            end += len;
            page->places[kept++] = (struct page_place){end, place.passing, false};
        }
        begin = place.end;
    }
    page->rows.len = end;
    page->place_count = kept;
    page->oldest = page->passing_at = 0;
}

static void leave_out(struct page *page, size_t i)
{
    struct page_place *place = &page->places[i];
    place->left_out = true;
    page->kept_bytes -= place->end - begin_of(page, i);
    page->count--;
    page->passing -= place->passing;
}

static void leave_out_oldest(struct page *page)
{
    while (page->places[page->oldest].left_out)
        page->oldest++;
    leave_out(page, page->oldest++);
    page->more = true;
}

static void leave_out_passing(struct page *page)
{
    while (page->places[page->passing_at].left_out || !page->places[page->passing_at].passing)
        page->passing_at++;
    leave_out(page, page->passing_at++);
}

static bool is_too_much(const struct page *page)
{
    return page->count > 1 && (page->kept_bytes > page->bytes_max || (page->rows_max && page->count > page->rows_max));
}

static bool is_full(const struct page *page)
{
    return page->more && !page->range.latest;
}

static void add_place(struct page *page, size_t begin, bool passing)
{
    if (page->place_count == page->place_cap) {
        page->place_cap = page->place_cap ? page->place_cap * 2 : 16;
        page->places = mem_realloc(page->places, page->place_cap * sizeof page->places[0]);
    }
    page->places[page->place_count++] = (struct page_place){page->rows.len, passing, false};
    page->kept_bytes += page->rows.len - begin;
    page->count++;
    page->passing += passing;
}

struct buf *page_begin_row(struct page *page)
{
    return is_full(page) ? NULL : &page->rows;
}

void page_end_row(struct page *page, bool passing)
{
    size_t begin = begin_of(page, page->place_count);
    bool is_next = page->rows.failed && page->count && !page->range.latest; /* it does not even fit into the buffer */
    if (is_next) {
        page->rows.failed = false;
        page->rows.len = begin;
        page->more = true;
    }
    if (page->rows.failed || page->rows.len == begin)
        return;
    add_place(page, begin, passing);
    if (page->range.latest) {
        if (page->passing > page->passing_max)
            leave_out_passing(page);
        while (is_too_much(page))
            leave_out_oldest(page);
        if (page->rows.len - page->kept_bytes > page->bytes_max)
            clear_away(page);
    } else if (is_too_much(page)) {
        leave_out(page, --page->place_count);
        page->rows.len = begin;
        page->more = true;
    }
}

/* Of the latest, one that does not even fit into the buffer beside the others stands there without them. */
static void encode(struct page *page, const struct message *message)
{
    page->encode(page->arg, message, &page->rows);
    if (!page->rows.failed || !page->count || !page->range.latest)
        return;
    page->rows.failed = false;
    page->rows.len = begin_of(page, page->place_count);
    while (page->count)
        leave_out_oldest(page);
    clear_away(page);
    page->encode(page->arg, message, &page->rows);
}

/* Numbers that lie between what a page has and what it gets are no longer there: they were stored before it. */
static void tell_gone(struct page *page, uint64_t next)
{
    bool is_known = page->read || !page->range.latest; /* else nothing is known of what lies before */
    if (!page->gone || !is_known || next <= page->last + 1)
        return;
    page->gone(page->arg, page, page->last + 1, next - 1, &page->rows);
    page_end_row(page, false);
    if (!is_full(page))
        page->last = next - 1;
}

void page_add(struct page *page, const struct message *message)
{
    if (!is_full(page))
        tell_gone(page, message->seq);
    if (is_full(page))
        return;
    if (!page->read++)
        page->first = message->seq;
    if (!page->wants || page->wants(message)) {
        encode(page, message);
        page_end_row(page, message_is_passing(message->kind));
    }
    if (!is_full(page))
        page->last = message->seq;
}

enum err page_end(struct page *page)
{
    const struct store_range *range = &page->range;
    if (!range->latest && range->before != INT64_MAX && page->read < range->limit && !is_full(page) && range->before)
        tell_gone(page, range->before);
    clear_away(page);
    return page->rows.failed ? ERR_INTERNAL : ERR_OK;
}

static void on_message(void *arg, const struct message *message)
{
    page_add(arg, message);
}

static enum err read_range(struct page *page, struct store *store)
{
    enum err err = store_read(store, &page->range, on_message, page);
    enum err bad = page_end(page);
    return err ? err : bad;
}

/* `older` comes before all that the page has. */
static void put_before(struct page *page, struct page *older)
{
    older->rows.max = page->rows.max;
    for (size_t i = 0; i < page->count; i++) {
        size_t begin = older->rows.len;
        buf_add_str(&older->rows, page_row(page, i));
        add_place(older, begin, page->places[i].passing);
    }
    struct page newer = *page;
    page->rows = older->rows;
    page->places = older->places;
    page->count = page->place_count = older->count;
    page->place_cap = older->place_cap;
    page->kept_bytes = older->kept_bytes;
    page->passing = older->passing;
    older->rows = newer.rows;
    older->places = newer.places;
}

/* What was said before the page, for as many rows as it could have had: instead of comings and goings that were left out,
 * and of what is shown to nobody. */
static enum err read_older(struct page *page, struct store *store)
{
    size_t room = page->bytes_max > page->kept_bytes ? page->bytes_max - page->kept_bytes : 0;
    struct page older;
    struct store_range range = page->range;
    range.before = page->first;
    range.limit -= (unsigned)page->count;
    range.said = true;
    page_init(&older, &range, room, page->rows.max);
    older.wants = page->wants;
    older.encode = page->encode;
    older.arg = page->arg;
    enum err err = read_range(&older, store);
    if (!err && older.rows.len <= room) /* else not even the last one fits */
        put_before(page, &older);
    page_fini(&older);
    return err;
}

enum err page_read(struct page *page, struct store *store)
{
    enum err err = read_range(page, store);
    bool is_whole = page->read < page->range.limit || page->count >= page->range.limit || page->first <= 1;
    if (err || page->passing_max == SIZE_MAX || page->more || is_whole || page->kept_bytes >= page->bytes_max)
        return err;
    return read_older(page, store);
}

struct str page_row(const struct page *page, size_t i)
{
    size_t begin = begin_of(page, i);
    CG_ASSERT(i < page->count && page->count == page->place_count);
    return (struct str){page->rows.data + begin, page->places[i].end - begin};
}

void page_add_rows(const struct page *page, struct buf *out)
{
    for (size_t i = 0; i < page->count; i++)
        json_add_raw(out, NULL, page_row(page, i));
}

bool page_wants_no_revisions(const struct message *message)
{
    return !message_is_aside(message->kind);
}

bool page_wants_said(const struct message *message)
{
    return message_is_said(message->kind);
}
