#include "rest/share.h"

#include "common/err.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <stdlib.h>

/* An address. */
struct sharer {
    uint64_t key;
    size_t working, waiting;
    TAILQ_HEAD(claims, claim) claims; /* that wait */
    TAILQ_ENTRY(sharer) turns;        /* while any does */
};

void shares_init(struct shares *shares, size_t threads, size_t percent, size_t waiting_max)
{
    CG_ASSERT(threads && percent && percent <= 100 && waiting_max);
    *shares = (struct shares){
        .lock = PTHREAD_MUTEX_INITIALIZER, .threads = threads, .percent = percent, .waiting_max = waiting_max};
    TAILQ_INIT(&shares->turns);
}

void shares_fini(struct shares *shares)
{
    CG_ASSERT(!shares->working && !shares->waiting);
    map_fini(&shares->sharers);
    pthread_mutex_destroy(&shares->lock);
}

/* ---- with the lock held ---- */

static struct sharer *sharer_of(struct shares *shares, uint64_t address)
{
    uint64_t key = address ? address : UINT64_MAX;
    struct sharer *sharer = map_get(&shares->sharers, key);
    if (sharer)
        return sharer;
    sharer = mem_zalloc(sizeof *sharer);
    sharer->key = key;
    TAILQ_INIT(&sharer->claims);
    map_put(&shares->sharers, key, sharer);
    return sharer;
}

static void forget(struct shares *shares, struct sharer *sharer)
{
    if (sharer->working || sharer->waiting)
        return;
    map_take(&shares->sharers, sharer->key);
    free(sharer);
}

static void count_waiting(struct shares *shares, struct sharer *sharer, int by)
{
    sharer->waiting += (size_t)by;
    shares->waiting += (size_t)by;
    metric_set(METRIC_REQUESTS_WAITING, (int64_t)shares->waiting);
}

/* `percent` of what others leave, and one in any case. */
static bool may_have_another(const struct shares *shares, const struct sharer *sharer)
{
    size_t left = shares->threads - (shares->working - sharer->working), part = left * shares->percent / 100;
    return shares->working < shares->threads && sharer->working < (part ? part : 1);
}

/* Asked only past waiting_max, which bounds what it costs. */
static struct sharer *largest(const struct shares *shares)
{
    struct sharer *sharer, *most = TAILQ_FIRST(&shares->turns);
    TAILQ_FOREACH(sharer, &shares->turns, turns)
        if (sharer->waiting > most->waiting)
            most = sharer;
    return most;
}

static void put_in(struct shares *shares, struct claim *claim)
{
    struct sharer *sharer = claim->sharer;
    TAILQ_INSERT_TAIL(&sharer->claims, claim, link);
    if (!sharer->waiting)
        TAILQ_INSERT_TAIL(&shares->turns, sharer, turns);
    count_waiting(shares, sharer, 1);
}

static void take_out(struct shares *shares, struct claim *claim)
{
    struct sharer *sharer = claim->sharer;
    TAILQ_REMOVE(&sharer->claims, claim, link);
    count_waiting(shares, sharer, -1);
    if (!sharer->waiting)
        TAILQ_REMOVE(&shares->turns, sharer, turns);
}

static struct claim *turn_away(struct shares *shares)
{
    struct claim *claim = TAILQ_LAST(&largest(shares)->claims, claims);
    take_out(shares, claim);
    forget(shares, claim->sharer);
    metric_inc(METRIC_REQUESTS_CROWDED_OUT);
    return claim;
}

/* A sharer that may get no thread has some already, so this visits at most as many sharers as there are threads. */
static struct sharer *next_sharer(const struct shares *shares)
{
    struct sharer *sharer;
    if (shares->working == shares->threads)
        return NULL;
    TAILQ_FOREACH(sharer, &shares->turns, turns)
        if (may_have_another(shares, sharer))
            break;
    return sharer;
}

/* The others come before its next: it is the last of all now, and those that it was served before come before it. */
static void pass_turn(struct shares *shares, const struct sharer *sharer)
{
    struct sharer *first;
    do {
        first = TAILQ_FIRST(&shares->turns);
        TAILQ_REMOVE(&shares->turns, first, turns);
        TAILQ_INSERT_TAIL(&shares->turns, first, turns);
    } while (first != sharer);
}

/* ---- for all threads ---- */

struct claim *shares_put(struct shares *shares, struct claim *claim, uint64_t address)
{
    pthread_mutex_lock(&shares->lock);
    claim->sharer = sharer_of(shares, address);
    put_in(shares, claim);
    struct claim *surplus = shares->waiting > shares->waiting_max ? turn_away(shares) : NULL;
    pthread_mutex_unlock(&shares->lock);
    return surplus;
}

struct claim *shares_take(struct shares *shares)
{
    struct claim *claim = NULL;
    pthread_mutex_lock(&shares->lock);
    struct sharer *sharer = next_sharer(shares);
    if (sharer) {
        claim = TAILQ_FIRST(&sharer->claims);
        pass_turn(shares, sharer);
        take_out(shares, claim);
        sharer->working++;
        shares->working++;
    }
    pthread_mutex_unlock(&shares->lock);
    return claim;
}

bool shares_done(struct shares *shares, struct sharer *sharer)
{
    pthread_mutex_lock(&shares->lock);
    sharer->working--;
    shares->working--;
    forget(shares, sharer);
    bool others = shares->waiting;
    pthread_mutex_unlock(&shares->lock);
    return others;
}
