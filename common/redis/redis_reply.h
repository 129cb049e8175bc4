/* redis_reply.h: access to replies from Redis without the client library's header, and bounds on them: hiredis trusts
 * the size that a reply announces, so without a bound a server could make this process allocate any amount of memory.
 * Any thread, but a reply is used by one at a time. */
#ifndef CG_COMMON_REDIS_REDIS_REPLY_H
#define CG_COMMON_REDIS_REDIS_REPLY_H

#include "common/endpoint.h"

#include <stdbool.h>

struct redisContext;
struct redisReply;

enum {
    REDIS_REPLY_ELEMENTS = 1 << 20,       /* of one array */
    REDIS_REPLY_BYTES = 64 * 1024 * 1024, /* of an incomplete reply */
};

/* ---- one reply; NULL is treated like nil ---- */

bool redis_reply_is_number(const struct redisReply *reply);
/* 0 if it is none. */
int64_t redis_reply_number(const struct redisReply *reply);
bool redis_reply_is_text(const struct redisReply *reply);
/* Empty if it is none. A NUL follows it. */
struct str redis_reply_text(const struct redisReply *reply);
bool redis_reply_is_array(const struct redisReply *reply);
/* The number of elements of an array, 0 if it is none; and the element at `index`, NULL past the end. */
size_t redis_reply_count(const struct redisReply *reply);
const struct redisReply *redis_reply_at(const struct redisReply *reply, size_t index);
/* An error's NUL-terminated text; NULL: it is no error. */
const char *redis_reply_error(const struct redisReply *reply);
void redis_reply_free(struct redisReply *reply);

/* ---- replies about servers ---- */

/* Reads the reply to ROLE. A server that does not answer it (the account may lack the right) is taken for a master. */
bool redis_reply_is_master(const struct redisReply *reply);
/* Reads a sentinel's reply with the master's address. False: it knows none, or the reply is malformed. */
bool redis_reply_place(const struct redisReply *reply, struct endpoint *master);

/* ---- what a connection reads ---- */

/* Sets the bound of elements on this connection: a larger array is a protocol error. */
void redis_reply_bound(struct redisContext *redis);

/* Whether one reply has exceeded REDIS_REPLY_BYTES: the connection must be closed. */
bool redis_reply_too_big(const struct redisContext *redis);

/* Whether data has arrived or the connection was closed although no command is in flight. The next reply would not
 * match its command. */
bool redis_reply_unasked(const struct redisContext *redis);

#endif
