/* commands.h: the operator's commands, one file each. A command prints to standard output, reports a failure in one
 * line on standard error, and returns the exit status. */
#ifndef CG_ADMIN_COMMANDS_H
#define CG_ADMIN_COMMANDS_H

#include "common/settings.h"

struct store;

enum status {
    STATUS_FINE = 0,
    STATUS_FOUND = 1,  /* check: something is wrong with the data */
    STATUS_CANNOT = 2, /* a server cannot be used, a file cannot be read, or the command line is wrong */
};

/* `dry` (--dry-run): only print what would be done; false for commands without that option. */
typedef enum status command_fn(const struct settings *settings, bool dry);

/* The arguments of a command. */
enum operation_option {
    OPTION_ROOM,
    OPTION_FOR,
    OPTION_REASON,
    OPTION_REALM,
    OPTION_RELAYS,
    OPTION_SCOPE,
    OPTION_DAYS,
    OPTION_LINES_DAYS,
    OPTIONS
};
struct operation {
    const char *words[1];         /* the command's operands */
    const char *options[OPTIONS]; /* NULL: not given */
    bool dry;                     /* --dry-run: only print what would be done; false for commands without that option */
};
typedef enum status operation_fn(const struct settings *settings, const struct operation *operation);

operation_fn command_user_list, command_user_show, command_user_mute, command_user_unmute, command_user_ban,
    command_user_unban, command_user_kick, command_user_revoke, command_tokens_revoke, command_address_ban,
    command_address_unban, command_address_list, command_sanctions, command_relays, command_drain, command_roundtrip,
    command_invite_add, command_setup_code, command_key_add, command_key_list, command_key_revoke, command_feed_forget,
    command_search_status, command_search_rebuild, command_export, command_user_export, command_import,
    command_conversation_keep;

command_fn command_migrate;
command_fn command_check;
command_fn command_stats;
command_fn command_media_gc;
command_fn command_epoch;
command_fn command_epoch_raise;
command_fn command_feed;

/* "90", "90s", "15min", "2h", "7d" in seconds; -1: malformed. */
int64_t command_seconds(struct str text);
/* Prints "chaguan: WHY" to standard error; returns STATUS_CANNOT. */
enum status command_cannot(const char *why);
/* The same with the store's last error. */
enum status command_database_failed(const struct store *store);
/* Opens the store; NULL on failure, which was printed. */
struct store *command_open_store(const struct settings *settings);

#endif
