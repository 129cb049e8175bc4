/* native_catchup.c: sends missed messages (relay/core/catchup.h) in the frames in which they would have come live.
 * Each conversation has one page in flight, and as many conversations at once as the outbox has room for. */
#include "common/container.h"
#include "common/metrics.h"
#include "relay/native/native_client.h"
#include "relay/native/native_encode.h"
#include "relay/core/wsframe.h"

enum { PAGE_EVENTS = 200, PAGES_AT_ONCE = 4, PAGES_OF_AN_OUTBOX = 8 };

static struct native_room *room_of(struct catchup *catchup)
{
    return container_of(catchup, struct native_room, catchup);
}

static struct session *session_of(struct catchup *catchup)
{
    return room_of(catchup)->native->session;
}

/* Frames, ready to be sent. */
static size_t begin_frame(struct buf *out)
{
    char header[WSFRAME_HEADER_MAX] = {0};
    size_t begin = out->len;
    buf_add(out, header, sizeof header); /* room for the longest: the payload's length is not known yet */
    return begin;
}

static void end_frame(struct buf *out, size_t begin)
{
    char header[WSFRAME_HEADER_MAX];
    if (out->failed)
        return;
    size_t payload = out->len - begin - sizeof header;
    size_t len = wsframe_header(header, WSFRAME_TEXT, payload);
    memcpy(out->data + begin, header, len);
    memmove(out->data + begin + len, out->data + begin + sizeof header, payload);
    out->len = begin + len + payload;
}

static void encode(void *arg, const struct message *message, struct buf *out)
{
    size_t begin = begin_frame(out);
    (void)arg;
    native_encode(message, out);
    end_frame(out, begin);
}

static void encode_gone(void *arg, const struct page *page, uint64_t first, uint64_t last, struct buf *out)
{
    size_t begin = begin_frame(out);
    (void)arg;
    native_encode_gone(page->range.conversation, first, last, out);
    end_frame(out, begin);
}

static void plan(struct catchup *catchup, struct page *page)
{
    (void)catchup;
    page->encode = encode;
    page->range.authors = true;
    page->gone = encode_gone;
}

static unsigned page_rows(const struct settings *settings)
{
    (void)settings;
    return PAGE_EVENTS;
}

static size_t page_bytes(const struct settings *settings)
{
    return (size_t)settings->outbox_bytes / PAGES_OF_AN_OUTBOX;
}

static void on_sent(struct catchup *catchup, const struct page *page)
{
    metric_add(METRIC_NATIVE_CAUGHT_UP, (int64_t)page->count);
    native_catch_up(room_of(catchup)->native);
}

static void wait(struct catchup *catchup)
{
    wheel_set(protocol_context.hub->wheel, &room_of(catchup)->native->again, CATCHUP_AGAIN_MS);
}

const struct catchup_kind native_catchup_kind = {
    .pages_at_once = PAGES_AT_ONCE,
    .session = session_of,
    .page_rows = page_rows,
    .page_bytes = page_bytes,
    .plan = plan,
    .sent = on_sent,
    .wait = wait,
};

void native_catch_up(struct native *native)
{
    for (struct native_room *room = SLIST_FIRST(&native->rooms); room && !native->session->closing;
         room = SLIST_NEXT(room, link))
        if (room->joined && catchup_is_under_way(&room->catchup))
            catchup_step(&room->catchup, hub_subscription(native->session, room->membership.conversation));
}
