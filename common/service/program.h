/* program.h: the start and end that all programs share: command line, log, pid file, signals. */
#ifndef CG_COMMON_SERVICE_PROGRAM_H
#define CG_COMMON_SERVICE_PROGRAM_H

#include "common/settings.h"

#include <signal.h>

#ifndef CHAGUAN_VERSION
#define CHAGUAN_VERSION "0.0.0"
#endif

/* The exit status for a bad command line or a wrong setting: to try again without a change would be in vain. */
enum { PROGRAM_WRONG = 2 };

/* An option of one program. Exactly one of `value` and `flag` is given; the last occurrence counts. */
struct program_option {
    const char *name;   /* without the dashes; NULL: the end */
    const char **value; /* the option takes a value */
    bool *flag;         /* the option takes none */
};

struct program_info {
    const char *name; /* "chaguan-relay" */
    enum program program;
    const char *synopsis;                 /* one line for --help after the name */
    const char *about;                    /* a paragraph for --help; may be several lines */
    const struct program_option *options; /* besides the common ones; NULL: none */
    /* What the program itself demands of its settings, besides start_check: ERR_INVALID with one line in `why`. NULL:
     * nothing. */
    enum err (*check)(const struct settings *settings, char why[256]);
    bool takes_arguments; /* besides options; else one is an error of the command line */
};

/* Reads the command line and the settings. Returns the index of the first argument that is no option;
 * answers --help, --version, --print-config and --check-config itself and exits; exits 2 with one
 * line on standard error for a bad command line or setting, whether it starts or only checks. `log_name` NULL: the log
 * stays on standard error, and a setting is only checked beyond its form for --check-config. */
int program_start(const struct program_info *info, int argc, char **argv, struct settings *settings,
                  const char *log_name);

/* Blocks SIGTERM, SIGINT and SIGHUP, for programs whose main thread only waits. Call it before any thread is started,
 * so that only program_wait receives them. */
void program_block_signals(sigset_t *signals);
/* On SIGHUP: reads the settings again, from where program_start had them, and takes over the secrets in them, unless something
 * in them is wrong. Says in the log which, or why not. The program_info of program_start must still be there. */
void program_renew(struct settings *settings);

/* Waits until the database and Redis answer, and says in the log what it waits for. Returns -1 when they do; else the exit
 * status, with the reason told and the log closed: 0 after SIGTERM or SIGINT, 1 for a database whose tables are not this
 * program's, 2 for a server that does not let us in. Call it with the signals blocked or not: it takes them in either case,
 * and leaves the mask as it was. */
int program_wait_for_servers(const struct program_info *info, struct settings *settings);

/* Waits for SIGTERM or SIGINT. On SIGHUP reopens the log and calls `hup`, which may be NULL. */
void program_wait(const sigset_t *signals, void (*hup)(void *arg), void *arg);
/* Reports that the program cannot start in the log and on standard error, and closes the log. Returns the exit status, 1:
 * the settings may be right, and another try may succeed. `name` as in struct program_info. */
int program_refuse(const struct settings *settings, const char *name, const char *why);

/* Writes our pid to settings->pid_file, atomically, unless that is empty; and tells systemd that the program serves. */
enum err program_ready(const struct settings *settings) CG_MUST_CHECK;
/* Removes the pid file and closes the log. */
void program_end(struct settings *settings);

/* Writes `text` to `path` by way of a temporary file and rename(2), so that no reader sees a part. */
enum err program_write_file(const char *path, const char *text) CG_MUST_CHECK;

#endif
