#include "relay/core/catchup.h"

#include "common/container.h"
#include "common/metrics.h"
#include "relay/core/protocol.h"

void catchup_begin(struct catchup *catchup, const struct catchup_kind *kind, struct subscription *sub, uint64_t given)
{
    CG_ASSERT(!reader_is_busy(&catchup->reader));
    session_cork(sub, true);
    catchup->kind = kind;
    catchup->given = given;
    catchup->target = hub_seq(sub);
}

void catchup_stop(struct catchup *catchup)
{
    if (reader_is_busy(&catchup->reader))
        catchup->kind->session(catchup)->pages--;
    reader_stop(&catchup->reader);
    catchup->kind = NULL;
}

bool catchup_must_wait(struct catchup *catchup, struct subscription *sub)
{
    if (hub_seq(sub) >= catchup->given)
        return false;
    hub_expect(sub, catchup->given);
    catchup->kind->wait(catchup);
    return true;
}

/* ---- pages ---- */

/* Whether the outbox has room for another page beside those that are on their way. */
static bool may_read(const struct session *session, const struct catchup_kind *kind)
{
    const struct settings *settings = session->owner->settings;
    size_t page = kind->page_bytes(settings), used = session->outbox.len + session->pages * page;
    if (!session->pages && session_has_all(session))
        return true;
    if (kind->pages_at_once == 1 || debts_are_high())
        return false;
    return session->pages < kind->pages_at_once && used + page <= (size_t)settings->outbox_bytes / 2;
}

/* Sending may drain the outbox and call back. The catch-up must not continue then, as the present page is not sent
 * completely yet. */
static const struct catchup_kind sending;

static void fail(struct catchup *catchup, struct session *session)
{
    catchup->kind = NULL;
    protocol_refuse(session, 1013, "Try again later");
}

static void on_page(struct reader *reader, struct page *page, enum err err)
{
    struct catchup *catchup = container_of(reader, struct catchup, reader);
    const struct catchup_kind *kind = catchup->kind;
    struct session *session = kind->session(catchup);
    session->pages--;
    if (session->closing)
        return;
    if (err) {
        fail(catchup, session);
        return;
    }
    catchup->kind = &sending;
    session_send_raw(session, buf_str(&page->rows));
    if (catchup->kind != &sending)
        return; /* it was stopped */
    catchup->kind = kind;
    catchup->given = page->read ? page->last : catchup->target; /* no messages are left there */
    kind->sent(catchup, page);
}

static void read_page(struct catchup *catchup, struct session *session, uint64_t conversation, struct hub *hub)
{
    const struct catchup_kind *kind = catchup->kind;
    const struct settings *settings = session->owner->settings;
    if (!may_read(session, kind))
        return; /* `drained`, or a page that comes, leads here again */
    struct store_range range = {
        .conversation = conversation,
        .after = catchup->given,
        .before = catchup->target + 1,
        .limit = kind->page_rows(settings),
    };
    struct page *page = reader_plan(&catchup->reader, &range, kind->page_bytes(settings),
                                    6 * (size_t)settings->max_message_bytes + 20480, kind->arg_size);
    kind->plan(catchup, page);
    session->pages++;
    if (reader_ask(&catchup->reader, hub, session_payer(session), on_page)) {
        session->pages--;
        fail(catchup, session);
    }
}

void catchup_step(struct catchup *catchup, struct subscription *sub)
{
    const struct catchup_kind *kind = catchup->kind;
    if (!kind || kind == &sending || reader_is_busy(&catchup->reader) || sub->session->closing ||
        catchup_must_wait(catchup, sub))
        return;
    if (!hub_catch_up(sub, catchup->target < catchup->given))
        catchup->target = hub_seq(sub);
    if (catchup->given < catchup->target) {
        read_page(catchup, sub->session, hub_conversation(sub), hub_of(sub));
        return;
    }
    catchup->kind = NULL;
    session_cork(sub, false);
    if (kind->live)
        kind->live(catchup, sub);
}
