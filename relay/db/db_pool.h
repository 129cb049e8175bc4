/* db_pool.h: worker threads that query the database, so that the loop never waits. Each has its own connection, and
 * jobs may finish in any order.
 *
 * Every job has a payer: a user, an address whose user is not known yet, or the relay itself. Each payer has a queue,
 * and payers take turns by the cost of their jobs, so a payer that asks for too much only delays itself:
 *
 *   class    JOB_ARRIVAL: who comes in   JOB_RELAY   JOB_ASK: what clients ask for   (costly ones of it)
 *     └ payers, the one that has used least comes next
 *         └ jobs, oldest first
 *
 * Classes take turns, with arrivals most often. If there are at least two workers, neither costly jobs nor a single
 * payer's may occupy all of them. A setting bounds the waiting jobs of one payer, which may never exceed the room left
 * for all others.
 *
 * Waiting jobs of the same kind and class can share one query (`work_all`): the job whose turn it is takes others
 * along, one of each payer in turn; each payer is charged for its own. Workers see the jobs of a turn of the loop at
 * its end (db_pool_flush), so that jobs which many sockets add at once are combined, and a single job waits for no
 * timer.
 *
 * A new connection may lead to a database that was put back to an older state, where ids mean other users and rooms. So
 * nothing is read or written through it before a proof shows that the database is still the one the relay knows
 * (db_pool_set_prover). The job waits, and until then workers take nothing but the proof. */
#ifndef CG_RELAY_DB_DB_POOL_H
#define CG_RELAY_DB_DB_POOL_H

#include "common/settings.h"
#include "common/store/store.h"
#include "relay/db/completion_queue.h"

enum {
    DB_POOL_TOGETHER = 32,       /* most jobs that are worked on together */
    DB_POOL_TOGETHER_COST = 512, /* … and their cost, unless one alone costs more */
    DB_POOL_COSTLY = 16,         /* a client's job that costs this much or more is a costly one */
};

enum job_class { JOB_RELAY, JOB_ARRIVAL, JOB_ASK, JOB_FIRST };

/* First member of a job. It has one of `work` and `work_all`. */
struct job {
    struct completion completion;
    void (*work)(struct job *job, struct store *store); /* in a worker thread; touches only the job */
    /* The same for 1 to DB_POOL_TOGETHER jobs that have the same work_all; sets each one's `err`. */
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store);
    void (*done)(struct job *job); /* in the loop thread; frees the job */
    enum err err;                  /* set by the work; ERR_OK before */
    size_t bytes;                  /* size of the answer, in memory until `done` returns; the work may set it */
    bool is_proof;                 /* db_pool_add_proof */

    /* set by job_charge; zeroed: the relay's own, and cheap */
    enum job_class class;
    unsigned cost;
    uint64_t payer;

    /* the pool's own */
    struct db_pool *pool;
    STAILQ_ENTRY(job) queue; /* among the payer's jobs of this kind, or among those that wait for a proof */
    uint64_t serial;
    unsigned epoch;       /* the pool's count of epochs when the job was added */
    uint64_t needs_proof; /* the unproved connection for which it was not worked on; 0: it was worked on */
};

/* Sets who pays how much. `payer`: a user's number, or limits_payer_address. `cost`: 1 for one look-up by a key, plus 1
 * for each further look-up and for each 50 rows read. */
static inline void job_charge(struct job *job, enum job_class class, uint64_t payer, size_t cost)
{
    job->class = class;
    job->payer = payer;
    job->cost = cost < 10000 ? (unsigned)cost : 10000;
}

/* Works on a single job, as a worker would. Also for tests that stand in for a worker. */
static inline void job_alone(struct job *job, struct store *store)
{
    if (job->work_all)
        job->work_all(&job, 1, store);
    else
        job->work(job, store);
}

struct db_pool;

struct db_pool *db_pool_new(const struct settings *settings, struct completion_queue *completions);
/* Completes every queued job, then ends the threads; the completion queue must still be drained. Jobs added later come
 * back with ERR_DOWN. */
void db_pool_stop(struct db_pool *pool);
void db_pool_free(struct db_pool *pool);

/* The functions from here on are for the loop thread only. Adds a client's job. ERR_BUSY if its payer's share of the
 * queue is full (db_pool_queue_user or db_pool_queue_address, and what is left of db_pool_queue); the caller keeps the
 * job. */
enum err db_pool_try(struct db_pool *pool, struct job *job) CG_MUST_CHECK;
/* Adds a job of the relay itself; never refused, as their number is bounded by the relay's rooms. */
void db_pool_add(struct db_pool *pool, struct job *job);
/* The same, ahead of all others: for revocations. The job must have `work`. */
void db_pool_add_first(struct db_pool *pool, struct job *job);
/* The same for the job that proves the database's identity; its own answer is not withheld. */
void db_pool_add_proof(struct db_pool *pool, struct job *job);
/* Sets the callback that starts a proof, in the loop thread: db_pool_add_proof, then db_pool_proved or db_pool_refuted.
 * It is called again while jobs wait that the last proof did not cover. Without a prover every connection is believed.
 * Must be called before the first job is added. */
void db_pool_set_prover(struct db_pool *pool, void (*prove)(void *arg), void *arg);
/* Queues the jobs again that waited for connections up to that one (store_latest_connection, taken before the proof read
 * anything). */
void db_pool_proved(struct db_pool *pool, uint64_t connection);
/* The database is in another state or could not be checked: the jobs that wait for the proof end with ERR_DOWN, and were
 * not worked on. */
void db_pool_refuted(struct db_pool *pool);
/* From now on ids may mean other users and rooms: waiting jobs that were added before end with ERR_DOWN. */
void db_pool_begin_epoch(struct db_pool *pool);
/* Wakes workers for the jobs added since the last call. Must be called at the end of each turn of the loop. */
void db_pool_flush(struct db_pool *pool);

#endif
