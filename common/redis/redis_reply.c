#include "common/redis/redis_reply.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>

bool redis_reply_is_number(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER;
}

int64_t redis_reply_number(const redisReply *reply)
{
    return redis_reply_is_number(reply) ? reply->integer : 0;
}

bool redis_reply_is_text(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING;
}

struct str redis_reply_text(const redisReply *reply)
{
    return redis_reply_is_text(reply) ? (struct str){reply->str, (size_t)reply->len} : STR("");
}

bool redis_reply_is_array(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ARRAY;
}

size_t redis_reply_count(const redisReply *reply)
{
    return redis_reply_is_array(reply) ? reply->elements : 0;
}

const redisReply *redis_reply_at(const redisReply *reply, size_t index)
{
    return index < redis_reply_count(reply) ? reply->element[index] : NULL;
}

const char *redis_reply_error(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ERROR ? reply->str : NULL;
}

void redis_reply_free(redisReply *reply)
{
    freeReplyObject(reply);
}

bool redis_reply_is_master(const redisReply *reply)
{
    const redisReply *role = redis_reply_at(reply, 0);
    return !redis_reply_is_text(role) || str_eq(redis_reply_text(role), STR("master"));
}

bool redis_reply_place(const redisReply *reply, struct endpoint *master)
{
    return redis_reply_count(reply) == 2 && endpoint_from(redis_reply_text(redis_reply_at(reply, 0)),
                                                          redis_reply_text(redis_reply_at(reply, 1)), master);
}

#if HIREDIS_MAJOR > 0
typedef size_t element_count;
#else
typedef int element_count;
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static redisReplyObjectFunctions theirs, bounded;

static void *create_array(const redisReadTask *task, element_count elements)
{
    return (unsigned long long)elements > REDIS_REPLY_ELEMENTS ? NULL : theirs.createArray(task, elements);
}

static void collect_functions(void)
{
    redisReader *reader = redisReaderCreate();
    if (!reader)
        return;
    theirs = bounded = *reader->fn;
    bounded.createArray = create_array;
    redisReaderFree(reader);
}

void redis_reply_bound(redisContext *redis)
{
    pthread_once(&once, collect_functions);
    if (theirs.createArray)
        redis->reader->fn = &bounded;
}

bool redis_reply_too_big(const redisContext *redis)
{
    return redis->reader->len - redis->reader->pos > REDIS_REPLY_BYTES;
}

bool redis_reply_unasked(const redisContext *redis)
{
    struct pollfd fd = {.fd = redis->fd, .events = POLLIN | POLLRDHUP};
    return redis->reader->len > redis->reader->pos || poll(&fd, 1, 0) > 0;
}
