/* commands.h: the operator's commands, one file each. A command prints to standard output, complains
 * in one line on standard error, and returns the exit status. */
#ifndef CG_ADMIN_COMMANDS_H
#define CG_ADMIN_COMMANDS_H

#include "common/settings.h"

enum status {
    STATUS_FINE = 0,
    STATUS_FOUND = 1,  /* check: something is wrong with the data */
    STATUS_CANNOT = 2, /* a server could not be used, a file not be read, the command line is bad */
};

/* `dry` (--dry-run): only say what would be done; given to commands that take it, else false. */
typedef enum status command_fn(const struct settings *settings, bool dry);

command_fn command_migrate;
command_fn command_check;
command_fn command_stats;
command_fn command_media_gc;
command_fn command_epoch;
command_fn command_epoch_raise;

/* "chaguan: WHY" on standard error; returns STATUS_CANNOT. */
enum status command_cannot(const char *why);

#endif
