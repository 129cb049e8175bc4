#include "common/password.h"

#include "common/id.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(PASSWORD_HASH_MAX > crypto_pwhash_STRBYTES, "a hash fits");

enum {
    ACCOUNTS = 4096, /* payers that fall together are charged together */
    NICE = 3,        /* the rest of the process, and of the machine, goes first */
};

enum work { WORK_CHECK, WORK_HASH, WORKS };
static const unsigned prices[WORKS] = {[WORK_CHECK] = 1, [WORK_HASH] = 4};

/* One that a caller waits for; on the caller's stack. */
struct piece {
    TAILQ_ENTRY(piece) link;
    enum work work;
    struct str password;
    char *hash; /* read, or written */
    size_t account;
    uint64_t turn; /* the lowest comes first */
    bool done;
    enum err err;
    pthread_cond_t over;
};

/* Start-time fair queueing: a piece's turn is where its account stands, or the turn that is being worked on if that is
 * later, and moves the account on by its price. So what one address asks for in a row comes one price after the other,
 * and somebody who has asked for nothing yet comes next. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    pthread_t threads[PASSWORD_THREADS_MAX];
    unsigned thread_count, waiting, waiting_max;
    bool ending;
    TAILQ_HEAD(pieces, piece) pieces; /* as they came */
    uint64_t now;                     /* the turn that was begun last */
    uint64_t seed;
    uint64_t accounts[ACCOUNTS];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wanted = PTHREAD_COND_INITIALIZER,
          .pieces = TAILQ_HEAD_INITIALIZER(pool.pieces)};

bool password_ok(struct str password)
{
    return password.len >= PASSWORD_MIN && password.len <= PASSWORD_MAX;
}

/* ---- the work ---- */

static void work_on(struct piece *piece)
{
    if (piece->work == WORK_HASH) { /* the one way it can fail is for want of memory */
        piece->err = crypto_pwhash_str(piece->hash, piece->password.ptr, piece->password.len,
                                       crypto_pwhash_OPSLIMIT_INTERACTIVE, crypto_pwhash_MEMLIMIT_INTERACTIVE)
                         ? ERR_BUSY
                         : ERR_OK;
        return;
    }
    /* libsodium wants exactly crypto_pwhash_STRBYTES, with NULs behind the text */
    char padded[crypto_pwhash_STRBYTES] = "";
    strncpy(padded, piece->hash, sizeof padded - 1);
    piece->err = crypto_pwhash_str_verify(padded, piece->password.ptr, piece->password.len) ? ERR_DENIED : ERR_OK;
}

/* ---- the queue; with the lock held ---- */

static void take_out(struct piece *piece)
{
    TAILQ_REMOVE(&pool.pieces, piece, link);
    metric_set(METRIC_PASSWORDS_WAITING, --pool.waiting);
}

static void finish(struct piece *piece)
{
    piece->done = true;
    pthread_cond_signal(&piece->over);
}

/* The one whose turn is first; of equal ones that which came first. */
static struct piece *next_piece(void)
{
    struct piece *piece, *next = TAILQ_FIRST(&pool.pieces);
    TAILQ_FOREACH(piece, &pool.pieces, link)
        if (piece->turn < next->turn)
            next = piece;
    return next;
}

/* The one that is furthest from its turn, of equal ones the last: it is what is too much. */
static struct piece *last_piece(void)
{
    struct piece *piece, *last = TAILQ_FIRST(&pool.pieces);
    TAILQ_FOREACH(piece, &pool.pieces, link)
        if (piece->turn >= last->turn)
            last = piece;
    return last;
}

static void turn_away(struct piece *piece)
{
    pool.accounts[piece->account] -= prices[piece->work]; /* what was not done is not paid */
    piece->err = ERR_BUSY;
    metric_inc(METRIC_PASSWORDS_REFUSED);
    finish(piece);
}

static void put_in(struct piece *piece)
{
    uint64_t *account = &pool.accounts[piece->account];
    piece->turn = *account > pool.now ? *account : pool.now;
    *account = piece->turn + prices[piece->work];
    TAILQ_INSERT_TAIL(&pool.pieces, piece, link);
    metric_set(METRIC_PASSWORDS_WAITING, ++pool.waiting);
    if (pool.waiting > pool.waiting_max) {
        struct piece *last = last_piece();
        take_out(last);
        turn_away(last);
    }
    pthread_cond_signal(&pool.wanted);
}

/* ---- the threads ---- */

static void *run(void *arg)
{
    (void)arg;
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE); /* of this thread alone, on Linux */
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct piece *piece = next_piece();
        if (!piece) {
            if (pool.ending)
                break;
            pthread_cond_wait(&pool.wanted, &pool.lock);
            continue;
        }
        take_out(piece);
        pool.now = piece->turn > pool.now ? piece->turn : pool.now;
        pthread_mutex_unlock(&pool.lock);
        work_on(piece);
        metric_inc(METRIC_PASSWORDS_HASHED);
        pthread_mutex_lock(&pool.lock);
        finish(piece);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

enum err password_start(unsigned threads, unsigned waiting)
{
    CG_ASSERT(!pool.thread_count && threads <= PASSWORD_THREADS_MAX && waiting);
    if (!threads) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        threads = cores < 4 ? 1 : cores / 2 < PASSWORD_THREADS_MAX ? (unsigned)cores / 2 : PASSWORD_THREADS_MAX;
    }
    if (sodium_init() < 0)
        return ERR_INTERNAL;
    pool.seed = id_random();
    pool.waiting_max = waiting;
    pool.ending = false;
    for (; pool.thread_count < threads; pool.thread_count++)
        if (pthread_create(&pool.threads[pool.thread_count], NULL, run, NULL)) {
            password_stop();
            return ERR_BUSY;
        }
    return ERR_OK;
}

void password_stop(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.ending = true;
    pthread_cond_broadcast(&pool.wanted);
    pthread_mutex_unlock(&pool.lock);
    for (; pool.thread_count; pool.thread_count--)
        pthread_join(pool.threads[pool.thread_count - 1], NULL);
}

/* Setting one and checking one are charged to two accounts of an address: who makes names by the hundred keeps nobody
 * behind the same router from logging in. */
static size_t account_of(uint64_t payer, enum work work)
{
    uint64_t hash = (payer ^ pool.seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)((hash >> 32) % (ACCOUNTS / WORKS) * WORKS) + work;
}

static enum err ask(uint64_t payer, enum work work, struct str password, char *hash)
{
    struct piece piece = {.work = work, .password = password, .account = account_of(payer, work)};
    piece.hash = hash;
    CG_ASSERT(pool.thread_count);
    pthread_cond_init(&piece.over, NULL);
    pthread_mutex_lock(&pool.lock);
    put_in(&piece);
    while (!piece.done)
        pthread_cond_wait(&piece.over, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
    pthread_cond_destroy(&piece.over);
    return piece.err;
}

enum err password_hash(uint64_t payer, struct str password, char hash[PASSWORD_HASH_MAX])
{
    return ask(payer, WORK_HASH, password, hash);
}

enum err password_check(uint64_t payer, struct str password, const char *hash)
{
    return ask(payer, WORK_CHECK, password, (char *)(uintptr_t)hash);
}
