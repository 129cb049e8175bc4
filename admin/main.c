/* main.c: chaguan, the operator's command. Reads the command line and calls one command. */
#include "admin/commands.h"
#include "common/log.h"
#include "common/program.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name, *doc;
    command_fn *run;
} commands[] = {
    {"migrate", "make or bring up to date the tables, from the files in sql_dir; safe to repeat",
     command_migrate},
    {"check", "look for missing or doubled message numbers and wrong counters; changes nothing",
     command_check},
    {"stats", "print how much there is, and which relays are alive", command_stats},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void describe(struct buf *out)
{
    buf_add_text(out, "The operator's command. COMMAND is one of\n");
    for (size_t i = 0; i < COMMANDS; i++)
        buf_addf(out, "  %-8s %s\n", commands[i].name, commands[i].doc);
    buf_add_text(out,
                 "\nExit status: 0 done (check: no findings); 1 check found something;\n"
                 "2 the command could not be carried out (bad command line or setting, server\n"
                 "not reachable).");
    buf_add_char(out, '\0');
}

static const struct command *find(const char *name)
{
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

int main(int argc, char **argv)
{
    struct settings settings;
    struct buf about;
    buf_init(&about, 1 << 16);
    describe(&about);
    struct program_info info = {"chaguan", PROGRAM_ADMIN, "[options] COMMAND", about.data};
    int first = program_start(&info, argc, argv, &settings, NULL);
    buf_fini(&about);
    /* A person reads standard error: news such as a connection made would only be in the way. */
    if (log_level_of(settings.log_level) == LOG_INFO && log_open(info.name, "", LOG_WARN))
        return command_cannot("cannot log");

    enum status status = STATUS_CANNOT;
    const struct command *command = argc - first == 1 ? find(argv[first]) : NULL;
    if (command)
        status = command->run(&settings);
    else if (argc - first == 1)
        fprintf(stderr, "chaguan: there is no command '%s'; see chaguan --help\n", argv[first]);
    else
        fprintf(stderr, "chaguan: takes one command; see chaguan --help\n");
    if (fflush(stdout))
        status = command_cannot("cannot write to standard output");
    settings_fini(&settings);
    log_close();
    return status;
}
