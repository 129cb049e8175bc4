/* redis_sync.h: the deployment's Redis servers for programs that may wait. A connection is made when it is first needed:
 * where the sentinels say, if there are any, and only to a master. The relay, which may not wait, has relay/redis instead;
 * both report to redis_health.h, which says who is up and when a lost server is tried again.
 *
 * Redis being down is an ordinary state here: whoever asks then gets no answer, and at once. All threads of a process share
 * one back-off for each server, so that a Redis that says nothing holds up one of them now and then instead of all. */
#ifndef CG_COMMON_REDIS_REDIS_SYNC_H
#define CG_COMMON_REDIS_REDIS_SYNC_H

#include "common/redis/redis_reply.h"
#include "common/redis/redis_servers.h"

struct buf;

/* What a process's threads know together. Any thread. `settings`, checked by config_load, must outlive it. */
struct redis_shared;
struct redis_shared *redis_shared_new(const struct settings *settings);
/* For who asks once and says itself what failed: no change is logged. */
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
/* Where everything about a conversation is. What concerns none is on the first server, 0. */
size_t redis_sync_server_of(const struct redis_sync *sync, uint64_t conversation);

/* Queues a command for a server. `format` is hiredis': %s text, %b bytes and their size_t, %d %lld numbers. All that is
 * queued goes out when the first answer is asked for. ERR_DOWN: it is down, nothing was queued. */
enum err redis_sync_queue(struct redis_sync *sync, size_t server, const char *format, ...) CG_MUST_CHECK;
/* The answer to the command that was queued first, redis_reply_free's. NULL: the server was lost, and with it all that was
 * queued. An error is a loss, too (it is loading, it may not be written …): a connection that is made anew leads to whoever
 * is master then. Each step of connecting and each answer is waited for redis_timeout_ms at most. */
struct redisReply *redis_sync_answer(struct redis_sync *sync, size_t server) CG_MUST_CHECK;
/* Both at once. */
struct redisReply *redis_sync_ask(struct redis_sync *sync, size_t server, const char *format, ...) CG_MUST_CHECK;
struct redisReply *redis_sync_ask_list(struct redis_sync *sync, size_t server, const struct str *args,
                                       size_t count) CG_MUST_CHECK;
/* Asks for a sign of life, and whether it still is a master: one that was demoted answers like any other. */
enum err redis_sync_ping(struct redis_sync *sync, size_t server) CG_MUST_CHECK;

/* Why there was no answer: "host:port: reason", valid until the next call. */
const char *redis_sync_error(const struct redis_sync *sync);
/* Appends [{"at":"host:port","up":true},…] as the process knows it, for operators. */
void redis_sync_add_state(const struct redis_sync *sync, struct buf *out);

#endif
