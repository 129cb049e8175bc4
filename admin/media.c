/* media.c: chaguan media gc. Looks up, in this order, so that nothing created meanwhile is removed:
 *
 *   rows of files that are old enough, and files that have no row        candidates
 *   texts that speak of one of them                                      candidates no more
 *   what is left                                                         goes
 *
 * A file that is first referred to later than media_keep_ms after its upload may have been removed by then, as the
 * setting says. A file younger than SETTLE_MS is never removed, because it may be an upload in progress. */
#include "admin/commands.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/store/store_media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTLE_MS = 60 * 60 * 1000 };

struct candidate {
    char name[MEDIA_NAME_MAX + 1];
    uint64_t bytes;
    bool has_row, has_file;
    bool old;       /* enough to go */
    bool gone;      /* its owner was erased: it is removed even if referred to */
    bool mentioned; /* by a text */
};

struct collection {
    const struct settings *settings;
    struct store *store;
    int directory;
    bool dry;
    struct map files; /* by the first digits of their names, which are random */
    uint64_t rows, bytes, unreferenced, without_row, without_file, temporary, freed;
};

static uint64_t key_of(const char *name)
{
    uint64_t key;
    hex_number(name, 16, &key);
    return key ? key : 1;
}

static struct candidate *find(const struct collection *all, struct str name)
{
    struct candidate *found = map_get(&all->files, key_of(name.ptr));
    return found && str_eq(str_of(found->name), name) ? found : NULL;
}

/* NULL if another has the same first digits: of such a pair the second is left alone, this time. */
static struct candidate *add(struct collection *all, struct str name)
{
    uint64_t key = key_of(name.ptr);
    if (map_get(&all->files, key))
        return NULL;
    struct candidate *candidate = mem_zalloc(sizeof *candidate);
    memcpy(candidate->name, name.ptr, name.len);
    map_put(&all->files, key, candidate);
    return candidate;
}

/* ---- candidates ---- */

static void on_row(void *arg, struct str name, uint64_t bytes, int64_t age_ms, bool gone)
{
    struct collection *all = arg;
    all->rows++;
    all->bytes += bytes;
    struct candidate *candidate = media_name_ok(name) ? add(all, name) : NULL;
    if (!candidate)
        return;
    candidate->bytes = bytes;
    candidate->has_row = true;
    candidate->gone = gone;
    candidate->old = age_ms >= all->settings->media_keep_ms;
    /* a row comes after its file, so one that has none lost it; but a clock may be wrong */
    struct stat info;
    candidate->has_file =
        !fstatat(all->directory, candidate->name, &info, AT_SYMLINK_NOFOLLOW) || errno != ENOENT || age_ms < SETTLE_MS;
}

static void remove_file(struct collection *all, const char *name, uint64_t bytes)
{
    if (!all->dry && media_remove(all->directory, name) && errno != ENOENT) {
        fprintf(stderr, "chaguan: cannot remove %s: %s\n", name, strerror(errno));
        return;
    }
    all->freed += bytes;
}

static void on_file(struct collection *all, const char *name)
{
    struct stat info;
    bool temporary = !strncmp(name, MEDIA_TEMPORARY, strlen(MEDIA_TEMPORARY));
    if ((!temporary && !media_name_ok(str_of(name))) || (!temporary && find(all, str_of(name))) ||
        fstatat(all->directory, name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
        return;
    int64_t age_ms = clock_wall_ms() - (int64_t)info.st_mtime * 1000;
    if (age_ms < SETTLE_MS)
        return;
    if (temporary) {
        all->temporary++;
        remove_file(all, name, (uint64_t)info.st_size);
        return;
    }
    struct candidate *candidate = add(all, str_of(name));
    if (!candidate)
        return;
    candidate->bytes = (uint64_t)info.st_size;
    candidate->has_file = true;
    candidate->old = age_ms >= all->settings->media_keep_ms;
}

/* Of thumbnails only what is not whole: the others go with their pictures, or when they are too many. */
static void walk_thumbnails(struct collection *all)
{
    struct stat info;
    int fd = openat(all->directory, MEDIA_THUMBNAILS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (strncmp(entry->d_name, MEDIA_TEMPORARY, strlen(MEDIA_TEMPORARY)) != 0 ||
            fstatat(fd, entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode) ||
            clock_wall_ms() - (int64_t)info.st_mtime * 1000 < SETTLE_MS)
            continue;
        all->temporary++;
        if (all->dry || !unlinkat(fd, entry->d_name, 0))
            all->freed += (uint64_t)info.st_size;
    }
    closedir(directory);
}

static void walk(struct collection *all)
{
    int fd = dup(all->directory);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    CG_NEED(directory, "a descriptor");
    for (struct dirent *entry; (entry = readdir(directory));)
        on_file(all, entry->d_name);
    closedir(directory);
}

/* ---- texts ---- */

/* Every run of digits before a dot may end with a name; what follows the dot may begin with its extension. */
static void on_text(void *arg, struct str text)
{
    const struct collection *all = arg;
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
            digits++;
            continue;
        }
        struct candidate *found = NULL;
        if (c == '.' && digits >= MEDIA_DIGITS)
            found = map_get(&all->files, key_of(text.ptr + i - MEDIA_DIGITS));
        digits = 0;
        size_t len = found ? strlen(found->name) : 0, start = i - MEDIA_DIGITS;
        if (found && text.len - start >= len && !memcmp(text.ptr + start, found->name, len))
            found->mentioned = true;
    }
}

/* ---- what goes ---- */

static enum err settle(struct collection *all, const struct candidate *candidate)
{
    bool lost = !candidate->has_file, rubbish = candidate->gone || (candidate->old && !candidate->mentioned);
    if (!lost && !rubbish)
        return ERR_OK;
    /* the row first: a file without a row is found again, and nobody is shown a row without its file */
    enum err err = ERR_OK;
    if (candidate->has_row && !all->dry)
        err = store_media_remove(all->store, str_of(candidate->name));
    if (err)
        return err;
    ++*(lost ? &all->without_file : candidate->has_row ? &all->unreferenced : &all->without_row);
    if (!lost)
        remove_file(all, candidate->name, candidate->bytes);
    return ERR_OK;
}

static enum err collect(struct collection *all)
{
    struct candidate *candidate;
    enum err err = store_media_list(all->store, on_row, all);
    if (err)
        return err;
    walk(all);
    walk_thumbnails(all);
    err = store_media_texts(all->store, on_text, all);
    for (size_t at = 0; !err && (candidate = map_next(&all->files, &at));)
        err = settle(all, candidate);
    uint64_t left;
    return err || all->dry ? err : store_media_recount(all->store, &left);
}

static void print(const struct collection *all)
{
    printf("files=%" PRIu64 "\nbytes=%" PRIu64 "\nunreferenced=%" PRIu64 "\nwithout_row=%" PRIu64
           "\nwithout_file=%" PRIu64 "\ntemporary=%" PRIu64 "\n%s=%" PRIu64 "\n",
           all->rows, all->bytes, all->unreferenced, all->without_row, all->without_file, all->temporary,
           all->dry ? "would_free_bytes" : "freed_bytes", all->freed);
}

static void count_row(void *arg, struct str name, uint64_t bytes, int64_t age_ms, bool gone)
{
    (void)gone;
    (void)name;
    (void)bytes;
    (void)age_ms;
    ++*(uint64_t *)arg;
}

static enum err run(struct collection *all, char why[256])
{
    const char *path = all->settings->media_dir;
    uint64_t rows = 0;
    all->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = errno;
    enum err err = ERR_OK;
    if (all->directory >= 0)
        err = collect(all);
    else
        err = store_media_list(all->store, count_row, &rows);
    if (err)
        snprintf(why, 256, "could not be finished: %.200s", store_error(all->store));
    else if (all->directory < 0 && (rows || error != ENOENT)) { /* else nothing was ever uploaded */
        snprintf(why, 256, "cannot open media_dir %.180s: %s", path, strerror(error));
        err = ERR_DOWN;
    }
    return err;
}

enum status command_media_gc(const struct settings *settings, bool dry)
{
    char why[256] = "";
    struct collection all = {.settings = settings, .dry = dry, .directory = -1};
    all.store = store_new(settings);
    enum err err = store_ready(all.store, why);
    if (!err)
        err = run(&all, why);
    if (!err)
        print(&all);
    struct candidate *candidate;
    for (size_t at = 0; (candidate = map_next(&all.files, &at));)
        free(candidate);
    map_fini(&all.files);
    if (all.directory >= 0)
        close(all.directory);
    store_free(all.store);
    return err ? command_cannot(why) : STATUS_FINE;
}
