#include "relay/db/readers.h"

#include "common/store/db.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    KINDS = 8, /* that are worked on together; those of more would be worked on by payer only */
    BUILT_BYTES_MAX = 16 * 1024 * 1024, /* of answers that the loop has not taken yet: readers wait for it then */
};

enum { CLASS_FIRST, CLASS_RELAY, CLASS_ARRIVAL, CLASS_ASK, CLASS_COSTLY, CLASSES };

/* Of each class in turn, if it has something; CLASS_FIRST before all. */
static const unsigned char turns[] = {CLASS_ARRIVAL, CLASS_RELAY,   CLASS_ARRIVAL,
                                      CLASS_ASK,     CLASS_ARRIVAL, CLASS_COSTLY};

/* The jobs of one payer and one kind; work_all NULL: those that are worked on alone. Never empty. */
struct lane {
    struct payer *payer;
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store);
    struct job *first, **last;
    struct lane *next;            /* of the same payer */
    struct lane *before, *behind; /* a ring: of the same class and kind */
};

/* Who pays, in one class. It is in the class' heap while it has jobs and may have a reader, and is forgotten once it
 * has none and others have used as much as it has. */
struct payer {
    uint64_t key;
    uint64_t used; /* virtual time: what it has had, on the class' scale */
    struct lane *lanes;
    size_t count;   /* jobs that wait */
    size_t readers; /* at work for it */
    size_t place;   /* in the heap, from 1; 0: not in it */
    struct payer *next_idle;
    bool idle; /* in the class' list of those that may be forgotten */
};

struct kind {
    void (*work_all)(struct job *const *jobs, size_t count, struct store *store); /* NULL: free */
    struct lane *lanes; /* ring; the one whose turn it is; NULL: none */
    size_t count;       /* jobs */
};

struct class
{
    struct map payers;   /* by mixed key */
    struct payer **heap; /* by `used`, [1] has used least */
    size_t heap_count, heap_cap;
    struct kind kinds[KINDS];
    struct payer *idle, **idle_end;
    uint64_t now, latest;        /* virtual time: of who was served last; the latest that anybody has used */
    size_t count;                /* jobs that wait */
    size_t readers, readers_max; /* at work on its jobs */
    size_t payer_readers_max;
};

struct readers {
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
    size_t untold; /* questions that no reader was woken for yet: the loop's own */
    bool stopping;
};

/* What a reader has taken. */
struct batch {
    struct job *jobs[READERS_TOGETHER];
    size_t count;
    struct class *class;
    struct payer *payer; /* the first one's */
};

/* ---- the heap: whoever has used least comes first ---- */

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
    bool may = payer->count && payer->readers < class->payer_readers_max;
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
    for (int i = 0; i < 2 && class->idle; i++) {
        struct payer *payer = class->idle;
        bool busy = payer->count || payer->readers;
        if (!busy && payer->used > class->now)
            return;
        class->idle = payer->next_idle;
        if (!class->idle)
            class->idle_end = &class->idle;
        payer->idle = false;
        if (busy) /* it is put back when it has nothing again */
            continue;
        map_take(&class->payers, payer->key);
        free(payer);
    }
}

static void note_idle(struct class *class, struct payer *payer)
{
    if (payer->count || payer->readers || payer->idle)
        return;
    payer->idle = true;
    payer->next_idle = NULL;
    *class->idle_end = payer;
    class->idle_end = &payer->next_idle;
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

static struct lane *lane_of(struct class *class, struct payer *payer, struct job *job, struct kind *kind)
{
    struct lane *lane = payer->lanes;
    (void)class;
    while (lane && lane->work_all != job->work_all)
        lane = lane->next;
    if (lane)
        return lane;
    lane = mem_zalloc(sizeof *lane);
    lane->payer = payer;
    lane->work_all = job->work_all;
    lane->last = &lane->first;
    lane->next = payer->lanes;
    payer->lanes = lane;
    if (kind && kind->lanes) { /* last of the ring: before the one whose turn it is */
        lane->behind = kind->lanes;
        lane->before = kind->lanes->before;
        lane->before->behind = lane->behind->before = lane;
    } else if (kind) {
        kind->lanes = lane->before = lane->behind = lane;
    }
    return lane;
}

static void lane_free(struct payer *payer, struct kind *kind, struct lane *lane)
{
    struct lane **at = &payer->lanes;
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    if (kind && kind->lanes == lane)
        kind->lanes = lane->behind != lane ? lane->behind : NULL;
    if (kind) {
        lane->before->behind = lane->behind;
        lane->behind->before = lane->before;
    }
    free(lane);
}

/* ---- what waits ---- */

static struct class *class_of(struct readers *readers, const struct job *job)
{
    switch (job->class) {
    case JOB_FIRST: return &readers->classes[CLASS_FIRST];
    case JOB_ARRIVAL: return &readers->classes[CLASS_ARRIVAL];
    case JOB_ASK: return &readers->classes[job->cost < READERS_COSTLY ? CLASS_ASK : CLASS_COSTLY];
    default: return &readers->classes[CLASS_RELAY];
    }
}

static void append(struct readers *readers, struct job *job)
{
    struct class *class = class_of(readers, job);
    struct kind *kind = kind_of(class, job);
    struct payer *payer = payer_of(class, job->payer);
    struct lane *lane = lane_of(class, payer, job, kind);
    job->readers = readers;
    job->serial = ++readers->serial;
    job->next = NULL;
    *lane->last = job;
    lane->last = &job->next;
    payer->count++;
    class->count++;
    if (!kind || kind->count++ % READERS_TOGETHER == 0)
        readers->untold++;
    metric_set(METRIC_READER_QUEUED, (int64_t)++readers->count);
    payer_place(class, payer);
    forget_some(class);
}

/* Takes the oldest of the lane, which its payer pays for. */
static void take_from(struct readers *readers, struct batch *batch, struct lane *lane)
{
    struct class *class = batch->class;
    struct payer *payer = lane->payer;
    struct job *job = lane->first;
    struct kind *kind = kind_of(class, job);
    lane->first = job->next;
    if (!lane->first)
        lane_free(payer, kind, lane);
    if (kind)
        kind->count--;
    payer->count--;
    class->count--;
    readers->count--;
    payer->used += job->cost ? job->cost : 1;
    class->latest = payer->used > class->latest ? payer->used : class->latest;
    batch->jobs[batch->count++] = job;
}

static struct lane *oldest_lane(const struct payer *payer)
{
    struct lane *oldest = payer->lanes;
    for (struct lane *lane = oldest->next; lane; lane = lane->next)
        if (lane->first->serial < oldest->first->serial)
            oldest = lane;
    return oldest;
}

/* Others of its kind go along, one of each payer in turn. */
static void take_along(struct readers *readers, struct batch *batch, struct kind *kind)
{
    size_t cost = batch->jobs[0]->cost;
    while (kind->lanes && batch->count < READERS_TOGETHER) {
        struct lane *lane = kind->lanes;
        struct payer *payer = lane->payer;
        cost += lane->first->cost;
        if (cost > READERS_TOGETHER_COST)
            return;
        kind->lanes = lane->behind;
        take_from(readers, batch, lane);
        payer_place(batch->class, payer);
        note_idle(batch->class, payer);
    }
}

static bool may_take(const struct class *class)
{
    return class->heap_count && class->readers < class->readers_max;
}

/* The class whose turn it is; NULL: nothing may be taken now. */
static struct class *next_class(struct readers *readers)
{
    if (may_take(&readers->classes[CLASS_FIRST]))
        return &readers->classes[CLASS_FIRST];
    for (size_t i = 0; i < sizeof turns; i++) {
        struct class *class = &readers->classes[turns[readers->turn]];
        readers->turn = (readers->turn + 1) % sizeof turns;
        if (may_take(class))
            return class;
    }
    return NULL;
}

static void take_batch(struct readers *readers, struct class *class, struct batch *batch)
{
    struct payer *payer = class->heap[1];
    struct lane *lane = oldest_lane(payer);
    struct kind *kind = kind_of(class, lane->first);
    batch->class = class;
    batch->payer = payer;
    batch->count = 0;
    class->now = payer->used;
    if (kind && kind->lanes == lane)
        kind->lanes = lane->behind; /* it has had its turn */
    payer->readers++;
    class->readers++;
    take_from(readers, batch, lane);
    if (kind)
        take_along(readers, batch, kind);
    payer_place(class, payer);
    if (!class->count)
        class->now = class->latest; /* nobody waits: nobody owes anything */
    metric_set(METRIC_READER_QUEUED, (int64_t)readers->count);
}

static bool must_wait(const struct readers *readers)
{
    return readers->built > BUILT_BYTES_MAX && !readers->stopping;
}

/* False: it is time to end. */
static bool take(struct readers *readers, struct batch *batch)
{
    struct class *class = NULL;
    pthread_mutex_lock(&readers->lock);
    while (must_wait(readers) || (!(class = next_class(readers)) && !(readers->stopping && !readers->count)))
        pthread_cond_wait(&readers->some, &readers->lock);
    if (class)
        take_batch(readers, class, batch);
    pthread_mutex_unlock(&readers->lock);
    return class;
}

/* Its payer may have this reader for something else. */
static void give_back(struct readers *readers, const struct batch *batch)
{
    pthread_mutex_lock(&readers->lock);
    batch->payer->readers--;
    batch->class->readers--;
    payer_place(batch->class, batch->payer);
    note_idle(batch->class, batch->payer);
    for (size_t i = 0; i < batch->count; i++)
        readers->built += batch->jobs[i]->bytes;
    metric_set(METRIC_READER_BUILT_BYTES, (int64_t)readers->built);
    if (readers->stopping)
        pthread_cond_broadcast(&readers->some);
    pthread_mutex_unlock(&readers->lock);
}

static void *run(void *arg)
{
    struct readers *readers = arg;
    struct store *store = store_new(readers->settings);
    struct batch batch;
    db_thread_begin();
    while (take(readers, &batch)) {
        metric_inc(METRIC_READER_TURNS);
        metric_add(METRIC_READER_JOBS, (int64_t)batch.count);
        store_refresh(store);
        if (batch.jobs[0]->work_all)
            batch.jobs[0]->work_all(batch.jobs, batch.count, store);
        else
            batch.jobs[0]->work(batch.jobs[0], store);
        for (size_t i = 1; i < batch.count; i++)
            batch.jobs[i - 1]->completion.next = &batch.jobs[i]->completion;
        give_back(readers, &batch);
        completion_queue_add_all(readers->completions, &batch.jobs[0]->completion,
                                 &batch.jobs[batch.count - 1]->completion);
    }
    store_free(store);
    db_thread_end();
    return NULL;
}

/* ---- the loop's side ---- */

static void arrived(struct completion *completion)
{
    struct job *job = (struct job *)completion;
    struct readers *readers = job->readers;
    size_t bytes = job->bytes;
    job->done(job);
    if (!bytes)
        return;
    pthread_mutex_lock(&readers->lock);
    bool waited = must_wait(readers);
    readers->built -= bytes;
    metric_set(METRIC_READER_BUILT_BYTES, (int64_t)readers->built);
    if (waited && !must_wait(readers))
        pthread_cond_broadcast(&readers->some);
    pthread_mutex_unlock(&readers->lock);
}

struct readers *readers_new(const struct settings *settings, struct completion_queue *completions)
{
    struct readers *readers = mem_zalloc(sizeof *readers);
    size_t threads = (size_t)settings->readers, but_one = threads > 1 ? threads - 1 : 1;
    readers->settings = settings;
    readers->completions = completions;
    for (size_t i = 0; i < CLASSES; i++) {
        struct class *class = &readers->classes[i];
        class->idle_end = &class->idle;
        class->readers_max = i == CLASS_COSTLY ? but_one : threads;
        class->payer_readers_max = i == CLASS_ASK ? but_one : threads;
    }
    pthread_mutex_init(&readers->lock, NULL);
    pthread_cond_init(&readers->some, NULL);
    readers->thread_count = threads;
    readers->threads = mem_zalloc(threads * sizeof readers->threads[0]);
    for (size_t i = 0; i < threads; i++) {
        int failed = pthread_create(&readers->threads[i], NULL, run, readers);
        CG_NEED(!failed, "a thread");
    }
    return readers;
}

/* How many jobs of its payer may wait: as many as a setting says, and as there is room left for others. However many
 * payers take all they can, there is room for one who comes. */
static size_t share(const struct readers *readers, const struct job *job)
{
    const struct settings *settings = readers->settings;
    size_t most = (size_t)(job->class == JOB_ARRIVAL ? settings->reader_queue_address : settings->reader_queue_user);
    size_t all = (size_t)settings->reader_queue, left = all > readers->count ? all - readers->count : 0;
    return most < left ? most : left;
}

static enum err add(struct readers *readers, struct job *job, bool bounded)
{
    enum err err = ERR_OK;
    job->completion = (struct completion){.arrived = arrived};
    job->err = ERR_OK;
    job->bytes = 0;
    pthread_mutex_lock(&readers->lock);
    bool ended = readers->stopping;
    if (bounded) {
        const struct payer *payer = map_get(&class_of(readers, job)->payers, key_of(job->payer));
        if ((payer ? payer->count : 0) >= share(readers, job))
            err = ERR_BUSY;
    }
    if (!err && !ended)
        append(readers, job);
    pthread_mutex_unlock(&readers->lock);
    if (err) {
        metric_inc(METRIC_READER_REFUSED);
    } else if (ended) {
        job->err = ERR_DOWN;
        completion_queue_add(readers->completions, &job->completion);
    }
    return err;
}

enum err readers_try(struct readers *readers, struct job *job)
{
    return add(readers, job, true);
}

void readers_add(struct readers *readers, struct job *job)
{
    enum err err = add(readers, job, false);
    CG_ASSERT(!err); /* it is refused for its share alone */
}

void readers_add_first(struct readers *readers, struct job *job)
{
    job->class = JOB_FIRST;
    readers_add(readers, job);
}

void readers_flush(struct readers *readers)
{
    if (!readers->untold)
        return;
    pthread_mutex_lock(&readers->lock);
    for (size_t i = 0; i < readers->untold && i < readers->thread_count; i++)
        pthread_cond_signal(&readers->some);
    readers->untold = 0;
    pthread_mutex_unlock(&readers->lock);
}

void readers_stop(struct readers *readers)
{
    pthread_mutex_lock(&readers->lock);
    readers->stopping = true;
    pthread_cond_broadcast(&readers->some);
    pthread_mutex_unlock(&readers->lock);
    for (size_t i = 0; i < readers->thread_count; i++)
        pthread_join(readers->threads[i], NULL);
    readers->thread_count = 0;
}

static void class_fini(struct class *class)
{
    size_t at = 0;
    for (struct payer *payer; (payer = map_next(&class->payers, &at));)
        free(payer);
    map_fini(&class->payers);
    free(class->heap);
}

void readers_free(struct readers *readers)
{
    CG_ASSERT(!readers->thread_count && !readers->count);
    for (size_t i = 0; i < CLASSES; i++)
        class_fini(&readers->classes[i]);
    pthread_mutex_destroy(&readers->lock);
    pthread_cond_destroy(&readers->some);
    free(readers->threads);
    free(readers);
}
