/* main.c: chaguan, the operator's command. Reads the command line and calls one command. */
#include "admin/commands.h"
#include "common/log.h"
#include "common/service/program.h"
#include "common/store/store.h"

#include <stdio.h>
#include <string.h>

enum { WHOM = 1 << OPTION_REALM, WHERE = WHOM | 1 << OPTION_ROOM, HOW_LONG = 1 << OPTION_FOR | 1 << OPTION_REASON };

static const struct command {
    const char *name, *doc; /* a name may be of two words */
    command_fn *run;
    bool takes_dry;
    operation_fn *operate; /* instead of `run`: with */
    int words;             /* number of words after its name, */
    int options;           /* and these, as bits */
} commands[] = {
    {"migrate", "make or bring up to date the tables, from the files in sql_dir; safe to repeat",
     .run = command_migrate},
    {"check", "look for missing or doubled message numbers and wrong counters; changes nothing", .run = command_check},
    {"stats", "print how much there is, and which relays are alive", .run = command_stats},
    {"media gc", "remove uploads that no message refers to and what broken uploads left; --dry-run",
     .run = command_media_gc, .takes_dry = true},
    {"epoch", "print the epoch of the message numbers", .run = command_epoch},
    {"epoch raise",
     "after the database was put back to an older state: make clients and relays forget the numbers they know",
     .run = command_epoch_raise},
    {"roundtrip",
     "URL: say one thing through the front at URL, hear it on each relay; --relays; leaves a room of its own behind",
     .operate = command_roundtrip, .words = 1, .options = 1 << OPTION_RELAYS},
    {"relays", "print the relays and the state of each", .operate = command_relays},
    {"drain", "RELAY: have a relay ask its clients to go elsewhere, and end, as SIGTERM does", .operate = command_drain,
     .words = 1},
    {"user list", "print the users; --realm", .operate = command_user_list, .options = WHOM},
    {"user show", "USER: print a user, and what they are muted in and banned from; --realm",
     .operate = command_user_show, .words = 1, .options = WHOM},
    {"user mute", "USER: may be there and read, not post; --room --for --reason --realm", .operate = command_user_mute,
     .words = 1, .options = WHERE | HOW_LONG},
    {"user unmute", "USER: may post again; --room --realm", .operate = command_user_unmute, .words = 1,
     .options = WHERE},
    {"user ban", "USER: is put out and may not come back; --room --for --reason --realm", .operate = command_user_ban,
     .words = 1, .options = WHERE | HOW_LONG},
    {"user unban", "USER: may come again; --room --realm", .operate = command_user_unban, .words = 1, .options = WHERE},
    {"user kick", "USER: is put out, and may come back at once; --room --realm", .operate = command_user_kick,
     .words = 1, .options = WHERE},
    {"user revoke",
     "USER: what was proved before is void: tokens, open connections; with --room the membership ends; --room --realm",
     .operate = command_user_revoke, .words = 1, .options = WHERE},
    {"tokens revoke", "whoever came with a token has to come again with a new one: after the keys were changed",
     .operate = command_tokens_revoke},
    {"address ban", "ADDRESS: nobody from there may come; --room --for --reason --realm",
     .operate = command_address_ban, .words = 1, .options = WHERE | HOW_LONG},
    {"address unban", "ADDRESS: … may again; --room --realm", .operate = command_address_unban, .words = 1,
     .options = WHERE},
    {"address list", "print the addresses that are banned", .operate = command_address_list},
    {"key add", "NAME: make a key for an application's backend, and print it this once; --scope",
     .operate = command_key_add, .words = 1, .options = 1 << OPTION_SCOPE},
    {"key list", "print the keys: what each may do, when it was made, used and revoked", .operate = command_key_list},
    {"key revoke", "NAME: the key is void within a second", .operate = command_key_revoke, .words = 1},
    {"user export", "ID: print what is stored of the application's user of that id, a line of JSON each",
     .operate = command_user_export, .words = 1},
    {"export", "print the application's users, conversations, members and messages, a line of JSON each",
     .operate = command_export},
    {"import", "FILE: store such lines, of a file or of standard input (-); safe to repeat; --dry-run",
     .takes_dry = true, .operate = command_import, .words = 1},
    {"conversation keep",
     "CONVERSATION: print how long it keeps messages, and how far they are gone; set it; --days --lines-days",
     .operate = command_conversation_keep, .words = 1, .options = 1 << OPTION_DAYS | 1 << OPTION_LINES_DAYS},
    {"feed", "print who follows what is stored, which worker has it, and how far it is behind", .run = command_feed},
    {"feed forget", "CONSUMER: one that no worker knows any more: rows are no longer kept for it",
     .operate = command_feed_forget, .words = 1},
    {"search status", "print what the index of this machine holds, and how far each machine's is behind",
     .operate = command_search_status},
    {"search rebuild", "remove the index of this machine, in search_dir: its worker makes it anew from the database",
     .operate = command_search_rebuild},
    {"invite add", "print a code with which one account can be made, within a week; --for",
     .operate = command_invite_add, .options = 1 << OPTION_FOR},
    {"setup-code", "print a code with which the first account is made, an administrator's, within a day",
     .operate = command_setup_code},
    {"sanctions", "print all mutes and bans in force", .operate = command_sanctions},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void describe(struct buf *out)
{
    buf_add_text(out, "The operator's command. COMMAND is one of\n");
    for (size_t i = 0; i < COMMANDS; i++)
        buf_addf(out, "  %-13s %s\n", commands[i].name, commands[i].doc);
    buf_add_text(
        out,
        "\nUSER is a name or an id; app:ID is the application's user of that id.\n"
        "  --realm REALM      whose names: chatroom, friends, customers, spaces, app; socketio: its chat room's\n"
        "  --room ROOM        in one room only, by its id or its name in that realm; else everywhere\n"
        "  --for TIME         so long: seconds, or with s, min, h, d; else for good\n"
        "  --relays LIST      their listen_socket or host:port, parted by commas; else one relay through the front\n"
        "  --reason TEXT      why, for other operators\n"
        "  --scope LIST       what a key may do, parted by commas: read, write, admin\n"
        "  --days N           how long messages are kept; 0: for ever; default: as keep_days has it\n"
        "  --lines-days N     the same of comings and goings, and keep_presence_lines_days\n"
        "  --dry-run          only say what would be done\n\nExit status: 0 done "
        "(check: no findings); 1 check found something;\n"
        "2 the command could not be carried out (bad command line or setting, server\n"
        "not reachable).");
    buf_add_char(out, '\0');
}

/* The command that these words begin with, the longer name first; *used: how many of them its name is. NULL: none. */
static const struct command *find(char *const *words, int count, int *used)
{
    for (*used = count < 2 ? count : 2; *used > 0; --*used) {
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", words[0], *used == 2 ? " " : "", *used == 2 ? words[1] : "");
        for (size_t i = 0; i < COMMANDS; i++)
            if (!strcmp(commands[i].name, name))
                return &commands[i];
    }
    return NULL;
}

enum status command_cannot(const char *why)
{
    fprintf(stderr, "chaguan: %s\n", why);
    return STATUS_CANNOT;
}

enum status command_database_failed(const struct store *store)
{
    char why[256];
    snprintf(why, sizeof why, "the database cannot be used: %.200s", store_error(store));
    return command_cannot(why);
}

struct store *command_open_store(const struct settings *settings)
{
    char why[256] = "";
    struct store *store = store_new(settings);
    if (!store_ready(store, why))
        return store;
    command_cannot(why);
    store_free(store);
    return NULL;
}

/* What is wrong with what the command was given, or NULL. */
static const char *misfit(const struct command *command, const struct operation *operation, int words, bool dry)
{
    if (dry && !command->takes_dry)
        return "takes no --dry-run";
    for (int i = 0; i < OPTIONS; i++)
        if (operation->options[i] && !(command->options & 1 << i))
            return "takes no such option";
    if (words != command->words)
        return command->words ? "takes one word after it" : "takes no more words";
    return NULL;
}

int main(int argc, char **argv)
{
    struct settings settings;
    struct operation operation = {0};
    struct buf about;
    int used = 0;
    buf_init(&about, 1 << 16);
    describe(&about);
    bool dry = false;
    const struct program_option options[] = {
        {"room", .value = &operation.options[OPTION_ROOM]},
        {"for", .value = &operation.options[OPTION_FOR]},
        {"reason", .value = &operation.options[OPTION_REASON]},
        {"realm", .value = &operation.options[OPTION_REALM]},
        {"scope", .value = &operation.options[OPTION_SCOPE]},
        {"relays", .value = &operation.options[OPTION_RELAYS]},
        {"days", .value = &operation.options[OPTION_DAYS]},
        {"lines-days", .value = &operation.options[OPTION_LINES_DAYS]},
        {"dry-run", .flag = &dry},
        {NULL},
    };
    struct program_info info = {"chaguan", PROGRAM_ADMIN, "[options] COMMAND", about.data, options, NULL, true};
    int first = program_start(&info, argc, argv, &settings, NULL);
    buf_fini(&about);
    /* A person reads standard error: news such as a connection made would only be in the way. */
    if (log_level_of(settings.log_level) == LOG_INFO && log_open(info.name, "", LOG_WARN))
        return command_cannot("cannot log");

    enum status status = STATUS_CANNOT;
    const struct command *command = find(argv + first, argc - first, &used);
    const char *wrong = command ? misfit(command, &operation, argc - first - used, dry) : NULL;
    operation.dry = dry;
    if (command && !wrong)
        operation.words[0] = command->words ? argv[first + used] : NULL;
    if (wrong)
        fprintf(stderr, "chaguan: %s %s; see chaguan --help\n", command->name, wrong);
    else if (command)
        status = command->run ? command->run(&settings, dry) : command->operate(&settings, &operation);
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
