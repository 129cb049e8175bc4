/* redis_link.h: one connection to a Redis, or to a sentinel, as a guest of the loop: the driver for a program that may not
 * wait. It says who asked and hands out the answers; what a Redis is for, where it is and whether it is well is its owner's
 * business. Its file is the only one of the relay that knows hiredis. Loop thread only. */
#ifndef CG_RELAY_REDIS_REDIS_LINK_H
#define CG_RELAY_REDIS_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct redisReply;

typedef void redis_link_fn(void *arg, const struct redisReply *reply);

/* The owner's end of it, if there is one. */
struct redis_link {
    struct conn *conn; /* NULL: none */
    const char *lost;  /* why it ended by itself, a literal; to be cleared up outside its callbacks. NULL: it has not */
    redis_link_fn *unasked; /* takes what answers nobody; NULL: nothing may */
    void *arg;              /* of `unasked` */
};

/* Connects without waiting; `host` is numeric, or the path of a Unix socket with port 0. Logs in if there is a
 * password; a server that refuses it is lost ("auth"). */
bool redis_link_open(struct redis_link *link, uv_loop_t *loop, const char *host, int port, const char *password);
/* Adds a command to what this turn of the loop sends; there is a connection. `fn` is called once, in order, from the loop:
 * with NULL if the connection ends before the answer. It may ask, but not drop or flush. */
void redis_link_ask(struct redis_link *link, redis_link_fn *fn, void *arg, int count, const char *const *args,
                    const size_t *lengths);
/* The same for a command whose answers are for `unasked` (SUBSCRIBE, UNSUBSCRIBE). */
void redis_link_say(struct redis_link *link, int count, const char *const *args, const size_t *lengths);
/* Sends what was asked of it in this turn of the loop; never from a callback of its own. */
void redis_link_flush(struct redis_link *link);
/* Ends it; never from a callback of its own. */
void redis_link_drop(struct redis_link *link);

#endif
