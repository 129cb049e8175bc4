/* catchup.h: what a session missed of a conversation before its subscription, given to it before what comes now.
 *
 *   subscription, corked ─▶ pages from the database, up to where the room's log begins ─▶ the log
 *         │                     as the socket takes them                                ▲
 *         └ the client is further than this relay has heard: wait until it has ───────┘
 *
 * The subscription is corked from its first moment, so nothing overtakes. What is delivered meanwhile is in the log; if
 * the log drops some of it (nobody is closed for that), pages go on to where it begins then. So a resume that is far
 * behind, or on a slow socket, costs no memory but one page.
 *
 * How a page looks and how many may be on their way at once is its protocol's (struct catchup_kind); one catch-up has one
 * page on its way. Loop thread only. */
#ifndef CG_RELAY_CORE_CATCHUP_H
#define CG_RELAY_CORE_CATCHUP_H

#include "relay/core/hub.h"
#include "relay/core/reader.h"

enum { CATCHUP_AGAIN_MS = 100 };

struct catchup;

struct catchup_kind {
    /* Pages of one session that may be on their way together. With more than 1 the next ones are read before the socket
     * has taken these, as far as half of the outbox holds them. */
    unsigned pages_at_once;
    size_t arg_size; /* of what the encoder is given: page->arg */
    struct session *(*session)(struct catchup *catchup);
    /* How much a page has at most. */
    unsigned (*page_rows)(const struct settings *settings);
    size_t (*page_bytes)(const struct settings *settings);
    /* Sets `encode` and what is to be at `arg`, and `wants`: the rows are sent as they are (session_send_raw). */
    void (*plan)(struct catchup *catchup, struct page *page);
    /* A page was sent: catchup_step, for this one and its session's others. */
    void (*sent)(struct catchup *catchup, const struct page *page);
    /* This relay has to hear more first: catchup_step again after CATCHUP_AGAIN_MS. */
    void (*wait)(struct catchup *catchup);
    /* The client has all that came before its log; its subscription is uncorked. NULL: nothing. */
    void (*live)(struct catchup *catchup, struct subscription *sub);
};

/* Zeroed: nothing is caught up with. */
struct catchup {
    struct reader reader;            /* the page that is on its way */
    const struct catchup_kind *kind; /* NULL: not under way */
    uint64_t given;                  /* the client has, or was given, all up to this number; */
    uint64_t target;                 /* its subscription's log begins after this one */
};

static inline bool catchup_is_under_way(const struct catchup *catchup)
{
    return catchup->kind;
}

/* A client that has seen all up to `seq` of a conversation of which everything up to `trimmed` is gone cannot be given what
 * follows: it is told so, and begins with what there is. For every transport: whether it knows `trimmed` from the hub or from
 * the database. */
static inline bool catchup_is_void(uint64_t trimmed, uint64_t seq)
{
    return seq < trimmed;
}

/* Corks the subscription, which was just taken, for a client that has seen all up to `given`. `given` may lie past what
 * this relay has heard. */
void catchup_begin(struct catchup *catchup, const struct catchup_kind *kind, struct subscription *sub, uint64_t given);
/* Whether the client is further than this relay, whose log would bring what it has seen again. If so, the hub looks for
 * it and kind->wait was called. */
bool catchup_must_wait(struct catchup *catchup, struct subscription *sub);
/* Goes on, as far as the socket takes it; to be called when it has taken what it got (protocol->drained), too. Nothing if
 * it is not under way, or a page is. */
void catchup_step(struct catchup *catchup, struct subscription *sub);
/* The subscription or its session goes away. Not to be freed while something is sent to its session. */
void catchup_stop(struct catchup *catchup);

#endif
