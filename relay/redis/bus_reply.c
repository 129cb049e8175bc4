/* bus_reply.c: access to a reply. In a file of its own so that tests can use it with a fake bus. */
#include "common/err.h"
#include "common/redis/redis_reply.h"
#include "relay/redis/bus.h"

static const struct redisReply *raw(const struct bus_reply *reply)
{
    return (const struct redisReply *)(const void *)reply;
}

int64_t bus_reply_number(const struct bus_reply *reply)
{
    return redis_reply_number(raw(reply));
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    return redis_reply_text(raw(reply));
}

size_t bus_reply_count(const struct bus_reply *reply)
{
    return redis_reply_count(raw(reply));
}

const struct bus_reply *bus_reply_at(const struct bus_reply *reply, size_t index)
{
    CG_ASSERT(index < bus_reply_count(reply));
    return (const struct bus_reply *)(const void *)redis_reply_at(raw(reply), index);
}
