/* search.c: chaguan search: shows and rebuilds this machine's index. */
#include "admin/commands.h"
#include "common/search/search_index.h"
#include "common/store/store_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum status print_index(struct search_index *index)
{
    static const struct {
        const char *name;
        enum search_number number;
    } shown[] = {{"messages", SEARCH_DOCUMENTS}, {"building", SEARCH_BUILDING}, {"full", SEARCH_FULL}};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
        uint64_t number;
        if (search_index_number(index, shown[i].number, &number))
            return command_cannot("the index cannot be read");
        printf("%s=%" PRIu64 "\n", shown[i].name, number);
    }
    printf("bytes=%" PRIu64 "\n", search_index_bytes(index));
    return STATUS_FINE;
}

static void print_job(void *arg, const struct feed_job *job)
{
    (void)arg;
    if (job->name.len > 7 && !memcmp(job->name.ptr, "search@", 7))
        printf("job=%.*s worker=\"%.*s\" lag_rows=%" PRIu64 " lag_seconds=%" PRId64 ".%03d\n", (int)job->name.len,
               job->name.ptr, (int)job->worker.len, job->worker.ptr, job->rows, job->lag_ms / 1000,
               (int)(job->lag_ms % 1000));
}

enum status command_search_status(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    struct search_index *index;
    enum status status = STATUS_FINE;
    enum err err = search_index_open(settings->search_dir, false, &index);
    if (err && err != ERR_NOT_FOUND)
        return command_cannot("the index cannot be read");
    if (err)
        printf("messages=0\nbuilding=0\nfull=0\nbytes=0\n");
    else
        status = print_index(index);
    search_index_close(index);
    struct store *store = status ? NULL : command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    if (store_feed_jobs(store, print_job, NULL))
        status = command_database_failed(store);
    store_free(store);
    return status;
}

enum status command_search_rebuild(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    enum err err = search_index_remove(settings->search_dir);
    if (err && err != ERR_NOT_FOUND)
        return command_cannot("the files in search_dir cannot be removed");
    printf("%s: the worker of this machine makes one from the database\n",
           err ? "there was no index" : "the index is removed");
    return STATUS_FINE;
}
