/* main.c: chaguan, the operator's command. Reads the command line and calls one command. */
#include "admin/commands.h"
#include "common/log.h"
#include "common/program.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *doc; /* a name may be of two words */
    command_fn *run;
    bool takes_dry;
} commands[] = {
    {"migrate", "make or bring up to date the tables, from the files in sql_dir; safe to repeat",
     command_migrate, false},
    {"check", "look for missing or doubled message numbers and wrong counters; changes nothing",
     command_check, false},
    {"stats", "print how much there is, and which relays are alive", command_stats, false},
    {"media gc", "remove uploads that no message refers to and what broken uploads left; --dry-run",
     command_media_gc, true},
    {"epoch", "print the epoch of the message numbers", command_epoch, false},
    {"epoch raise", "after the database was put back to an older state: make clients and relays forget the numbers they know",
     command_epoch_raise, false},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void describe(struct buf *out)
{
    buf_add_text(out, "The operator's command. COMMAND is one of\n");
    for (size_t i = 0; i < COMMANDS; i++)
        buf_addf(out, "  %-11s %s\n", commands[i].name, commands[i].doc);
    buf_add_text(out,
                 "\n  --dry-run          only say what would be removed\n\nExit status: 0 done "
                 "(check: no findings); 1 check found something;\n"
                 "2 the command could not be carried out (bad command line or setting, server\n"
                 "not reachable).");
    buf_add_char(out, '\0');
}

/* The command of these words; NULL if there is none. */
static const struct command *find(char *const *words, int count)
{
    char name[64] = "";
    if (count == 1 || count == 2)
        snprintf(name, sizeof name, "%s%s%s", words[0], count == 2 ? " " : "",
                 count == 2 ? words[1] : "");
    for (size_t i = 0; i < COMMANDS; i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

enum status command_cannot(const char *why)
{
    fprintf(stderr, "chaguan: %s\n", why);
    return STATUS_CANNOT;
}

/* Takes the option out of the arguments: it is no setting, and other programs have none like it. */
static bool take_flag(int *argc, char **argv, const char *flag)
{
    for (int i = 1; i < *argc; i++)
        if (!strcmp(argv[i], flag)) {
            memmove(&argv[i], &argv[i + 1], (size_t)(*argc - i) * sizeof *argv); /* with the NULL */
            --*argc;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct buf about;
    buf_init(&about, 1 << 16);
    describe(&about);
    bool dry = take_flag(&argc, argv, "--dry-run");
    struct program_info info = {"chaguan", PROGRAM_ADMIN, "[options] COMMAND", about.data};
    int first = program_start(&info, argc, argv, &settings, NULL);
    buf_fini(&about);
    /* A person reads standard error: news such as a connection made would only be in the way. */
    if (log_level_of(settings.log_level) == LOG_INFO && log_open(info.name, "", LOG_WARN))
        return command_cannot("cannot log");

    enum status status = STATUS_CANNOT;
    const struct command *command = find(argv + first, argc - first);
    if (command && (command->takes_dry || !dry))
        status = command->run(&settings, dry);
    else if (command)
        fprintf(stderr, "chaguan: %s takes no --dry-run\n", command->name);
    else if (argc - first >= 1)
        fprintf(stderr, "chaguan: there is no command '%s'; see chaguan --help\n", argv[first]);
    else
        fprintf(stderr, "chaguan: takes one command; see chaguan --help\n");
    if (fflush(stdout))
        status = command_cannot("cannot write to standard output");
    settings_fini(&settings);
    log_close();
    return status;
}
