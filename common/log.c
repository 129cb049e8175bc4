#include "common/log.h"

#include "common/clock.h"
#include "common/mem.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static struct {
    char program[32];
    char *path;
    _Atomic int fd;
    enum log_level level;
} state = {.program = "chaguan", .fd = STDERR_FILENO, .level = LOG_INFO};

static int open_path(void)
{
    return open(state.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

enum err log_open(const char *program, const char *path, enum log_level level)
{
    snprintf(state.program, sizeof state.program, "%s", program);
    state.level = level;
    if (!path || !*path)
        return ERR_OK;
    state.path = mem_strdup(path);
    int fd = open_path();
    if (fd < 0)
        return ERR_INVALID;
    state.fd = fd;
    return ERR_OK;
}

void log_reopen(void)
{
    if (!state.path)
        return;
    int fd = open_path();
    if (fd < 0) {
        log_error("log.reopen_failed", "msg=\"the old file goes on being used\"");
        return;
    }
    dup2(fd, state.fd); /* atomic: no thread ever sees a closed descriptor */
    close(fd);
}

void log_close(void)
{
    if (state.path)
        close(state.fd);
    state.fd = STDERR_FILENO;
    free(state.path);
    state.path = NULL;
}

void log_quiet(void)
{
    state.level = LOG_ERROR + 1;
}

int log_level_of(const char *name)
{
    for (int i = 0; i < (int)(sizeof level_names / sizeof level_names[0]); i++)
        if (!strcmp(name, level_names[i]))
            return i;
    return -1;
}

/* Whether $JOURNAL_STREAM, "device:inode", is that of standard error: it may have been redirected since. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat is;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &is) == 0 &&
           is.st_dev == device && is.st_ino == inode;
}

const char *log_priority(enum log_level level)
{
    static const char *const priorities[] = {"<7>", "<6>", "<4>", "<3>"}; /* as syslog(3) numbers them */
    static _Atomic int journal = -1;
    if (journal < 0)
        journal = is_journal();
    return journal ? priorities[level] : "";
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (level < state.level)
        return;
    char line[LINE_MAX_BYTES], when[CLOCK_TEXT_MAX];
    clock_format_utc(clock_wall_ms(), when);
    when[10] = 'T';
    int len =
        snprintf(line, sizeof line, "%sts=%sZ level=%s program=%s event=%s ",
                 state.fd == STDERR_FILENO ? log_priority(level) : "", when, level_names[level], state.program, event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, sizeof line - (size_t)len, format, args);
    va_end(args);
    len = more < 0 ? len : len + more;
    if (len > LINE_MAX_BYTES - 1)
        len = LINE_MAX_BYTES - 1;
    for (int i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    ssize_t ignored = write(state.fd, line, (size_t)len); /* a full disk must not stop the chat */
    (void)ignored;
}
