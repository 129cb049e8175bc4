#include "common/redis/redis_reply.h"

#include <hiredis/hiredis.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>

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
