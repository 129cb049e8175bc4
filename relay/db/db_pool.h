/* db_pool.h: threads that ask the database, so that the loop never waits. Each has its own connection; jobs may
 * overtake each other.
 *
 * Every job has a payer: a user, an address that has no user yet, or the relay itself. What waits is a queue for each
 * payer, and payers are served in turn by what their jobs cost, so that a payer's own excess waits behind itself:
 *
 *   class    JOB_ARRIVAL: who comes in   JOB_RELAY   JOB_ASK: what clients ask for   (costly ones of it)
 *     └ payers, the one that has used least comes next
 *         └ jobs, oldest first
 *
 * Classes take turns, who comes in most often. Of costly questions, and of any one payer's, one worker stays free if
 * there are two. A payer may have as many jobs waiting as a setting says, and never more than there is room left for
 * all others.
 *
 * Jobs of one kind that wait at the same moment can be worked on together, by one worker with one question: the job
 * whose turn it is takes others of its kind and class along, one of each payer in turn, whoever asked for them; all pay
 * for their own. What a turn of the loop adds is shown to idle workers at its end (db_pool_flush), so that those whom
 * many sockets ask for at once are together, and one alone waits for no timer.
 *
 * A connection that is new may lead to a database that was put back to an older state, where numbers of users and rooms
 * are other users' and rooms'. So what was read through it reaches nobody before somebody has proved that the database is
 * the one that the relay knows (db_pool_set_prover). Meanwhile workers take nothing but the proof. */
#ifndef CG_RELAY_DB_DB_POOL_H
#define CG_RELAY_DB_DB_POOL_H

#include "common/settings.h"
#include "common/store/store.h"
#include "relay/db/completion_queue.h"

enum {
    DB_POOL_TOGETHER = 32,       /* jobs that are worked on together at most */
    DB_POOL_TOGETHER_COST = 512, /* … and their cost, unless one alone costs more */
    DB_POOL_COSTLY = 16,         /* a question of a client that costs this much or more is a costly one */
};

enum job_class { JOB_RELAY, JOB_ARRIVAL, JOB_ASK, JOB_FIRST };

/* First member of a job. It has one of `work` and `work_all`. */
struct job {
    struct completion completion;
    void (*work)(struct job *job, struct store *store); /* in a worker thread; touches only the job */
    /* The same for 1 to DB_POOL_TOGETHER jobs that have the same work_all; sets each one's `err`. */
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store);
    void (*done)(struct job *job); /* in the loop thread; frees the job */
    enum err err;                  /* ERR_OK until its work sets it */
    size_t bytes;                  /* its work may set it: of the answer that it has made, until `done` returns */
    bool is_proof;                 /* db_pool_add_proof */

    /* who pays: job_charge. A zeroed one is the relay's, and cheap */
    enum job_class class;
    unsigned cost;
    uint64_t payer;

    /* the pool's own */
    struct db_pool *pool;
    STAILQ_ENTRY(job) queue; /* of the same payer and kind; then of the answers that wait for a proof */
    uint64_t serial;
    uint64_t connection; /* store_connection, after the work */
    bool has_written;    /* the work, or another one of the same turn */
};

/* `payer`: a user's number, or limits_payer_address. `cost`: 1 for one look-up by a key; one more for each further one,
 * and for each 50 rows that it reads. */
static inline void job_charge(struct job *job, enum job_class class, uint64_t payer, size_t cost)
{
    job->class = class;
    job->payer = payer;
    job->cost = cost < 10000 ? (unsigned)cost : 10000;
}

/* Works on one job alone: what a worker does, for those who stand in for workers. */
static inline void job_alone(struct job *job, struct store *store)
{
    if (job->work_all)
        job->work_all(&job, 1, store);
    else
        job->work(job, store);
}

struct db_pool;

struct db_pool *db_pool_new(const struct settings *settings, struct completion_queue *completions);
/* Ends the threads once every job has been worked on; what they return still has to be drained. Jobs that are added
 * from then on come back with ERR_DOWN. */
void db_pool_stop(struct db_pool *pool);
void db_pool_free(struct db_pool *pool);

/* Loop thread only, as what follows. For what clients ask for: ERR_BUSY if its payer has its share waiting
 * (db_pool_queue_user or db_pool_queue_address, and as much as is left of db_pool_queue); the job is still the
 * caller's. */
enum err db_pool_try(struct db_pool *pool, struct job *job) CG_MUST_CHECK;
/* For what the relay itself needs, which is bounded by its rooms: always taken. */
void db_pool_add(struct db_pool *pool, struct job *job);
/* The same before all that waits: for who may be here. A job with `work`. */
void db_pool_add_first(struct db_pool *pool, struct job *job);
/* The same, for the job that looks whether the database is the one that is known; its own answer waits for nothing. */
void db_pool_add_proof(struct db_pool *pool, struct job *job);
/* What asks for a proof, in the loop thread: db_pool_add_proof, then db_pool_proved or db_pool_refuted. It is asked again
 * while answers wait for one that a proof does not reach. Without it every answer is believed. */
void db_pool_set_prover(struct db_pool *pool, void (*prove)(void *arg), void *arg);
/* What was read through connections up to that one holds (store_latest_connection, from before the proof read anything). */
void db_pool_proved(struct db_pool *pool, uint64_t connection);
/* The database is another one, or could not be looked at: the answers that wait are void. They arrive with ERR_DOWN, or
 * with ERR_UNKNOWN if something was written. */
void db_pool_refuted(struct db_pool *pool);
/* Wakes workers for what was added since it was called last: at the end of each turn of the loop. */
void db_pool_flush(struct db_pool *pool);

#endif
