#include "common/service/program.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/service/config.h"
#include "common/service/notify.h"
#include "common/service/start.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SETS = 256, MAX_OPTIONS = 32 };

static void print_help(const struct program_info *info)
{
    printf(
        "usage: %s %s\n\n%s\n\n"
        "  --config FILE      read settings from FILE (lines of name = value)\n"
        "  --set name=value   change one setting; may be repeated\n"
        "  --check-config     check all that a start checks, say which servers answer, and end: 2 if a setting is wrong\n"
        "  --print-config     print every setting with its documentation, and end\n"
        "  --version, --help\n\n"
        "A setting may also be given in the environment as CHAGUAN_NAME.\n",
        info->name, info->synopsis, info->about);
}

static void print_config(const struct program_info *info, const struct settings *settings)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_addf(&out, "# Settings of %s %s\n\n", info->name, CHAGUAN_VERSION);
    settings_print(settings, info->program, &out);
    fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static void say_old_name(void *arg, const char *old, const char *now)
{
    fprintf(stderr, "%s: warning: the setting %s is called %s now\n", (const char *)arg, old, now);
}

static void log_old_name(void *arg, const char *old, const char *now)
{
    (void)arg;
    log_warn("settings.renamed", "old=%s now=%s", old, now);
}

static void say_warning(void *arg, const char *line)
{
    fprintf(stderr, "%s: warning: %s\n", (const char *)arg, line);
}

static void log_warning(void *arg, const char *line)
{
    (void)arg;
    log_warn("settings.warning", "msg=\"%s\"", line);
}

/* One line for each server; what is only worth a warning goes where warnings go. */
static void say_server(void *arg, const char *line)
{
    bool warning = !strncmp(line, "warning: ", 9);
    fprintf(warning ? stderr : stdout, "%s: %s\n", (const char *)arg, line);
}

static enum err check(const struct program_info *info, const struct settings *settings, start_line_fn *warned,
                      char why[256])
{
    enum err err = start_check(settings, info->program, warned, (void *)(uintptr_t)info->name, why);
    return err || !info->check ? err : info->check(settings, why);
}

/* Ends the process: a setting is wrong, and the same again would be as wrong. */
static _Noreturn void refuse_setting(const struct program_info *info, const struct settings *settings, const char *why)
{
    if (*settings->log_file) /* else the log stands on standard error already */
        log_error("start.failed", "msg=\"%s\"", why);
    fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), info->name, why);
    exit(PROGRAM_WRONG);
}

/* The settings may be right before there is a server: one that is not there is only told. */
static int check_all(const struct program_info *info, const struct settings *settings)
{
    char why[256];
    log_quiet();
    if (check(info, settings, say_warning, why)) {
        fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), info->name, why);
        return PROGRAM_WRONG;
    }
    enum start_servers servers =
        start_ask_servers(settings, info->program, say_server, (void *)(uintptr_t)info->name, why);
    if (servers == START_WRONG || servers == START_SCHEMA) {
        fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), info->name, why);
        return servers == START_WRONG ? PROGRAM_WRONG : 1;
    }
    printf("%s: the settings are right\n", info->name);
    return 0;
}

/* What getopt_long gives: less than CONFIG is the place of one of the program's own. */
enum { CONFIG = 256, SET, CHECK, PRINT, VERSION, HELP };
static const struct option of_all[] = {
    {"config", required_argument, NULL, CONFIG}, {"set", required_argument, NULL, SET},
    {"check-config", no_argument, NULL, CHECK},  {"print-config", no_argument, NULL, PRINT},
    {"version", no_argument, NULL, VERSION},     {"help", no_argument, NULL, HELP},
};

static void list_options(const struct program_info *info, struct option options[MAX_OPTIONS])
{
    enum { OF_ALL = sizeof of_all / sizeof of_all[0] };
    int count = OF_ALL;
    memcpy(options, of_all, sizeof of_all);
    for (const struct program_option *own = info->options; own && own->name; own++, count++) {
        CG_ASSERT(count < MAX_OPTIONS - 1);
        options[count] = (struct option){own->name, own->value ? required_argument : no_argument, NULL, count - OF_ALL};
    }
    options[count] = (struct option){NULL, 0, NULL, 0};
}

static void set_own(const struct program_option *own)
{
    if (own->value)
        *own->value = optarg;
    else
        *own->flag = true;
}

/* What the command line has given, to be read again: program_renew. */
static struct {
    const struct program_info *info;
    const char *file;
    char *sets[MAX_SETS];
    int count;
} given;

int program_start(const struct program_info *info, int argc, char **argv, struct settings *settings,
                  const char *log_name)
{
    struct option options[MAX_OPTIONS];
    const char *file = NULL;
    char **sets = given.sets;
    int count = 0, action = 0;
    list_options(info, options);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option < CONFIG && option != '?')
            set_own(&info->options[option]);
        else if (option == CONFIG)
            file = optarg;
        else if (option == SET && count < MAX_SETS)
            sets[count++] = optarg;
        else if (option == CHECK || option == PRINT)
            action = option;
        else if (option == VERSION) {
            printf("%s %s\n", info->name, CHAGUAN_VERSION);
            exit(0);
        } else if (option == HELP) {
            print_help(info);
            exit(0);
        } else {
            fprintf(stderr, "see %s --help\n", info->name);
            exit(PROGRAM_WRONG);
        }
    }
    if (optind < argc && !info->takes_arguments) {
        fprintf(stderr, "%s: takes no arguments; see %s --help\n", info->name, info->name);
        exit(PROGRAM_WRONG);
    }
    char why[256];
    given.info = info;
    given.file = file;
    given.count = count;
    if (config_load(settings, file, sets, count, why)) {
        fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), info->name, why);
        exit(PROGRAM_WRONG);
    }
    if (action)
        settings_each_old_name(settings, say_old_name, (void *)(uintptr_t)info->name);
    if (action == PRINT)
        print_config(info, settings);
    if (action) {
        int status = action == CHECK ? check_all(info, settings) : 0;
        settings_fini(settings);
        exit(status);
    }
    signal(SIGPIPE, SIG_IGN);
    enum log_level level = (enum log_level)log_level_of(settings->log_level);
    if (log_name && start_check_file("log_file", settings->log_file, why)) {
        fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), info->name, why);
        exit(PROGRAM_WRONG);
    }
    if (log_open(log_name ? log_name : info->name, log_name ? settings->log_file : "", level)) {
        fprintf(stderr, "%s: cannot open the log file %s\n", info->name, settings->log_file);
        exit(PROGRAM_WRONG);
    }
    if (log_name && check(info, settings, log_warning, why))
        refuse_setting(info, settings, why);
    settings_each_old_name(settings, log_old_name, NULL);
    return optind;
}

static void log_renewed(void *arg, const char *name)
{
    (void)arg;
    log_info("settings.renewed", "name=%s", name);
}

void program_renew(struct settings *settings)
{
    struct settings fresh;
    char why[256];
    enum err err = config_load(&fresh, given.file, given.sets, given.count, why);
    if (!err) {
        err = check(given.info, &fresh, log_warning, why);
        if (!err)
            settings_renew(settings, &fresh, log_renewed, NULL);
        settings_fini(&fresh);
    }
    if (err)
        log_error("settings.not_renewed", "msg=\"%s\" note=\"the secrets of before stay\"", why);
}

enum err program_write_file(const char *path, const char *text)
{
    size_t len = strlen(path) + 8;
    char *temporary = mem_zalloc(len);
    snprintf(temporary, len, "%s.tmp", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool fine = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        fine = close(fd) == 0 && fine;
    fine = fine && rename(temporary, path) == 0;
    free(temporary);
    return fine ? ERR_OK : ERR_INVALID;
}

enum err program_ready(const struct settings *settings)
{
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    enum err err = *settings->pid_file ? program_write_file(settings->pid_file, text) : ERR_OK;
    if (!err)
        notify_say("READY=1\nSTATUS=serving");
    return err;
}

void program_block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* Waits a moment, or for a signal. Whether that was to end the program. */
static bool is_told_to_end(const sigset_t *signals, struct timespec moment)
{
    int signal = sigtimedwait(signals, NULL, &moment);
    if (signal == SIGHUP)
        log_reopen();
    return signal == SIGTERM || signal == SIGINT;
}

int program_wait_for_servers(const struct program_info *info, struct settings *settings)
{
    enum { AGAIN_MS = 500, SAY_EVERY = 120 };
    char why[256] = "", said[256] = "";
    sigset_t signals, before;
    enum start_servers state;
    int status = -1;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    program_block_signals(&signals);
    for (unsigned tries = 0; (state = start_ask_servers(settings, info->program, NULL, NULL, why)) == START_AWAY;
         tries++) {
        if (strcmp(why, said) != 0 || tries % SAY_EVERY == 0)
            log_warn("start.waiting", "msg=\"%s\"", why);
        notify_say("STATUS=waiting: %s", why);
        memcpy(said, why, sizeof said);
        if (is_told_to_end(&signals, (struct timespec){0, AGAIN_MS * 1000000L})) {
            log_info("stop", "msg=\"while it waited for its servers\"");
            log_close();
            status = 0;
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (state == START_WRONG || state == START_SCHEMA) {
        program_refuse(settings, info->name, why);
        status = state == START_WRONG ? PROGRAM_WRONG : 1;
    }
    return status;
}

void program_wait(const sigset_t *signals, void (*hup)(void *arg), void *arg)
{
    for (int signal = 0; signal != SIGTERM && signal != SIGINT;) {
        sigwait(signals, &signal);
        if (signal != SIGHUP)
            log_info("stop", "signal=%d", signal);
        else
            log_reopen();
        if (signal == SIGHUP && hup)
            hup(arg);
    }
    notify_say("STOPPING=1");
}

int program_refuse(const struct settings *settings, const char *name, const char *why)
{
    log_error("start.failed", "msg=\"%s\"", why);
    if (*settings->log_file) /* else the log stands on standard error already */
        fprintf(stderr, "%s%s: %s\n", log_priority(LOG_ERROR), name, why);
    log_close();
    return 1;
}

void program_end(struct settings *settings)
{
    if (*settings->pid_file)
        unlink(settings->pid_file);
    settings_fini(settings);
    log_close();
}
