#include "rest/services/mediafile.h"

#include "common/id.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err failed(const char *call)
{
    int error = errno;
    log_error("media.file_failed", "call=%s errno=%d msg=\"%s\"", call, error, strerror(error));
    return error == ENOSPC || error == EDQUOT ? ERR_TOO_BIG : ERR_INTERNAL;
}

static void random_digits(char out[MEDIA_DIGITS + 1])
{
    snprintf(out, MEDIA_DIGITS + 1, "%016llx%016llx", (unsigned long long)id_random(), (unsigned long long)id_random());
}

enum err mediafile_begin(struct mediafile *file, const char *directory)
{
    char digits[MEDIA_DIGITS + 1], name[sizeof file->name];
    *file = (struct mediafile){.directory = -1, .fd = -1};
    if (mkdir(directory, 0750) && errno != EEXIST)
        return failed("mkdir");
    file->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file->directory < 0)
        return failed("open directory");
    random_digits(digits);
    snprintf(name, sizeof name, MEDIA_TEMPORARY "%.*s", MEDIA_DIGITS, digits);
    file->fd = openat(file->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (file->fd < 0)
        return failed("open");
    memcpy(file->name, name, sizeof name);
    return ERR_OK;
}

enum err mediafile_write(struct mediafile *file, struct str bytes)
{
    while (bytes.len) {
        ssize_t written = write(file->fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return failed("write");
        bytes.ptr += written;
        bytes.len -= (size_t)written;
        file->bytes += (uint64_t)written;
    }
    return ERR_OK;
}

static enum err rename_to(struct mediafile *file, const char *name)
{
    if (renameat(file->directory, file->name, file->directory, name))
        return failed("rename");
    snprintf(file->name, sizeof file->name, "%s", name);
    return ERR_OK;
}

enum err mediafile_keep(struct mediafile *file, const char *extension)
{
    char digits[MEDIA_DIGITS + 1], name[sizeof file->name];
    random_digits(digits);
    snprintf(name, sizeof name, "%s.%s", digits, extension);
    CG_ASSERT(media_name_ok(str_of(name)));
    if (fsync(file->fd))
        return failed("fsync");
    enum err err = rename_to(file, name);
    return err ? err : fsync(file->directory) ? failed("fsync directory") : ERR_OK;
}

enum err mediafile_keep_as(struct mediafile *file, const char *name)
{
    return rename_to(file, name);
}

void mediafile_end(struct mediafile *file, bool drop)
{
    if (file->fd >= 0)
        close(file->fd);
    if (drop && *file->name && media_remove(file->directory, file->name))
        log_error("media.file_failed", "call=unlink errno=%d", errno);
    if (file->directory >= 0)
        close(file->directory);
    *file = (struct mediafile){.directory = -1, .fd = -1};
}
