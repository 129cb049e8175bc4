#include "worker/job.h"

#include "common/clock.h"
#include "common/id.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/db.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { FAILED_MS = 200 }; /* after a turn that failed; a database that is away is asked by its own back-off */

struct job {
    const struct settings *settings;
    const struct job_kind *kind;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t stopped;
    bool stopping;
    atomic_bool well;
    char worker[FEED_WORKER_MAX + 1];
};

void job_renewed(struct job_lease *lease, int64_t asked_ms)
{
    lease->until_ms = asked_ms + lease->settings->feed_lease_ms;
}

enum err job_keep(struct job_lease *lease)
{
    int64_t now_ms = clock_mono_ms(), lease_ms = lease->settings->feed_lease_ms;
    if (lease->until_ms - now_ms > lease_ms - lease_ms / 3)
        return ERR_OK;
    enum err err = store_job_renew(lease->store, lease->job, lease->holder, lease_ms);
    if (!err)
        job_renewed(lease, now_ms);
    return err;
}

/* Whether it is to stop. */
static bool wait_ms(struct job *job, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&job->lock);
    while (!job->stopping && ms && !pthread_cond_timedwait(&job->stopped, &job->lock, &until))
        ;
    bool stopping = job->stopping;
    pthread_mutex_unlock(&job->lock);
    return stopping;
}

static void told(struct job *job, enum err err, const struct store *store)
{
    bool well = !err;
    if (atomic_exchange(&job->well, well) == well)
        return;
    if (well)
        log_info("job.recovered", "job=%s", job->kind->name);
    else
        log_error("job.failing", "job=%s err=%s msg=\"%s\"", job->kind->name, err_name(err), store_error(store));
}

/* Tries to have the job: by a number that nobody had before, so that what was begun under an earlier lease ends with it. An
 * answer that was lost is asked for again under the same number. */
static enum err claim(struct job *job, struct job_lease *lease, bool *held)
{
    int64_t now_ms = clock_mono_ms();
    enum err err =
        lease->job ? ERR_OK : store_job_register(lease->store, job->kind->name, job->kind->reads_feed, &lease->job);
    if (!lease->holder)
        lease->holder = id_random();
    if (!err)
        err = store_job_claim(lease->store, lease->job, lease->holder, job->worker, job->settings->feed_lease_ms, held);
    if (!err && !*held) {
        lease->holder = 0;
        lease->job = 0; /* it may have been forgotten meanwhile */
    }
    if (!err && *held) {
        job_renewed(lease, now_ms);
        log_info("job.taken", "job=%s lease_ms=%lld", job->kind->name, (long long)job->settings->feed_lease_ms);
    }
    return err;
}

/* How long to wait after one round. */
static int64_t work(struct job *job, struct job_lease *lease, bool *held)
{
    bool more = false;
    store_refresh(lease->store);
    enum err err = *held ? job->kind->turn(lease, job->kind->arg, &more) : claim(job, lease, held);
    if (!err && *held)
        err = job_keep(lease);
    if (err == ERR_DENIED) {
        log_warn("job.lost", "job=%s", job->kind->name);
        metric_inc(METRIC_FEED_LEASES_LOST);
        *held = false;
        lease->holder = 0;
        err = ERR_OK;
    }
    told(job, err, lease->store);
    if (err)
        return FAILED_MS;
    if (!*held)
        return job->settings->feed_lease_ms / 5;
    if (more)
        return 0;
    int64_t keep_ms = job->settings->feed_lease_ms / 3;
    int64_t pause_ms = job->kind->pause_ms ? job->kind->pause_ms : job->settings->feed_poll_ms;
    return pause_ms < keep_ms ? pause_ms : keep_ms;
}

static void *run(void *arg)
{
    struct job *job = arg;
    struct job_lease lease = {.settings = job->settings, .store = store_new(job->settings)};
    bool held = false;
    db_thread_begin();
    while (!wait_ms(job, work(job, &lease, &held)))
        ;
    if (lease.holder) /* perhaps held; if this fails, the lease runs out */
        (void)!store_job_release(lease.store, lease.job, lease.holder);
    store_free(lease.store);
    db_thread_end();
    return NULL;
}

struct job *job_start(const struct settings *settings, const struct job_kind *kind)
{
    struct job *job = mem_zalloc(sizeof *job);
    char host[64] = "";
    job->settings = settings;
    job->kind = kind;
    atomic_init(&job->well, true);
    gethostname(host, sizeof host - 1);
    snprintf(job->worker, sizeof job->worker, "%s@%s pid %ld", settings->name, host, (long)getpid());
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->stopped, &attr);
    pthread_condattr_destroy(&attr);
    int failed = pthread_create(&job->thread, NULL, run, job);
    CG_NEED(!failed, "a thread");
    return job;
}

void job_stop(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    job->stopping = true;
    pthread_cond_signal(&job->stopped);
    pthread_mutex_unlock(&job->lock);
}

void job_free(struct job *job)
{
    pthread_join(job->thread, NULL);
    pthread_mutex_destroy(&job->lock);
    pthread_cond_destroy(&job->stopped);
    free(job);
}

bool job_is_well(const struct job *job)
{
    return atomic_load(&job->well);
}
