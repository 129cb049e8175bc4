/* catchup.h: sends a session the messages that it missed before it subscribed, ahead of the live ones.
 *
 *   subscription, corked ─▶ pages from the database, up to where the room's log begins ─▶ the log
 *         │                     as the socket takes them                                ▲
 *         └ the client is further than this relay has heard: wait until it has ───────┘
 *
 * The subscription is corked from the start, so live messages cannot overtake missed ones; they collect in the room's
 * log. If the log drops some of them, the catch-up reads further pages up to the log's new beginning; no connection is
 * closed for it. A resume that is far behind, or on a slow socket, therefore costs the memory of one page and no more.
 *
 * The protocol decides how a page is encoded and how many a session may have in flight (struct catchup_kind); one
 * catch-up has one page in flight. Loop thread only. */
#ifndef CG_RELAY_CORE_CATCHUP_H
#define CG_RELAY_CORE_CATCHUP_H

#include "relay/core/hub.h"
#include "relay/core/reader.h"

enum { CATCHUP_AGAIN_MS = 100 };

struct catchup;

struct catchup_kind {
    /* How many pages one session may have in flight. With more than 1, the next pages are read before the socket has
     * taken the last ones, as long as the outbox stays at most half full. */
    unsigned pages_at_once;
    size_t arg_size; /* size of the encoder's argument, page->arg */
    struct session *(*session)(struct catchup *catchup);
    /* Upper bounds of one page. */
    unsigned (*page_rows)(const struct settings *settings);
    size_t (*page_bytes)(const struct settings *settings);
    /* Sets the page's `encode`, `wants` and the encoder's argument. What the encoder writes is sent unchanged
     * (session_send_raw). */
    void (*plan)(struct catchup *catchup, struct page *page);
    /* A page was sent. Must call catchup_step for this catch-up and the session's others. */
    void (*sent)(struct catchup *catchup, const struct page *page);
    /* This relay is behind the client. Must call catchup_step again after CATCHUP_AGAIN_MS. */
    void (*wait)(struct catchup *catchup);
    /* The client has everything older than the log, and its subscription is uncorked. May be NULL. */
    void (*live)(struct catchup *catchup, struct subscription *sub);
};

/* Zeroed: no catch-up is under way. */
struct catchup {
    struct reader reader;            /* reads the page in flight */
    const struct catchup_kind *kind; /* NULL: not under way */
    uint64_t given;                  /* the client has, or was sent, everything up to this number; */
    uint64_t target;                 /* its subscription's log begins after this one */
};

static inline bool catchup_is_under_way(const struct catchup *catchup)
{
    return catchup->kind;
}

/* Whether a cursor at `seq` is void because messages after it were trimmed: everything up to `trimmed` is gone. The
 * client must be told, and starts from the oldest message left. Every transport uses this rule, whether it has
 * `trimmed` from the hub or from the database. */
static inline bool catchup_is_void(uint64_t trimmed, uint64_t seq)
{
    return seq < trimmed;
}

/* Starts a catch-up for a client that has everything up to `given`, and corks its new subscription. `given` may be
 * ahead of this relay. */
void catchup_begin(struct catchup *catchup, const struct catchup_kind *kind, struct subscription *sub, uint64_t given);
/* Whether the client is ahead of this relay, so that the log would repeat messages. If so, the hub fetches the missing
 * ones, and kind->wait was called. */
bool catchup_must_wait(struct catchup *catchup, struct subscription *sub);
/* Continues as far as the socket takes data. Must also be called when the outbox has drained (protocol->drained). Does
 * nothing if no catch-up is under way or a page is in flight. */
void catchup_step(struct catchup *catchup, struct subscription *sub);
/* Ends the catch-up because the subscription or the session ends. The struct must not be freed while data is being sent
 * to the session. */
void catchup_stop(struct catchup *catchup);

#endif
