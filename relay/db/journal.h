/* journal.h: the thread that stores messages, one transaction at a time; messages that arrive meanwhile form the next
 * one. This is group commit without a timer: an idle relay stores each message at once, a busy one stores many
 * together. While more waits than one transaction takes, senders take turns, so that no sender waits behind another's
 * flood. A transaction is kept short, but takes a share of every sender, so that many senders with one message each are
 * stored together. */
#ifndef CG_RELAY_DB_JOURNAL_H
#define CG_RELAY_DB_JOURNAL_H

#include "common/settings.h"
#include "common/store/store.h"
#include "relay/db/completion_queue.h"

struct journal;

/* Identifies a post in its answer. Answers come in any order. */
struct post_id {
    uint64_t session_id; /* 0: no session waits for the answer */
    uint64_t number;     /* chosen by the session, returned unchanged */
    /* Gets the answer instead of the session's protocol; for posts that are no session's. May be NULL. */
    void (*answered)(struct post_id id, const struct store_post *post);
};

/* Called in the loop thread for several posts at a time, for each post once; posts[i] belongs to ids[i]. Both are
 * borrowed. */
typedef void journal_stored_fn(void *arg, struct store_post *posts, const struct post_id *ids, size_t count);

struct journal *journal_new(const struct settings *settings, struct completion_queue *completions,
                            journal_stored_fn *stored, void *arg);

/* Copies the message into the queue. ERR_BUSY: journal_queue messages or journal_queue_bytes wait, and nothing was
 * taken. `epoch` is the epoch in which the message's conversation and sender ids are valid; in another one the message
 * is not stored, but answered with ERR_DOWN. */
enum err journal_submit(struct journal *journal, struct post_id id, uint64_t epoch,
                        const struct message *message) CG_MUST_CHECK;

/* Must be called regularly. Answers posts that have waited for journal_timeout_ms behind a slow batch with ERR_DOWN,
 * through `stored` before this returns, so before that batch's own answers. These posts are not stored. */
void journal_expire(struct journal *journal);

/* Stores what is queued, then ends the thread; the completion queue must still be drained. Takes at most
 * journal_timeout_ms plus one attempt: posts that are left then, or have waited that long, are answered with ERR_DOWN
 * and not stored. */
void journal_stop(struct journal *journal);
void journal_free(struct journal *journal);

#endif
