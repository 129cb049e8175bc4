/* journal.h: the thread that stores messages: one transaction at a time, and while one is in flight
 * the next gathers. Group commit without a timer: an idle relay stores at once, a busy one many. While more waits than
 * one transaction takes, senders take turns, so that nobody waits behind what somebody else pours in. A transaction is kept
 * short, but for a share of each sender: a crowd that says little each is stored together. */
#ifndef CG_RELAY_DB_JOURNAL_H
#define CG_RELAY_DB_JOURNAL_H

#include "common/settings.h"
#include "common/store/store.h"
#include "relay/db/completion_queue.h"

struct journal;

/* Whose post it is, and which of theirs: what an answer is known by. Answers come in any order. */
struct post_id {
    uint64_t session_id; /* 0: nobody waits for the answer */
    uint64_t number;     /* the session's own, brought back as it is */
    /* Gets the answer of who is no session. NULL: the session's protocol does. */
    void (*answered)(struct post_id id, const struct store_post *post);
};

/* In the loop thread, for some posts at a time, for each post once: posts[i] is ids[i]'s. Borrowed. */
typedef void journal_stored_fn(void *arg, struct store_post *posts, const struct post_id *ids, size_t count);

struct journal *journal_new(const struct settings *settings, struct completion_queue *completions,
                            journal_stored_fn *stored, void *arg);

/* Copies the message into the queue. ERR_BUSY, and nothing taken, past journal_queue messages or
 * journal_queue_bytes. `epoch` is the one in which its conversation and sender are what their numbers say: in another one
 * it is not stored, but answered with ERR_DOWN. */
enum err journal_submit(struct journal *journal, struct post_id id, uint64_t epoch,
                        const struct message *message) CG_MUST_CHECK;

/* Called now and then: what has waited for journal_timeout_ms behind a batch that takes its time is answered with
 * ERR_DOWN, by `stored` before this returns, so before the answers of that batch. It is not stored. */
void journal_expire(struct journal *journal);

/* Stores what is queued, then ends the thread; what it returns still has to be drained. All that takes no longer than
 * journal_timeout_ms and one attempt: what is left then, or has waited that long, is answered with ERR_DOWN. It is not
 * stored. */
void journal_stop(struct journal *journal);
void journal_free(struct journal *journal);

#endif
