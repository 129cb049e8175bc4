#include "common/service/start.h"

#include "common/mem.h"
#include "common/origin.h"
#include "common/redis/redis_sync.h"
#include "common/store/db_address.h"
#include "common/store/store.h"
#include "common/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- paths ---- */

static bool may(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

static enum err refuse(char why[256], const char *setting, const char *path, const char *what)
{
    snprintf(why, 256, "%s: %.150s: %s", setting, path, what);
    return ERR_INVALID;
}

/* The folder that `path` is in can be written to. */
static enum err check_parent(const char *setting, const char *path, char why[256])
{
    char *folder = mem_strdup(path), *slash = strrchr(folder, '/');
    enum err err = ERR_OK;
    if (slash)
        slash[slash == folder] = '\0';
    const char *parent = slash ? folder : ".";
    struct stat is;
    bool is_there = stat(parent, &is) == 0;
    if (is_there && !S_ISDIR(is.st_mode))
        err = refuse(why, setting, parent, strerror(ENOTDIR));
    else if (!is_there || !may(parent, W_OK | X_OK))
        err = refuse(why, setting, parent, strerror(errno));
    free(folder);
    return err;
}

enum err start_check_file(const char *setting, const char *path, char why[256])
{
    struct stat is;
    if (!*path)
        return ERR_OK;
    if (stat(path, &is))
        return errno == ENOENT ? check_parent(setting, path, why) : refuse(why, setting, path, strerror(errno));
    if (S_ISDIR(is.st_mode))
        return refuse(why, setting, path, strerror(EISDIR));
    return may(path, W_OK) ? ERR_OK : refuse(why, setting, path, strerror(errno));
}

enum err start_check_socket(const char *setting, const char *path, char why[256])
{
    struct stat is;
    if (!*path)
        return ERR_OK;
    if (lstat(path, &is) == 0 && !S_ISSOCK(is.st_mode))
        return refuse(why, setting, path, "something else than a socket is there");
    return check_parent(setting, path, why);
}

enum err start_check_folder(const char *setting, const char *path, char why[256])
{
    struct stat is;
    if (stat(path, &is))
        return errno == ENOENT ? check_parent(setting, path, why) : refuse(why, setting, path, strerror(errno));
    if (!S_ISDIR(is.st_mode))
        return refuse(why, setting, path, strerror(ENOTDIR));
    return may(path, W_OK | X_OK) ? ERR_OK : refuse(why, setting, path, strerror(errno));
}

static enum err check_readable(const char *setting, const char *path, char why[256])
{
    struct stat is;
    if (!*path)
        return ERR_OK;
    if (stat(path, &is) || !may(path, R_OK))
        return refuse(why, setting, path, strerror(errno));
    return S_ISDIR(is.st_mode) ? refuse(why, setting, path, strerror(EISDIR)) : ERR_OK;
}

static enum err check_database_tls(const struct settings *settings, char why[256])
{
    enum err err = check_readable("db_tls_ca", settings->db_tls_ca, why);
    if (!err)
        err = check_readable("db_tls_cert", settings->db_tls_cert, why);
    return err ? err : check_readable("db_tls_key", settings->db_tls_key, why);
}

static enum err check_paths(const struct settings *settings, enum program program, char why[256])
{
    enum err err = start_check_file("log_file", settings->log_file, why);
    if (!err)
        err = start_check_file("pid_file", settings->pid_file, why);
    if (!err && program == PROGRAM_RELAY)
        err = start_check_file("port_file", settings->port_file, why);
    if (!err && program == PROGRAM_RELAY)
        err = start_check_socket("listen_socket", settings->listen_socket, why);
    if (!err && program == PROGRAM_REST)
        err = start_check_socket("rest_socket", settings->rest_socket, why);
    if (!err && program == PROGRAM_REST)
        err = start_check_folder("media_dir", settings->media_dir, why);
    if (!err && program == PROGRAM_REST && *settings->thumbnail_program && !may(settings->thumbnail_program, X_OK))
        err = refuse(why, "thumbnail_program", settings->thumbnail_program, strerror(errno));
    if (!err && program == PROGRAM_WORKER)
        err = start_check_socket("worker_socket", settings->worker_socket, why);
    if (!err && program == PROGRAM_WORKER && settings->search)
        err = start_check_folder("search_dir", settings->search_dir, why);
    return err;
}

/* ---- the limit on open files ---- */

int64_t start_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return INT64_MAX;
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur > (rlim_t)INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur;
}

static enum err check_files(const struct settings *settings, enum program program, start_line_fn *warned, void *arg,
                            char why[256])
{
    int64_t files = start_file_limit(), left = files - START_OTHER_FILES;
    char line[256];
    if (left <= 0) {
        snprintf(why, 256, "the limit on open files is %lld, more than %d are needed (LimitNOFILE, ulimit -n)",
                 (long long)files, START_OTHER_FILES);
        return ERR_INVALID;
    }
    if (program == PROGRAM_RELAY && settings->max_connections > left) {
        snprintf(line, sizeof line,
                 "max_connections is %lld, and the limit on open files, %lld, allows %lld (LimitNOFILE, ulimit -n)",
                 (long long)settings->max_connections, (long long)files, (long long)left);
        warned(arg, line);
    }
    struct redis_servers redis;
    if (program != PROGRAM_REST || redis_servers_read(settings, &redis, why))
        return ERR_OK;
    int64_t needed = settings->rest_threads * (int64_t)(2 + redis.count);
    if (needed > left) {
        snprintf(why, 256,
                 "rest_threads: %lld need %lld open files, and the limit, %lld, allows %lld (LimitNOFILE, ulimit -n)",
                 (long long)settings->rest_threads, (long long)needed, (long long)files, (long long)left);
        return ERR_INVALID;
    }
    return ERR_OK;
}

/* ---- all that needs no server ---- */

enum err start_check(const struct settings *settings, enum program program, start_line_fn *warned, void *arg,
                     char why[256])
{
    const struct origin_rules rules = {settings->origins, settings->server_names};
    bool serves_pages = program == PROGRAM_RELAY || program == PROGRAM_REST;
    enum err err = check_paths(settings, program, why);
    if (!err)
        err = check_database_tls(settings, why);
    if (!err && serves_pages)
        err = origin_check(&rules, why);
    if (!err && serves_pages)
        err = token_keys_check(settings, why);
    if (!err && program != PROGRAM_ADMIN)
        err = check_files(settings, program, warned, arg, why);
    return err;
}

/* ---- servers ---- */

static void say(start_line_fn *said, void *arg, const char *what, const char *at, const char *how)
{
    char line[512];
    snprintf(line, sizeof line, "%s%s%.200s: %.250s", what, *at ? " at " : "", at, how);
    if (said)
        said(arg, line);
}

static void say_condition(void *arg, const char *line)
{
    char *conditions = arg;
    size_t len = strlen(conditions);
    snprintf(conditions + len, 1024 - len, "%s%s", len ? "\n" : "", line);
}

static enum start_servers ask_database(const struct settings *settings, start_line_fn *said, void *arg, char why[256])
{
    struct endpoint addresses[DB_ADDRESSES_MAX];
    char at[ENDPOINT_TEXT_MAX] = "", conditions[1024] = "", line[1200];
    size_t count = 0;
    struct store *store = store_new(settings);
    enum err err = store_ready(store, why);
    enum start_servers state = !err                       ? START_REACHED
                               : store_was_refused(store) ? START_WRONG
                               : err == ERR_DOWN          ? START_AWAY
                                                          : START_SCHEMA;
    if (!db_addresses_parse(settings, addresses, &count, line) && count)
        endpoint_text(&addresses[store_is_connected(store) && count > 1 ? db_state().address - 1 : 0], at);
    say(said, arg, "database", at, err ? why : "reached");
    if (said && store_is_connected(store) && !store_conditions(store, say_condition, conditions))
        for (char *next = conditions, *one; (one = strsep(&next, "\n")) && *one;) {
            snprintf(line, sizeof line, "warning: the database's %s", one);
            said(arg, line);
        }
    store_free(store);
    return state;
}

static enum start_servers ask_redis(const struct settings *settings, start_line_fn *said, void *arg, char why[256])
{
    /* New ones each time: what an earlier try found out must not keep this one from asking. */
    struct redis_servers known;
    if (redis_servers_read(settings, &known, why))
        return START_WRONG;
    struct redis_shared *shared = redis_shared_new(settings);
    redis_shared_quiet(shared);
    struct redis_sync *redis = redis_sync_new(shared);
    size_t up = 0, count = redis_sync_servers(redis);
    bool refused = false;
    for (size_t i = 0; i < count; i++) {
        char at[ENDPOINT_TEXT_MAX], how[256];
        if (*known.servers[i].master)
            snprintf(at, sizeof at, "%s", known.servers[i].master);
        else
            endpoint_text(&known.servers[i].address, at);
        bool fine = !redis_sync_ping(redis, i);
        up += fine;
        snprintf(how, sizeof how, "%s%.220s",
                 fine ? "reached" : "cannot be used: ", fine ? "" : redis_sync_error(redis));
        say(said, arg, "Redis", at, how);
        if (fine || refused)
            continue;
        refused = redis_sync_was_refused(redis);
        snprintf(why, 256, "cannot use Redis at %.220s", redis_sync_error(redis));
    }
    redis_sync_free(redis);
    redis_shared_free(shared);
    return refused ? START_WRONG : up ? START_REACHED : START_AWAY;
}

enum start_servers start_ask_servers(const struct settings *settings, enum program program, start_line_fn *said,
                                     void *arg, char why[256])
{
    enum start_servers state = ask_database(settings, said, arg, why);
    if (program == PROGRAM_WORKER || (state != START_REACHED && !said))
        return state;
    char of_redis[256];
    enum start_servers redis = ask_redis(settings, said, arg, of_redis);
    if (state == START_WRONG || redis == START_REACHED || (state != START_REACHED && redis == START_AWAY))
        return state;
    memcpy(why, of_redis, 256);
    return redis;
}
