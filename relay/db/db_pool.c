#include "relay/db/db_pool.h"

#include "common/store/db.h"
#include "common/container.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    KINDS = 8, /* that are worked on together; those of more would be worked on by payer only */
    BUILT_BYTES_MAX = 16 * 1024 * 1024, /* of answers that the loop has not taken yet: workers wait for it then */
};

enum { CLASS_FIRST, CLASS_RELAY, CLASS_ARRIVAL, CLASS_ASK, CLASS_COSTLY, CLASSES };

/* Of each class in turn, if it has something; CLASS_FIRST before all. */
static const unsigned char turns[] = {CLASS_ARRIVAL, CLASS_RELAY,   CLASS_ARRIVAL,
                                      CLASS_ASK,     CLASS_ARRIVAL, CLASS_COSTLY};

/* The jobs of one payer and one kind; work_all NULL: those that are worked on alone. Never empty. */
struct lane {
    struct payer *payer;
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store);
    STAILQ_HEAD(, job) jobs;
    SLIST_ENTRY(lane) own;  /* in its payer's lanes */
    TAILQ_ENTRY(lane) kind; /* in its kind's lanes, if those are worked on together */
};

/* Who pays, in one class. It is in the class' heap while it has jobs and may have a worker, and is forgotten once it
 * has none and others have used as much as it has. */
struct payer {
    uint64_t key;
    uint64_t used; /* virtual time: what it has had, on the class' scale */
    SLIST_HEAD(, lane) lanes;
    size_t count;   /* jobs that wait */
    size_t workers; /* at work for it */
    size_t place;   /* in the heap, from 1; 0: not in it */
    STAILQ_ENTRY(payer) idle_link;
    bool idle; /* in the class' list of those that may be forgotten */
};

struct kind {
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store); /* NULL: free */
    TAILQ_HEAD(, lane) lanes;                                                     /* from the one whose turn it is */
    size_t count;                                                                 /* jobs */
};

struct class
{
    struct map payers;   /* by mixed key */
    struct payer **heap; /* by `used`, [1] has used least */
    size_t heap_count, heap_cap;
    struct kind kinds[KINDS];
    STAILQ_HEAD(, payer) idle;
    uint64_t now, latest;        /* virtual time: of the payer served last; the latest of any payer */
    size_t count;                /* jobs that wait */
    size_t workers, workers_max; /* at work on its jobs */
    size_t payer_workers_max;
};

struct db_pool {
    const struct settings *settings;
    struct completion_queue *completions;
    pthread_t *threads;
    size_t thread_count;
    pthread_mutex_t lock;
    pthread_cond_t some; /* a job waits, answers were taken, or it is time to stop */
    struct class classes[CLASSES];
    size_t turn;
    uint64_t serial;
    size_t count;  /* jobs that wait */
    size_t built;  /* bytes of answers on their way to the loop */
    size_t untold; /* questions that no worker was woken for yet: the loop's own */
    bool stopping;
    bool proving;    /* workers take CLASS_FIRST alone */
    unsigned epoch;  /* counts those that have begun; written by the loop alone */
    uint64_t proved; /* connections up to this one lead to the database that is known; written by the loop alone */

    /* the loop's own */
    void (*prove)(void *arg); /* NULL: every connection is believed */
    void *prove_arg;
    STAILQ_HEAD(, job) unproved; /* jobs that wait for a proof */
};

/* What a worker has taken. */
struct batch {
    struct job *jobs[DB_POOL_TOGETHER];
    size_t count;
    struct class *class;
    struct payer *payer; /* the first one's */
};

/* ---- the heap: the payer that has used least is first ---- */

static void heap_set(struct class *class, size_t place, struct payer *payer)
{
    class->heap[place] = payer;
    payer->place = place;
}

static void heap_settle(struct class *class, size_t place, struct payer *payer)
{
    for (; place > 1 && class->heap[place / 2]->used > payer->used; place /= 2)
        heap_set(class, place, class->heap[place / 2]);
    for (size_t child; (child = 2 * place) <= class->heap_count; place = child) {
        if (child < class->heap_count && class->heap[child + 1]->used < class->heap[child]->used)
            child++;
        if (class->heap[child]->used >= payer->used)
            break;
        heap_set(class, place, class->heap[child]);
    }
    heap_set(class, place, payer);
}

static void heap_remove(struct class *class, struct payer *payer)
{
    struct payer *last = class->heap[class->heap_count--];
    if (last != payer)
        heap_settle(class, payer->place, last);
    payer->place = 0;
}

static void heap_add(struct class *class, struct payer *payer)
{
    if (class->heap_count + 2 > class->heap_cap) {
        class->heap_cap = class->heap_cap ? class->heap_cap * 2 : 64;
        class->heap = mem_realloc(class->heap, class->heap_cap * sizeof class->heap[0]);
    }
    heap_settle(class, ++class->heap_count, payer);
}

/* In the heap where it belongs, or not in it. */
static void payer_place(struct class *class, struct payer *payer)
{
    bool may = payer->count && payer->workers < class->payer_workers_max;
    if (!may && payer->place)
        heap_remove(class, payer);
    else if (may && payer->place)
        heap_settle(class, payer->place, payer);
    else if (may)
        heap_add(class, payer);
}

/* ---- payers ---- */

/* A map's keys are not 0, and numbers of users are alike. */
static uint64_t key_of(uint64_t payer)
{
    uint64_t key = (payer + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return key ? key : 1;
}

/* Forgets some of those that have nothing waiting and owe nothing. Each that comes takes two along, so they do not
 * pile up. */
static void forget_some(struct class *class)
{
    for (int i = 0; i < 2 && !STAILQ_EMPTY(&class->idle); i++) {
        struct payer *payer = STAILQ_FIRST(&class->idle);
        bool busy = payer->count || payer->workers;
        if (!busy && payer->used > class->now)
            return;
        STAILQ_REMOVE_HEAD(&class->idle, idle_link);
        payer->idle = false;
        if (busy) /* it is put back when it has nothing again */
            continue;
        map_take(&class->payers, payer->key);
        free(payer);
    }
}

static void note_idle(struct class *class, struct payer *payer)
{
    if (payer->count || payer->workers || payer->idle)
        return;
    payer->idle = true;
    STAILQ_INSERT_TAIL(&class->idle, payer, idle_link);
}

static struct payer *payer_of(struct class *class, uint64_t number)
{
    uint64_t key = key_of(number);
    struct payer *payer = map_get(&class->payers, key);
    if (!payer) {
        payer = mem_zalloc(sizeof *payer);
        payer->key = key;
        payer->used = class->now;
        map_put(&class->payers, key, payer);
    }
    if (!payer->count && payer->used < class->now)
        payer->used = class->now; /* nobody saves up */
    return payer;
}

/* ---- lanes ---- */

static struct kind *kind_of(struct class *class, const struct job *job)
{
    struct kind *free_kind = NULL;
    if (!job->work_all)
        return NULL;
    for (size_t i = 0; i < KINDS; i++) {
        if (class->kinds[i].work_all == job->work_all)
            return &class->kinds[i];
        if (!class->kinds[i].work_all && !free_kind)
            free_kind = &class->kinds[i];
    }
    if (free_kind)
        free_kind->work_all = job->work_all;
    return free_kind;
}

static struct lane *lane_of(struct payer *payer, struct job *job, struct kind *kind)
{
    struct lane *lane;
    SLIST_FOREACH(lane, &payer->lanes, own)
        if (lane->work_all == job->work_all)
            return lane;
    lane = mem_zalloc(sizeof *lane);
    lane->payer = payer;
    lane->work_all = job->work_all;
    STAILQ_INIT(&lane->jobs);
    SLIST_INSERT_HEAD(&payer->lanes, lane, own);
    if (kind)
        TAILQ_INSERT_TAIL(&kind->lanes, lane, kind);
    return lane;
}

static void lane_free(struct payer *payer, struct kind *kind, struct lane *lane)
{
    SLIST_REMOVE(&payer->lanes, lane, lane, own);
    if (kind)
        TAILQ_REMOVE(&kind->lanes, lane, kind);
    free(lane);
}

/* ---- what waits ---- */

static struct class *class_of(struct db_pool *pool, const struct job *job)
{
    switch (job->class) {
    case JOB_FIRST: return &pool->classes[CLASS_FIRST];
    case JOB_ARRIVAL: return &pool->classes[CLASS_ARRIVAL];
    case JOB_ASK: return &pool->classes[job->cost < DB_POOL_COSTLY ? CLASS_ASK : CLASS_COSTLY];
    default: return &pool->classes[CLASS_RELAY];
    }
}

static void append(struct db_pool *pool, struct job *job)
{
    struct class *class = class_of(pool, job);
    struct kind *kind = kind_of(class, job);
    struct payer *payer = payer_of(class, job->payer);
    struct lane *lane = lane_of(payer, job, kind);
    job->serial = ++pool->serial;
    STAILQ_INSERT_TAIL(&lane->jobs, job, queue);
    payer->count++;
    class->count++;
    if (!kind || kind->count++ % DB_POOL_TOGETHER == 0)
        pool->untold++;
    metric_set(METRIC_DB_POOL_QUEUED, (int64_t)++pool->count);
    payer_place(class, payer);
    forget_some(class);
}

/* Takes the oldest of the lane, which its payer pays for. */
static void take_from(struct db_pool *pool, struct batch *batch, struct lane *lane)
{
    struct class *class = batch->class;
    struct payer *payer = lane->payer;
    struct job *job = STAILQ_FIRST(&lane->jobs);
    struct kind *kind = kind_of(class, job);
    STAILQ_REMOVE_HEAD(&lane->jobs, queue);
    if (STAILQ_EMPTY(&lane->jobs))
        lane_free(payer, kind, lane);
    if (kind)
        kind->count--;
    payer->count--;
    class->count--;
    pool->count--;
    payer->used += job->cost ? job->cost : 1;
    class->latest = payer->used > class->latest ? payer->used : class->latest;
    batch->jobs[batch->count++] = job;
}

static struct lane *oldest_lane(const struct payer *payer)
{
    struct lane *lane, *oldest = SLIST_FIRST(&payer->lanes);
    SLIST_FOREACH(lane, &payer->lanes, own)
        if (STAILQ_FIRST(&lane->jobs)->serial < STAILQ_FIRST(&oldest->jobs)->serial)
            oldest = lane;
    return oldest;
}

/* If it was the lane's turn, it is the next one's. */
static void pass_turn(struct kind *kind, struct lane *lane)
{
    if (TAILQ_FIRST(&kind->lanes) != lane)
        return;
    TAILQ_REMOVE(&kind->lanes, lane, kind);
    TAILQ_INSERT_TAIL(&kind->lanes, lane, kind);
}

/* Others of its kind go along, one of each payer in turn. */
static void take_along(struct db_pool *pool, struct batch *batch, struct kind *kind)
{
    size_t cost = batch->jobs[0]->cost;
    while (!TAILQ_EMPTY(&kind->lanes) && batch->count < DB_POOL_TOGETHER) {
        struct lane *lane = TAILQ_FIRST(&kind->lanes);
        struct payer *payer = lane->payer;
        cost += STAILQ_FIRST(&lane->jobs)->cost;
        if (cost > DB_POOL_TOGETHER_COST)
            return;
        pass_turn(kind, lane);
        take_from(pool, batch, lane);
        payer_place(batch->class, payer);
        note_idle(batch->class, payer);
    }
}

static bool may_take(const struct class *class)
{
    return class->heap_count && class->workers < class->workers_max;
}

/* Too much of what was read waits for the loop. */
static bool is_full(const struct db_pool *pool)
{
    return pool->built > BUILT_BYTES_MAX;
}

/* The class whose turn it is; NULL: nothing may be taken now. */
static struct class *next_class(struct db_pool *pool)
{
    if (may_take(&pool->classes[CLASS_FIRST]))
        return &pool->classes[CLASS_FIRST];
    if (!pool->stopping && (pool->proving || is_full(pool)))
        return NULL;
    for (size_t i = 0; i < sizeof turns; i++) {
        struct class *class = &pool->classes[turns[pool->turn]];
        pool->turn = (pool->turn + 1) % sizeof turns;
        if (may_take(class))
            return class;
    }
    return NULL;
}

static void take_batch(struct db_pool *pool, struct class *class, struct batch *batch)
{
    struct payer *payer = class->heap[1];
    struct lane *lane = oldest_lane(payer);
    struct kind *kind = kind_of(class, STAILQ_FIRST(&lane->jobs));
    batch->class = class;
    batch->payer = payer;
    batch->count = 0;
    class->now = payer->used;
    if (kind)
        pass_turn(kind, lane);
    payer->workers++;
    class->workers++;
    take_from(pool, batch, lane);
    if (kind)
        take_along(pool, batch, kind);
    payer_place(class, payer);
    if (!class->count)
        class->now = class->latest; /* nobody waits: nobody owes anything */
    metric_set(METRIC_DB_POOL_QUEUED, (int64_t)pool->count);
}

/* False: it is time to end. */
static bool take(struct db_pool *pool, struct batch *batch)
{
    struct class *class = NULL;
    pthread_mutex_lock(&pool->lock);
    while (!(class = next_class(pool)) && !(pool->stopping && !pool->count))
        pthread_cond_wait(&pool->some, &pool->lock);
    if (class)
        take_batch(pool, class, batch);
    pthread_mutex_unlock(&pool->lock);
    return class;
}

/* Its payer may have this worker for something else. */
static void give_back(struct db_pool *pool, const struct batch *batch)
{
    pthread_mutex_lock(&pool->lock);
    batch->payer->workers--;
    batch->class->workers--;
    payer_place(batch->class, batch->payer);
    note_idle(batch->class, batch->payer);
    for (size_t i = 0; i < batch->count; i++)
        pool->built += batch->jobs[i]->bytes;
    metric_set(METRIC_DB_POOL_BUILT_BYTES, (int64_t)pool->built);
    if (pool->stopping)
        pthread_cond_broadcast(&pool->some);
    pthread_mutex_unlock(&pool->lock);
}

/* Ends those that were asked for in an earlier epoch: their numbers may be others' by now. How many are left, at the front. */
static size_t sort_out(const struct db_pool *pool, struct batch *batch)
{
    struct job *void_jobs[DB_POOL_TOGETHER];
    size_t kept = 0, voids = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct job *job = batch->jobs[i];
        if (job->epoch == pool->epoch) {
            batch->jobs[kept++] = job;
        } else {
            job->err = ERR_DOWN;
            void_jobs[voids++] = job;
        }
    }
    for (size_t i = 0; i < voids; i++)
        batch->jobs[kept + i] = void_jobs[i];
    return kept;
}

static void work(struct job *const *jobs, size_t count, struct store *store)
{
    if (count && jobs[0]->work_all)
        jobs[0]->work_all(jobs, count, store);
    else if (count)
        jobs[0]->work(jobs[0], store);
}

/* What a job reads and what it then writes are of one state of the database, and of the one that is known. */
static void work_if_proved(struct db_pool *pool, struct batch *batch, struct store *store)
{
    enum err err = store_pin_now(store);
    uint64_t connection = err ? 0 : store_connection(store);
    pthread_mutex_lock(&pool->lock);
    size_t count = sort_out(pool, batch);
    bool proved = connection <= pool->proved;
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < count; i++) {
        batch->jobs[i]->err = err;
        batch->jobs[i]->needs_proof = proved ? 0 : connection;
    }
    if (!err && proved)
        work(batch->jobs, count, store);
    if (!err)
        store_unpin(store);
}

static void *run(void *arg)
{
    struct db_pool *pool = arg;
    struct store *store = store_new(pool->settings);
    struct batch batch;
    db_thread_begin();
    while (take(pool, &batch)) {
        metric_inc(METRIC_DB_POOL_BATCHES);
        metric_add(METRIC_DB_POOL_JOBS, (int64_t)batch.count);
        store_refresh(store);
        if (pool->prove && !batch.jobs[0]->is_proof) {
            work_if_proved(pool, &batch, store);
        } else {
            store_pin(store);
            work(batch.jobs, batch.count, store);
            store_unpin(store);
        }
        struct completions completions = STAILQ_HEAD_INITIALIZER(completions);
        for (size_t i = 0; i < batch.count; i++)
            STAILQ_INSERT_TAIL(&completions, &batch.jobs[i]->completion, link);
        give_back(pool, &batch);
        completion_queue_add_all_read(pool->completions, &completions);
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

/* ---- the loop's side ---- */

static void deliver(struct job *job)
{
    struct db_pool *pool = job->pool;
    size_t bytes = job->bytes;
    job->done(job);
    if (!bytes)
        return;
    pthread_mutex_lock(&pool->lock);
    bool was_full = is_full(pool);
    pool->built -= bytes;
    metric_set(METRIC_DB_POOL_BUILT_BYTES, (int64_t)pool->built);
    if (was_full && !is_full(pool))
        pthread_cond_broadcast(&pool->some);
    pthread_mutex_unlock(&pool->lock);
}

static void deliver_void(struct job *job)
{
    job->err = ERR_DOWN;
    deliver(job);
}

static void set_proving(struct db_pool *pool, bool proving)
{
    pthread_mutex_lock(&pool->lock);
    pool->proving = proving;
    if (!proving)
        pthread_cond_broadcast(&pool->some);
    pthread_mutex_unlock(&pool->lock);
}

/* It is not its payer's fault that it waits once more: no bound is asked. */
static void queue_again(struct db_pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    append(pool, job);
    pthread_mutex_unlock(&pool->lock);
}

static void arrived(struct completion *completion)
{
    struct job *job = container_of(completion, struct job, completion);
    struct db_pool *pool = job->pool;
    bool is_first = STAILQ_EMPTY(&pool->unproved);
    if (!job->needs_proof) {
        deliver(job);
    } else if (pool->stopping) { /* nobody will prove it */
        deliver_void(job);
    } else if (job->needs_proof <= pool->proved) { /* somebody has, meanwhile */
        queue_again(pool, job);
    } else {
        metric_inc(METRIC_DB_POOL_UNPROVED);
        STAILQ_INSERT_TAIL(&pool->unproved, job, queue);
        if (is_first) {
            set_proving(pool, true);
            pool->prove(pool->prove_arg);
        }
    }
}

void db_pool_set_prover(struct db_pool *pool, void (*prove)(void *arg), void *arg)
{
    pool->prove = prove;
    pool->prove_arg = arg;
}

/* Goes through those that wait now: what is delivered may add others. */
static void settle(struct db_pool *pool, bool refuted)
{
    STAILQ_HEAD(, job) waiting = STAILQ_HEAD_INITIALIZER(waiting);
    STAILQ_CONCAT(&waiting, &pool->unproved);
    while (!STAILQ_EMPTY(&waiting)) {
        struct job *job = STAILQ_FIRST(&waiting);
        STAILQ_REMOVE_HEAD(&waiting, queue);
        if (refuted)
            deliver_void(job);
        else if (job->needs_proof <= pool->proved)
            queue_again(pool, job);
        else
            STAILQ_INSERT_TAIL(&pool->unproved, job, queue);
    }
    if (STAILQ_EMPTY(&pool->unproved))
        set_proving(pool, false);
    else
        pool->prove(pool->prove_arg);
}

void db_pool_proved(struct db_pool *pool, uint64_t connection)
{
    pthread_mutex_lock(&pool->lock);
    if (pool->proved < connection)
        pool->proved = connection;
    pthread_mutex_unlock(&pool->lock);
    if (!STAILQ_EMPTY(&pool->unproved))
        settle(pool, false);
}

void db_pool_begin_epoch(struct db_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->epoch++;
    pthread_mutex_unlock(&pool->lock);
}

void db_pool_refuted(struct db_pool *pool)
{
    if (!STAILQ_EMPTY(&pool->unproved))
        settle(pool, true);
}

struct db_pool *db_pool_new(const struct settings *settings, struct completion_queue *completions)
{
    struct db_pool *pool = mem_zalloc(sizeof *pool);
    size_t threads = (size_t)settings->db_pool_threads, but_one = threads > 1 ? threads - 1 : 1;
    pool->settings = settings;
    pool->completions = completions;
    STAILQ_INIT(&pool->unproved);
    for (size_t i = 0; i < CLASSES; i++) {
        struct class *class = &pool->classes[i];
        STAILQ_INIT(&class->idle);
        for (size_t k = 0; k < KINDS; k++)
            TAILQ_INIT(&class->kinds[k].lanes);
        class->workers_max = i == CLASS_COSTLY ? but_one : threads;
        class->payer_workers_max = i == CLASS_ASK ? but_one : threads;
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->some, NULL);
    pool->thread_count = threads;
    pool->threads = mem_zalloc(threads * sizeof pool->threads[0]);
    for (size_t i = 0; i < threads; i++) {
        int failed = pthread_create(&pool->threads[i], NULL, run, pool);
        CG_NEED(!failed, "a thread");
    }
    return pool;
}

/* How many jobs of its payer may wait: as many as a setting says, and as there is room left for others. However many
 * payers take all they can, there is room for one who comes. */
static size_t share(const struct db_pool *pool, const struct job *job)
{
    const struct settings *settings = pool->settings;
    size_t most = (size_t)(job->class == JOB_ARRIVAL ? settings->db_pool_queue_address : settings->db_pool_queue_user);
    size_t all = (size_t)settings->db_pool_queue, left = all > pool->count ? all - pool->count : 0;
    return most < left ? most : left;
}

static enum err add(struct db_pool *pool, struct job *job, bool bounded)
{
    enum err err = ERR_OK;
    job->completion = (struct completion){.arrived = arrived};
    job->pool = pool;
    job->err = ERR_OK;
    job->bytes = 0;
    job->needs_proof = 0;
    job->epoch = pool->epoch;
    pthread_mutex_lock(&pool->lock);
    bool ended = pool->stopping;
    if (bounded) {
        const struct payer *payer = map_get(&class_of(pool, job)->payers, key_of(job->payer));
        if ((payer ? payer->count : 0) >= share(pool, job))
            err = ERR_BUSY;
    }
    if (!err && !ended)
        append(pool, job);
    pthread_mutex_unlock(&pool->lock);
    if (err) {
        metric_inc(METRIC_DB_POOL_REFUSED);
    } else if (ended) {
        job->err = ERR_DOWN;
        completion_queue_add_read(pool->completions, &job->completion);
    }
    return err;
}

enum err db_pool_try(struct db_pool *pool, struct job *job)
{
    return add(pool, job, true);
}

void db_pool_add(struct db_pool *pool, struct job *job)
{
    enum err err = add(pool, job, false);
    CG_ASSERT(!err); /* it is refused for its share alone */
}

void db_pool_add_first(struct db_pool *pool, struct job *job)
{
    job->class = JOB_FIRST;
    db_pool_add(pool, job);
}

void db_pool_add_proof(struct db_pool *pool, struct job *job)
{
    job->is_proof = true;
    db_pool_add_first(pool, job);
}

void db_pool_flush(struct db_pool *pool)
{
    if (!pool->untold)
        return;
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->untold && i < pool->thread_count; i++)
        pthread_cond_signal(&pool->some);
    pool->untold = 0;
    pthread_mutex_unlock(&pool->lock);
}

void db_pool_stop(struct db_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->some);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pool->thread_count = 0;
    db_pool_refuted(pool); /* nobody will prove it */
}

static void class_fini(struct class *class)
{
    size_t at = 0;
    for (struct payer *payer; (payer = map_next(&class->payers, &at));)
        free(payer);
    map_fini(&class->payers);
    free(class->heap);
}

void db_pool_free(struct db_pool *pool)
{
    CG_ASSERT(!pool->thread_count && !pool->count);
    for (size_t i = 0; i < CLASSES; i++)
        class_fini(&pool->classes[i]);
    pthread_mutex_destroy(&pool->lock);
    pthread_cond_destroy(&pool->some);
    free(pool->threads);
    free(pool);
}
