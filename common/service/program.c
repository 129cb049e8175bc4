#include "common/service/program.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/service/config.h"
#include "common/store/store.h"

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
    printf("usage: %s %s\n\n%s\n\n"
           "  --config FILE      read settings from FILE (lines of name = value)\n"
           "  --set name=value   change one setting; may be repeated\n"
           "  --check-config     say whether the settings are right, and the database's as it must be, and end\n"
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

static void say_condition(void *arg, const char *line)
{
    fprintf(stderr, "%s: warning: the database's %s\n", (const char *)arg, line);
}

/* The settings may be right before there is a server: then they are all that can be looked at. */
static void check_database(const struct program_info *info, const struct settings *settings)
{
    struct store *store = store_new(settings);
    if (store_conditions(store, say_condition, (void *)(uintptr_t)info->name))
        printf("%s: the database could not be asked: %s\n", info->name, store_error(store));
    store_free(store);
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

int program_start(const struct program_info *info, int argc, char **argv, struct settings *settings,
                  const char *log_name)
{
    struct option options[MAX_OPTIONS];
    const char *file = NULL;
    char *sets[MAX_SETS];
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
            exit(2);
        }
    }
    char why[256];
    if (config_load(settings, file, sets, count, why)) {
        fprintf(stderr, "%s: %s\n", info->name, why);
        exit(2);
    }
    if (action)
        settings_each_old_name(settings, say_old_name, (void *)(uintptr_t)info->name);
    if (action == PRINT)
        print_config(info, settings);
    else if (action == CHECK) {
        printf("%s: the settings are right\n", info->name);
        check_database(info, settings);
    }
    if (action) {
        settings_fini(settings);
        exit(0);
    }
    signal(SIGPIPE, SIG_IGN);
    enum log_level level = (enum log_level)log_level_of(settings->log_level);
    if (log_open(log_name ? log_name : info->name, log_name ? settings->log_file : "", level)) {
        fprintf(stderr, "%s: cannot open the log file %s\n", info->name, settings->log_file);
        exit(2);
    }
    settings_each_old_name(settings, log_old_name, NULL);
    return optind;
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
    if (!*settings->pid_file)
        return ERR_OK;
    char text[32];
    snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return program_write_file(settings->pid_file, text);
}

void program_block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
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
}

int program_refuse(const struct settings *settings, const char *name, const char *why)
{
    log_error("start.failed", "msg=\"%s\"", why);
    if (*settings->log_file) /* else the log stands on standard error already */
        fprintf(stderr, "%s: %s\n", name, why);
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
