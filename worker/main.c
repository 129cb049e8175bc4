/* main.c: chaguan-worker, which processes stored messages: starts its jobs, waits for signals, and stops them. */
#include "common/log.h"
#include "common/mem.h"
#include "common/service/program.h"
#include "worker/consumers.h"
#include "worker/expire.h"
#include "worker/follow.h"
#include "worker/job.h"
#include "worker/life.h"
#include "worker/search.h"
#include "worker/status.h"
#include "worker/trim.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static const char about[] = "Carries on what the others have stored: follows the feed, which they write with the\n"
                            "setting feed, for each consumer below. Any number may run, here and elsewhere: each\n"
                            "consumer is with one of them, and goes on with another when that one ends or hangs.\n"
                            "Ends cleanly on SIGTERM and SIGINT, opens its log and reads the secrets again on\n"
                            "SIGHUP. Waits for a database\n"
                            "that is not there yet. Exit status: 0 ended cleanly; 1 the socket or the database's\n"
                            "tables cannot be used; 2 bad command line or setting.\n\n"
                            "Consumers:\n";

/* Beside the consumers: what has to be done from time to time. */
static const struct job_kind tasks[] = {
    {.name = FEED_TRIM_JOB, .pause_ms = 1000, .turn = trim_turn},
    {.name = "life", .turn = life_turn},
    {.name = "expire", .pause_ms = 60000, .turn = expire_turn},
};
enum { TASKS = sizeof tasks / sizeof tasks[0] };

struct work {
    struct job_kind *kinds;
    struct job **jobs;
    size_t count;
};

static void work_start(struct work *work, const struct settings *settings)
{
    work->count = TASKS + consumer_count + (settings->search ? 1 : 0);
    work->kinds = mem_zalloc(work->count * sizeof work->kinds[0]);
    work->jobs = mem_zalloc(work->count * sizeof(struct job *));
    if (settings->search)
        work->kinds[TASKS + consumer_count] = search_job(settings);
    for (size_t i = 0; i < TASKS + consumer_count; i++) {
        const struct consumer *consumer = i < TASKS ? NULL : &consumers[i - TASKS];
        work->kinds[i] =
            consumer ? (struct job_kind){consumer->name, .reads_feed = true, .turn = follow_turn, .arg = consumer}
                     : tasks[i];
    }
    for (size_t i = 0; i < work->count; i++)
        work->jobs[i] = job_start(settings, &work->kinds[i]);
}

static void work_stop(struct work *work)
{
    for (size_t i = 0; i < work->count; i++)
        job_stop(work->jobs[i]);
    for (size_t i = 0; i < work->count; i++)
        job_free(work->jobs[i]);
    free(work->kinds);
    free(work->jobs);
    search_end();
}

static int refuse(const struct settings *settings, const char *why)
{
    return program_refuse(settings, "chaguan-worker", why);
}

static void on_hang_up(void *settings)
{
    program_renew(settings);
}

static enum err check(const struct settings *settings, char why[256])
{
    if (!settings->search || settings->feed)
        return ERR_OK;
    snprintf(why, 256, "search = on needs feed = on, in all programs");
    return ERR_INVALID;
}

/* Returns the exit status; frees nothing of the caller's. */
static int serve(struct settings *settings)
{
    sigset_t signals;
    char why[256] = "";
    struct work work = {0};
    program_block_signals(&signals);
    work_start(&work, settings);
    struct status *status = status_start(settings, work.jobs, work.count, why);
    bool ready = status && !program_ready(settings);
    if (status && !ready)
        snprintf(why, sizeof why, "cannot write %.200s", settings->pid_file);
    if (ready) {
        log_info("ready", "version=%s feed=%s consumers=%zu", CHAGUAN_VERSION, settings->feed ? "on" : "off",
                 consumer_count);
        program_wait(&signals, on_hang_up, settings);
    }
    if (status)
        status_stop(status);
    work_stop(&work);
    if (!ready)
        return refuse(settings, why);
    log_info("end", "status=0");
    program_end(settings);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_add_text(&text, about);
    for (size_t i = 0; i < consumer_count; i++)
        buf_addf(&text, "%s  %-13s %s", i ? "\n" : "", consumers[i].name, consumers[i].doc);
    buf_add_char(&text, '\0');
    struct program_info info = {"chaguan-worker", PROGRAM_WORKER, "[options]", text.data, NULL, check, false};
    program_start(&info, argc, argv, &settings, "chaguan-worker");
    buf_fini(&text);
    int status = program_wait_for_servers(&info, &settings);
    if (status < 0)
        status = serve(&settings);
    settings_fini(&settings);
    return status;
}
