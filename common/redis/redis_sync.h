/* redis_sync.h: a blocking driver for the deployment's Redis servers. Connects on first use, to the address that the
 * sentinels give if there are any, and only to a master. The relay must not block and uses relay/redis instead; both
 * report to redis_health.h, which keeps servers' states and decides when to retry.
 *
 * While a server is down, calls fail at once. All threads of a process share one back-off for each server, so that an
 * unresponsive Redis delays one of them now and then instead of all. */
#ifndef CG_COMMON_REDIS_REDIS_SYNC_H
#define CG_COMMON_REDIS_REDIS_SYNC_H

#include "common/redis/redis_reply.h"
#include "common/redis/redis_servers.h"

struct buf;

/* State shared by a process's threads. Any thread. `settings`, checked by config_load, must outlive it. */
struct redis_shared;
struct redis_shared *redis_shared_new(const struct settings *settings);
/* Disables logging, for a command that reports failures itself. */
void redis_shared_quiet(struct redis_shared *shared);
/* NULL is fine. */
void redis_shared_free(struct redis_shared *shared);

/* One thread's connections. */
struct redis_sync;
/* Does not connect. `shared` must outlive it. */
struct redis_sync *redis_sync_new(struct redis_shared *shared);
/* NULL is fine. */
void redis_sync_free(struct redis_sync *sync);

const struct settings *redis_sync_settings(const struct redis_sync *sync);
size_t redis_sync_servers(const struct redis_sync *sync);
/* The server that has a conversation. What concerns none is on the first server, 0. */
size_t redis_sync_server_of(const struct redis_sync *sync, uint64_t conversation);

/* Queues a command for a server. `format` is hiredis': %s text, %b bytes and their size_t, %d %lld numbers. The queue
 * is sent when the first answer is read. ERR_DOWN: the server is down, and nothing was queued. */
enum err redis_sync_queue(struct redis_sync *sync, size_t server, const char *format, ...) CG_MUST_CHECK;
/* The answer to the oldest queued command, to be freed with redis_reply_free. NULL: the connection was lost, and all
 * queued commands with it. An error reply (loading, read-only …) is treated as a loss, too: a new connection leads to
 * the present master. Waits at most redis_timeout_ms for each step of connecting and for each answer. */
struct redisReply *redis_sync_answer(struct redis_sync *sync, size_t server) CG_MUST_CHECK;
/* Queues one command and reads its answer. */
struct redisReply *redis_sync_ask(struct redis_sync *sync, size_t server, const char *format, ...) CG_MUST_CHECK;
struct redisReply *redis_sync_ask_list(struct redis_sync *sync, size_t server, const struct str *args,
                                       size_t count) CG_MUST_CHECK;
/* Checks that the server responds and is still a master, as a demoted one would answer, too. */
enum err redis_sync_ping(struct redis_sync *sync, size_t server) CG_MUST_CHECK;

/* Why there was no answer: "host:port: reason", valid until the next call. */
const char *redis_sync_error(const struct redis_sync *sync);
/* Whether that was a server refusing our password or account, or the lack of one: no later try will do. */
bool redis_sync_was_refused(const struct redis_sync *sync);
/* Appends [{"at":"host:port","up":true},…] as the process knows it, for operators. */
void redis_sync_add_state(const struct redis_sync *sync, struct buf *out);

#endif
