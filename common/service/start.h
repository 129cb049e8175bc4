/* start.h: what must hold before a program serves. The settings must suit this machine (start_check), and the servers
 * must answer (start_ask_servers). --check-config and the start call the same functions, so neither can accept what the
 * other refuses. */
#ifndef CG_COMMON_SERVICE_START_H
#define CG_COMMON_SERVICE_START_H

#include "common/settings.h"

typedef void start_line_fn(void *arg, const char *line);

/* Checks the settings that need no server: folders of files and sockets, keys, origins, the limit on open files. Raises
 * the soft limit on open files to the hard one. Calls `warned` for what the program can live with. ERR_INVALID with one
 * line in `why` that names the setting. */
enum err start_check(const struct settings *settings, enum program program, start_line_fn *warned, void *arg,
                     char why[256]) CG_MUST_CHECK;

/* A file, or a Unix socket, of that name can be made or replaced; or a folder exists, or can be made, that can be written
 * to. `setting` is for `why`. An empty path is fine. */
enum err start_check_file(const char *setting, const char *path, char why[256]) CG_MUST_CHECK;
enum err start_check_socket(const char *setting, const char *path, char why[256]) CG_MUST_CHECK;
enum err start_check_folder(const char *setting, const char *path, char why[256]) CG_MUST_CHECK;

/* The descriptors of a process besides its clients': databases, Redis, other relays, logs, keys. */
enum { START_OTHER_FILES = 128 };
/* How many descriptors this process may have, after its limit was raised. */
int64_t start_file_limit(void);

enum start_servers {
    START_REACHED,
    START_AWAY,   /* a server cannot be reached now: worth waiting for */
    START_SCHEMA, /* the database's tables are not this program's: `chaguan migrate` is needed, no other setting */
    START_WRONG,  /* a server answered and does not let us in: a setting is wrong */
};

/* Asks the database, and Redis if the program uses it, once. Calls `said` (NULL: nobody) with a line for each server.
 * Unless all is well, the first fault is in `why`. One of several Redis servers is enough. Blocks. */
enum start_servers start_ask_servers(const struct settings *settings, enum program program, start_line_fn *said,
                                     void *arg, char why[256]);

#endif
