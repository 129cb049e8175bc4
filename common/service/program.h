/* program.h: what the programs share before and after their work: the command line, the log,
 * the pid file. */
#ifndef CG_COMMON_SERVICE_PROGRAM_H
#define CG_COMMON_SERVICE_PROGRAM_H

#include "common/settings.h"

#include <signal.h>

#ifndef CHAGUAN_VERSION
#define CHAGUAN_VERSION "0.0.0"
#endif

/* An option of one program only. One of the two is set where it is on the command line, the last of several counts. */
struct program_option {
    const char *name;   /* without the dashes; NULL: the end */
    const char **value; /* it takes one */
    bool *flag;         /* it takes none */
};

struct program_info {
    const char *name; /* "chaguan-relay" */
    enum program program;
    const char *synopsis;                 /* one line for --help after the name */
    const char *about;                    /* a paragraph for --help; may be several lines */
    const struct program_option *options; /* beside those that all have; NULL: none */
};

/* Reads the command line and the settings. Returns the index of the first argument that is no option;
 * answers --help, --version, --print-config and --check-config itself and exits; exits 2 with one
 * line on standard error for a bad command line or setting. `log_name` NULL: the log stays on
 * standard error. */
int program_start(const struct program_info *info, int argc, char **argv, struct settings *settings,
                  const char *log_name);

/* For programs whose main thread does nothing but wait. To be blocked before any thread is made, so that only
 * program_wait ever sees them: SIGTERM, SIGINT, SIGHUP. */
void program_block_signals(sigset_t *signals);
/* Until SIGTERM or SIGINT. On SIGHUP the log is opened again, and `hup` is called (NULL: nothing). */
void program_wait(const sigset_t *signals, void (*hup)(void *arg), void *arg);
/* It cannot start: says so in the log and on standard error, and closes the log. Returns the exit status, 1. `name` as in
 * struct program_info. */
int program_refuse(const struct settings *settings, const char *name, const char *why);

/* Writes our pid to settings->pid_file, whole or not at all; nothing if it is empty. */
enum err program_ready(const struct settings *settings) CG_MUST_CHECK;
/* Removes the pid file and closes the log. */
void program_end(struct settings *settings);

/* Writes `text` to `path` by way of a temporary file and rename(2), so that no reader sees a part. */
enum err program_write_file(const char *path, const char *text) CG_MUST_CHECK;

#endif
