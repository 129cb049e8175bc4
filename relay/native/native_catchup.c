/* native_catchup.c: what was missed. A subscription is corked from its first moment until everything before it was given
 * to the socket; each room has its own page on its way, and there are as many of them at once as the outbox has room
 * for. */
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/native/native_parts.h"
#include "relay/core/wsframe.h"

#include <stdlib.h>

enum { AGAIN_MS = 100, PAGE_EVENTS = 200, PAGES_AT_ONCE = 4 };

struct page {
    struct job job;
    uint64_t session_id, conversation, serial;
    struct store_range range;
    size_t most; /* bytes, but for one event */
    struct buf out, event;
    uint64_t last;
    size_t count;
    bool full;
};

/* Frames, ready to be sent. */
static void on_message(void *arg, const struct message *message)
{
    struct page *page = arg;
    char bytes[WSFRAME_HEADER_MAX];
    if (page->full)
        return;
    buf_clear(&page->event);
    native_encode(message, &page->event);
    page->full = page->count && page->out.len + page->event.len > page->most;
    if (page->full)
        return;
    buf_add(&page->out, bytes, wsframe_header(bytes, WSFRAME_TEXT, page->event.len));
    buf_add_str(&page->out, buf_str(&page->event));
    page->last = message->seq;
    page->count++;
}

static void on_ranged(void *arg, size_t range, const struct message *message)
{
    struct page *const *pages = arg;
    on_message(pages[range], message);
}

/* A page that lies between two numbers is read with the others; one of which only the limit is known, by itself. */
static bool is_narrow(const struct store_range *range)
{
    return range->before - range->after - 1 <= range->limit;
}

static void read_pages(struct job *const *jobs, size_t count, struct store *store)
{
    struct page *narrow[DB_POOL_TOGETHER];
    struct store_range ranges[DB_POOL_TOGETHER] = {0};
    size_t narrow_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct page *page = (struct page *)jobs[i];
        if (!is_narrow(&page->range)) {
            page->job.err = store_read(store, &page->range, on_message, page);
        } else {
            narrow[narrow_count] = page;
            ranges[narrow_count++] = page->range;
        }
    }
    enum err err = store_read_ranges(store, ranges, narrow_count, on_ranged, narrow);
    for (size_t i = 0; i < narrow_count; i++)
        narrow[i]->job.err = err;
    for (size_t i = 0; i < count; i++) {
        const struct page *page = (const struct page *)jobs[i];
        jobs[i]->bytes = page->out.cap + page->event.cap;
        if (!jobs[i]->err && (page->out.failed || page->event.failed))
            jobs[i]->err = ERR_INTERNAL;
    }
}

static size_t page_bytes(void)
{
    return (size_t)protocol_context.settings->outbox_bytes / 8;
}

static void on_page(struct job *job)
{
    struct page *page = (struct page *)job;
    struct native *native = native_find(page->session_id);
    struct native_room *room = native ? native_room_of(native, page->conversation) : NULL;
    if (native)
        native->reading--;
    if (room && room->reading == page->serial && job->err) {
        protocol_refuse(native->session, 1013, "Try again later");
    } else if (room && room->reading == page->serial) {
        metric_add(METRIC_NATIVE_CAUGHT_UP, (int64_t)page->count);
        session_send_raw(native->session, buf_str(&page->out));
        /* not before: what is sent first may drain the outbox, and that goes on with every room that is not being read */
        room->reading = 0;
        room->given = page->count ? page->last : room->target;
    }
    if (native)
        native_catch_up(native);
    buf_fini(&page->out);
    buf_fini(&page->event);
    free(page);
}

/* Whether the outbox has room for another page beside those that are on their way. */
static bool may_read(const struct native *native)
{
    const struct session *session = native->session;
    size_t used = session->outbox.len + native->reading * page_bytes();
    if (!native->reading && !session->outbox.len && !session->blocked)
        return true;
    if (debts_are_high())
        return false;
    return native->reading < PAGES_AT_ONCE &&
           used + page_bytes() <= (size_t)protocol_context.settings->outbox_bytes / 2;
}

static void read_missed(struct native_room *room)
{
    struct native *native = room->native;
    size_t event_max = 6 * (size_t)protocol_context.settings->max_message_bytes + 4096;
    if (!may_read(native))
        return; /* `drained`, or a page that comes, leads here again */
    struct page *page = mem_zalloc(sizeof *page);
    page->job.work_all = read_pages;
    page->job.done = on_page;
    page->session_id = native->session->id;
    page->conversation = room->membership.conversation;
    page->serial = room->reading = ++native->pages;
    page->range = (struct store_range){
        .conversation = page->conversation, .after = room->given, .before = room->target + 1, .limit = PAGE_EVENTS};
    page->most = page_bytes();
    buf_init(&page->event, event_max);
    buf_init(&page->out, page->most + event_max);
    job_charge(&page->job, JOB_ASK, native->user,
               1 + (is_narrow(&page->range) ? room->target - room->given : PAGE_EVENTS) / 50);
    native->reading++;
    if (db_pool_try(protocol_context.db_pool, &page->job)) {
        free(page);
        native->reading--;
        protocol_refuse(native->session, 1013, "Try again later");
    }
}

static void step(struct native_room *room)
{
    struct subscription *sub = hub_subscription(room->native->session, room->membership.conversation);
    if (hub_seq(sub) < room->given) {
        /* another relay told the client more than this one has heard: its log would bring that again */
        hub_expect(sub, room->given);
        wheel_set(protocol_context.hub->wheel, &room->native->again, AGAIN_MS);
        return;
    }
    if (!hub_catch_up(sub, room->target < room->given))
        room->target = hub_seq(sub);
    if (room->given < room->target) {
        read_missed(room);
        return;
    }
    room->catching = false;
    session_cork(sub, false);
}

void native_catch_up(struct native *native)
{
    for (struct native_room *room = SLIST_FIRST(&native->rooms); room && !native->session->closing;
         room = SLIST_NEXT(room, link))
        if (room->joined && room->catching && !room->reading)
            step(room);
}
