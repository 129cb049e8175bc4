/* feed.c: chaguan feed: lists the feed's consumers and how far each is behind. */
#include "admin/commands.h"
#include "common/store/store_feed.h"

#include <inttypes.h>
#include <stdio.h>

static void print_job(void *arg, const struct feed_job *job)
{
    (void)arg;
    printf("job=%.*s worker=\"%.*s\"", (int)job->name.len, job->name.ptr, (int)job->worker.len, job->worker.ptr);
    if (job->reads_feed)
        printf(" lag_rows=%" PRIu64 " lag_seconds=%" PRId64 ".%03d", job->rows, job->lag_ms / 1000,
               (int)(job->lag_ms % 1000));
    printf("\n");
}

enum status command_feed(const struct settings *settings, bool dry)
{
    (void)dry;
    struct feed_total total;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = store_feed_total(store, &total);
    if (!err) {
        printf("streams=%" PRIu64 "\nrows=%" PRIu64 "\n", total.streams, total.rows);
        err = store_feed_jobs(store, print_job, NULL);
    }
    enum status status = err ? command_database_failed(store) : STATUS_FINE;
    store_free(store);
    return status;
}

enum status command_feed_forget(const struct settings *settings, const struct operation *operation)
{
    bool found = false;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = store_job_forget(store, operation->words[0], &found);
    enum status status = STATUS_FINE;
    if (err)
        status = command_database_failed(store);
    else if (!found)
        status = command_cannot("there is no such consumer, or a worker has it now");
    else
        printf("forgotten\n");
    store_free(store);
    return status;
}
