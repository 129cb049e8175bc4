#include "rest/services/thumbnail.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "rest/services/mediafile.h"
#include "rest/services/turns.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PROGRAM_BYTES = 96 << 20, /* of address space that the program takes with its libraries */
    PIXEL_BYTES = 14,         /* … and at most for each pixel: two copies of 4 bytes, rows, tables */
    THUMBNAIL_BYTES = 8 << 20,
    REPORT_BYTES = 64,
    AGAIN_MS = 60000,           /* after a process that was killed */
    NONE_MS = 24 * 3600 * 1000, /* how long a picture is known to have none */
    KEPT_FILES = 100000,
    LOOKS = 16, /* the folder is looked through after a sixteenth of what it may hold was added */
};

static struct turns turns = TURNS_INIT;

/* ---- what is known of a picture that has none ---- */

static const struct verdict {
    enum thumbnail end;
    const char *word; /* of the program, and in the file */
    int64_t for_ms;
} verdicts[] = {
    {THUMBNAIL_NONE, "none", NONE_MS},
    {THUMBNAIL_NONE, "unknown", NONE_MS},
    {THUMBNAIL_PIXELS, "pixels", NONE_MS},
    {THUMBNAIL_FAILED, "failed", AGAIN_MS},
};

static const struct verdict *verdict_of(const char *word)
{
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++)
        if (!strcmp(word, verdicts[i].word))
            return &verdicts[i];
    return NULL;
}

static void path_of(const struct settings *settings, char path[4096 + 128], const char *name, const char *what)
{
    snprintf(path, 4096 + 128, "%s/" MEDIA_THUMBNAILS "/%s.%s", settings->media_dir, name, what);
}

static bool is_known_to_have_none(const struct settings *settings, const char *name, enum thumbnail *end)
{
    char path[4096 + 128], word[16];
    struct stat info;
    path_of(settings, path, name, MEDIA_NO_THUMBNAIL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, word, sizeof word - 1);
    bool fine = len > 0 && !fstat(fd, &info);
    close(fd);
    word[len > 0 ? len : 0] = '\0';
    const struct verdict *verdict = verdict_of(word);
    if (!fine || !verdict || clock_wall_ms() - (int64_t)info.st_mtime * 1000 > verdict->for_ms)
        return false;
    *end = verdict->end;
    return true;
}

/* If it cannot be kept, it is found out again. */
static void remember(struct mediafile *file, const char *name, const char *word)
{
    char path[MEDIA_THUMBNAIL_NAME_MAX + 1];
    snprintf(path, sizeof path, "%s." MEDIA_NO_THUMBNAIL, name);
    bool fine = !ftruncate(file->fd, 0) && !lseek(file->fd, 0, SEEK_SET) && !mediafile_write(file, str_of(word)) &&
                !mediafile_keep_as(file, path);
    mediafile_end(file, !fine);
}

/* ---- the process ---- */

static const char *program_of(const struct settings *settings, char path[4096])
{
    if (*settings->thumbnail_program)
        return settings->thumbnail_program;
    ssize_t len = readlink("/proc/self/exe", path, 4096 - 32);
    char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
    if (!slash)
        return "chaguan-thumbnail";
    snprintf(slash + 1, 32, "chaguan-thumbnail");
    return path;
}

/* Nothing of the environment, where passwords may stand, but where a sanitizer writes to. */
static void environment_of(char *variables[4], char texts[3][512])
{
    static const char *const names[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const char *value = getenv(names[i]);
        if (!value)
            continue;
        snprintf(texts[count], sizeof texts[0], "%s=%s", names[i], value);
        variables[count] = texts[count];
        count++;
    }
    variables[count] = NULL;
}

/* errno, or 0. Of our descriptors it has these three and standard error. */
static int spawn(const struct settings *settings, unsigned side, int picture, int report, int thumbnail, pid_t *pid)
{
    char own[4096], numbers[4][24], texts[3][512], *variables[4];
    uint64_t pixels = (uint64_t)settings->image_pixels_max;
    const char *program = program_of(settings, own);
    snprintf(numbers[0], 24, "%u", side);
    snprintf(numbers[1], 24, "%" PRIu64, pixels);
    snprintf(numbers[2], 24, "%" PRIu64, PROGRAM_BYTES + PIXEL_BYTES * pixels);
    snprintf(numbers[3], 24, "%" PRIu64, (uint64_t)settings->thumbnail_timeout_ms / 1000 + 1);
    char *arguments[] = {"chaguan-thumbnail", numbers[0], numbers[1], numbers[2], numbers[3], NULL};
    environment_of(variables, texts);

    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    int error = posix_spawn_file_actions_adddup2(&actions, picture, 0);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, report, 1);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, thumbnail, 3);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, 4);
    if (!error)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (!error)
        error = posix_spawn(pid, program, &actions, &attributes, arguments, variables);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error)
        log_error("thumbnail.not_started", "program=\"%s\" errno=%d msg=\"%s\"", program, error, strerror(error));
    return error;
}

/* Its line, or what there is of it when it ends or its time is over. */
static size_t await_report(int fd, int64_t timeout_ms, char line[REPORT_BYTES])
{
    int64_t until_ms = clock_mono_ms() + timeout_ms, left_ms;
    size_t len = 0;
    while (len < REPORT_BYTES - 1 && (left_ms = until_ms - clock_mono_ms()) > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int count = poll(&ready, 1, (int)left_ms);
        if (count < 0 && errno == EINTR)
            continue;
        ssize_t got = count > 0 ? read(fd, line + len, REPORT_BYTES - 1 - len) : 0;
        if (got <= 0)
            break;
        len += (size_t)got;
        if (line[len - 1] == '\n')
            break;
    }
    line[len] = '\0';
    return len;
}

/* Its line is all that counts, whatever becomes of it afterwards: so it is killed in any case. */
static bool run(const struct settings *settings, unsigned side, int picture, int thumbnail, char line[REPORT_BYTES])
{
    int ends[2], status = 0;
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC)) {
        log_error("thumbnail.not_started", "errno=%d", errno);
        return false;
    }
    int error = spawn(settings, side, picture, ends[1], thumbnail, &pid);
    close(ends[1]);
    size_t len = error ? 0 : await_report(ends[0], settings->thumbnail_timeout_ms, line);
    close(ends[0]);
    if (error)
        return false;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (len && line[len - 1] == '\n')
        return true;
    metric_inc(METRIC_THUMBNAILS_KILLED);
    log_warn("thumbnail.killed", "signal=%d status=%d msg=\"it took too long or ended without a word\"",
             WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return false;
}

/* ---- what is kept ---- */

static struct {
    pthread_mutex_t lock;
    bool looking;  /* a thread looks through the folder */
    int64_t bytes; /* added since the last look; the first one is at once */
    bool looked;
} kept = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct kept_file {
    char name[MEDIA_THUMBNAIL_NAME_MAX + 1];
    int64_t bytes, made_s;
};

struct kept_files {
    struct kept_file *files;
    size_t count, room;
    int64_t bytes;
};

static int oldest_first(const void *one, const void *other)
{
    int64_t a = ((const struct kept_file *)one)->made_s, b = ((const struct kept_file *)other)->made_s;
    return (a > b) - (a < b);
}

static void list(DIR *directory, struct kept_files *all)
{
    struct stat info;
    for (struct dirent *entry; (entry = readdir(directory));) {
        size_t len = strlen(entry->d_name);
        if (*entry->d_name == '.' || len > MEDIA_THUMBNAIL_NAME_MAX ||
            fstatat(dirfd(directory), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) || !S_ISREG(info.st_mode))
            continue;
        if (all->count == all->room) {
            all->room = all->room ? 2 * all->room : 1024;
            all->files = mem_realloc(all->files, all->room * sizeof *all->files);
        }
        struct kept_file *file = &all->files[all->count++];
        memcpy(file->name, entry->d_name, len + 1);
        file->bytes = info.st_size;
        file->made_s = info.st_mtime;
        all->bytes += info.st_size;
    }
}

/* Down to nine tenths, so that it is not to be done again at once. */
static void evict(int fd, struct kept_files *all, int64_t most)
{
    if (!all->count || (all->bytes <= most && all->count <= KEPT_FILES))
        return;
    qsort(all->files, all->count, sizeof *all->files, oldest_first);
    size_t gone = 0;
    while (gone < all->count && (all->bytes > most / 10 * 9 || all->count - gone > KEPT_FILES / 10 * 9)) {
        if (!unlinkat(fd, all->files[gone].name, 0))
            metric_inc(METRIC_THUMBNAILS_EVICTED);
        all->bytes -= all->files[gone++].bytes;
    }
    log_info("thumbnail.evicted", "files=%zu bytes_left=%" PRId64, gone, all->bytes);
}

static void look_through(const struct settings *settings)
{
    char path[4096 + 128];
    snprintf(path, sizeof path, "%s/" MEDIA_THUMBNAILS, settings->media_dir);
    DIR *directory = opendir(path);
    struct kept_files all = {0};
    if (directory) {
        list(directory, &all);
        evict(dirfd(directory), &all, settings->thumbnails_max_bytes);
        closedir(directory);
    }
    free(all.files);
}

static void added(const struct settings *settings, int64_t bytes)
{
    enum { FILE_BYTES = 4096 }; /* that a small one takes on the disk */
    pthread_mutex_lock(&kept.lock);
    kept.bytes += bytes > FILE_BYTES ? bytes : FILE_BYTES;
    bool due = !kept.looking && (!kept.looked || kept.bytes > settings->thumbnails_max_bytes / LOOKS);
    kept.looking |= due;
    kept.looked = true;
    if (due)
        kept.bytes = 0;
    pthread_mutex_unlock(&kept.lock);
    if (!due)
        return;
    look_through(settings);
    pthread_mutex_lock(&kept.lock);
    kept.looking = false;
    pthread_mutex_unlock(&kept.lock);
}

/* ---- one thumbnail ---- */

static int open_picture(const struct settings *settings, const char *name)
{
    char path[4096 + 64];
    snprintf(path, sizeof path, "%s/%s", settings->media_dir, name);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Puts it where it is served from, unless its picture was removed meanwhile: then there is nothing left of it. */
static enum thumbnail keep(const struct settings *settings, struct mediafile *file, const char *name, unsigned side)
{
    char kept_name[MEDIA_THUMBNAIL_NAME_MAX + 1];
    struct stat info = {0};
    snprintf(kept_name, sizeof kept_name, "%s.%u", name, side);
    bool fine = !fstat(file->fd, &info) && info.st_size > 0 && !mediafile_keep_as(file, kept_name);
    int picture = fine ? open_picture(settings, name) : -1;
    if (picture >= 0)
        close(picture);
    mediafile_end(file, picture < 0);
    if (!fine)
        return THUMBNAIL_FAILED;
    if (picture < 0)
        return THUMBNAIL_MISSING;
    metric_inc(METRIC_THUMBNAILS_MADE);
    added(settings, info.st_size);
    return THUMBNAIL_MADE;
}

static enum thumbnail settle(const struct settings *settings, struct mediafile *file, const char *name, unsigned side,
                             const char *line, struct thumbnail_picture *picture)
{
    char word[16];
    unsigned width, height;
    if (sscanf(line, "%15s %u %u", word, &width, &height) == 3 && !strcmp(word, "made")) {
        if (picture)
            *picture = (struct thumbnail_picture){width, height};
        return keep(settings, file, name, side);
    }
    const struct verdict *verdict = verdict_of(word);
    enum thumbnail end = verdict ? verdict->end : THUMBNAIL_FAILED;
    if (end != THUMBNAIL_FAILED)
        metric_inc(METRIC_THUMBNAILS_NONE);
    remember(file, name, verdict ? verdict->word : "failed");
    added(settings, 0);
    return end;
}

static enum thumbnail make(const struct settings *settings, const char *name, unsigned side,
                           struct thumbnail_picture *picture)
{
    char line[REPORT_BYTES] = "", folder[4096 + 16];
    struct mediafile file;
    enum thumbnail end;
    if (is_known_to_have_none(settings, name, &end))
        return end;
    int fd = open_picture(settings, name);
    if (fd < 0)
        return THUMBNAIL_MISSING;
    snprintf(folder, sizeof folder, "%s/" MEDIA_THUMBNAILS, settings->media_dir);
    if (mediafile_begin(&file, folder)) {
        mediafile_end(&file, true);
        close(fd);
        return THUMBNAIL_FAILED;
    }
    metric_add(METRIC_THUMBNAILS_RUNNING, 1);
    if (!run(settings, side, fd, file.fd, line))
        snprintf(line, sizeof line, "failed 0 0");
    metric_add(METRIC_THUMBNAILS_RUNNING, -1);
    close(fd);
    return settle(settings, &file, name, side, line, picture);
}

static enum thumbnail read_kept(const struct settings *settings, const char *name, unsigned side, struct buf *out)
{
    char path[4096 + 128], number[16], chunk[16 * 1024];
    ssize_t got;
    snprintf(number, sizeof number, "%u", side);
    path_of(settings, path, name, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return THUMBNAIL_MISSING;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)got);
    close(fd);
    return got || out->failed ? THUMBNAIL_FAILED : THUMBNAIL_MADE;
}

/* With `out` it need not be made if it is there when its turn has come: another may have asked for the same. */
static enum thumbnail make_in_turn(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                                   struct thumbnail_picture *picture, struct buf *out)
{
    size_t half = (size_t)settings->rest_threads / 2, waiting = (size_t)settings->thumbnail_waiting;
    struct turn turn;
    if (!settings->thumbnail_jobs)
        return THUMBNAIL_NONE;
    if (!turns_begin(&turns, &turn, payer, (size_t)settings->thumbnail_jobs, waiting < half ? waiting : half,
                     settings->thumbnail_timeout_ms)) {
        metric_inc(METRIC_THUMBNAILS_REFUSED);
        return THUMBNAIL_BUSY;
    }
    enum thumbnail end = out ? read_kept(settings, name, side, out) : THUMBNAIL_MISSING;
    if (end == THUMBNAIL_MISSING) {
        end = make(settings, name, side, picture);
        if (end == THUMBNAIL_MADE && out)
            end = read_kept(settings, name, side, out);
    }
    turns_end(&turns, &turn);
    return end;
}

enum thumbnail thumbnail_make(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct thumbnail_picture *picture)
{
    if (picture)
        *picture = (struct thumbnail_picture){0};
    return make_in_turn(settings, payer, name, side, picture, NULL);
}

enum thumbnail thumbnail_read(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct buf *out)
{
    enum thumbnail end = read_kept(settings, name, side, out);
    if (end != THUMBNAIL_MISSING || is_known_to_have_none(settings, name, &end))
        return end;
    int fd = open_picture(settings, name); /* what is not there need not wait */
    if (fd < 0)
        return THUMBNAIL_MISSING;
    close(fd);
    return make_in_turn(settings, payer, name, side, NULL, out);
}
