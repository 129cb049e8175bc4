/* settings.h: the settings of all programs, defined in a table that includes their documentation.
 *
 * One file may serve all programs: a setting that only another program uses is accepted and ignored.
 * Precedence: default < configuration file < systemd credential < environment (CHAGUAN_NAME) < --set name=value.
 *
 * A secret may be given as NAME_file instead, wherever NAME may be: the file's content is the value, without one newline at
 * its end. A credential is a file of the secret's name in $CREDENTIALS_DIRECTORY. Others than the owner and the group may
 * read neither. */
#ifndef CG_COMMON_SETTINGS_H
#define CG_COMMON_SETTINGS_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

enum program { PROGRAM_RELAY = 1, PROGRAM_REST = 2, PROGRAM_ADMIN = 4, PROGRAM_WORKER = 8, PROGRAM_ALL = 15 };

enum { SETTINGS_SECRETS = 5 };

/* Values after loading. Strings are never NULL and live as long as the struct. Paths are absolute or
 * relative to the working directory: settings_load has put `run` before those that were relative. */
struct settings {
    /* every program */
    char *run;
    char *log_file, *log_level, *pid_file;
    char *db_addresses, *db_host, *db_socket, *db_user, *db_password, *db_name;
    char *db_tls_ca, *db_tls_cert, *db_tls_key;
    int64_t db_port, db_timeout_ms, db_tls;
    char *redis_host, *redis_socket, *redis_password, *redis_prefix;
    char *redis_addresses, *redis_sentinels, *redis_master, *redis_sentinel_password;
    int64_t redis_port, redis_timeout_ms;
    int64_t feed, feed_rows_max;
    /* relay */
    char *name;
    char *listen_host, *listen_socket, *port_file;
    int64_t listen_front;
    int64_t listen_port;
    int64_t lobby_max, lobby_address_max;
    int64_t max_connections, max_message_bytes, max_name_chars;
    int64_t handshake_timeout_ms, ping_interval_ms, close_timeout_ms, drain_ms;
    int64_t outbox_bytes, outboxes_bytes, send_chunk_bytes, room_log_bytes, room_logs_bytes;
    int64_t history_limit, history_bytes;
    int64_t journal_batch, journal_queue, journal_queue_bytes, journal_timeout_ms;
    int64_t db_pool_threads, db_pool_queue, db_pool_queue_user, db_pool_queue_address;
    int64_t reconcile_ms, reconcile_down_ms, revocation_poll_ms, gap_wait_ms;
    int64_t lease_ms, grace_ms, members_interval_ms;
    char *advertise;
    int64_t http_idle_ms, poll_max_ms, poll_presence_ms, room_linger_ms;
    int64_t native_rooms_max;
    int64_t rate_connection, rate_connection_burst, rate_user, rate_user_burst, rate_address, rate_address_burst;
    int64_t rate_connection_bytes, rate_connection_bytes_burst, rate_user_bytes, rate_user_bytes_burst;
    int64_t rate_address_bytes, rate_address_bytes_burst, rate_stranger_percent;
    int64_t rate_creations, rate_creations_burst, rate_key, rate_key_burst;
    int64_t idempotency_day_key, idempotency_day_user;
    int64_t rate_handshakes, rate_handshakes_burst, user_sockets_max, address_connections_max, user_rooms_max;
    char *origins, *server_names;
    char *io_app, *io_namespaces;
    int64_t io_ping_interval_ms, io_ping_timeout_ms, io_connect_timeout_ms, io_max_payload_bytes, io_recovery_ms;
    int64_t io_rooms_max, io_eio3, redis_commands_max, unfinished_bytes;
    int64_t password_threads, password_waiting, friends_max, friends_day_address, friends_day_user;
    /* rest */
    char *rest_socket;
    int64_t rest_threads, rest_address_percent, rest_waiting_max, rest_backlog, max_body_bytes, admit_ms, name_cache_ms;
    char *admin_token, *create;
    /* worker */
    char *worker_socket;
    int64_t worker_port, feed_lease_ms, feed_poll_ms, feed_batch, feed_idle_ms;
    int64_t keep_days, keep_presence_lines_days, keep_round_ms;
    /* search */
    char *search_dir, *search_name;
    int64_t search, search_bytes, search_keep_ms, search_timeout_ms, rate_search, rate_search_burst;
    /* protocols */
    char *jwt_secret, *jwt_public_key, *jwt_audience;
    char *app_keys, *app_jwks_file, *app_jwks_url, *app_audience;
    char *signup;
    char *doors; /* settings_doors_closed */
    char *media_dir, *media_url, *media_types;
    int64_t jwt_ttl_ms, login_attempts;
    char *thumbnail_program;
    int64_t image_pixels_max, thumbnail_jobs, thumbnail_waiting, thumbnail_timeout_ms, thumbnails_max_bytes;
    int64_t upload_max_bytes, media_quota_bytes, media_keep_ms, friend_ping_ms, customer_refused_ms;
    int64_t demos;
    /* admin */
    char *sql_dir;
    char *site_dir, *site_policy; /* nginx': deploy/run.sh reads them */

    /* Of the settings that are secrets, in the order of the table: the file that was given as NAME_file, or NULL. */
    char *secret_files[SETTINGS_SECRETS];
    struct settings_retired *retired; /* secrets that settings_renew has replaced */
    uint64_t old_names;               /* which rows of settings_renamed.h were given by their old name */
};

/* Reads defaults, then `file` (NULL: none), then the environment, then `count` texts "name=value".
 * On failure *why holds one line that names the setting and its rule. Free with settings_fini. */
enum err settings_load(struct settings *settings, const char *file, char *const *sets, int count,
                       char why[256]) CG_MUST_CHECK;
void settings_fini(struct settings *settings);

/* A secret, which settings_renew may replace meanwhile: `field` is &settings->db_password or the like. What it returns stays
 * valid as long as the settings. Any thread. */
static inline const char *settings_secret(char *const *field)
{
    return __atomic_load_n(field, __ATOMIC_ACQUIRE);
}

/* Takes over the secrets of `fresh` that differ, and calls `fn` with the name of each. Everything else stays as it was. The
 * former texts stay valid. One thread at a time; others may read secrets with settings_secret meanwhile. */
typedef void settings_renewed_fn(void *arg, const char *name);
void settings_renew(struct settings *settings, struct settings *fresh, settings_renewed_fn *fn, void *arg);

/* Whether every connection needs a token of an application's user (doors = token). */
static inline bool settings_doors_closed(const struct settings *settings)
{
    return settings->doors && settings->doors[0] == 't';
}

/* Calls `fn` for each setting that was given by its old name (common/settings_renamed.h). */
typedef void settings_old_name_fn(void *arg, const char *old, const char *now);
void settings_each_old_name(const struct settings *settings, settings_old_name_fn *fn, void *arg);

/* Every setting that `program` uses: documentation, default and present value, as a file that
 * settings_load reads back. Secrets are not shown. */
void settings_print(const struct settings *settings, enum program program, struct buf *out);

#endif
