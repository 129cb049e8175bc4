/* redis_link.h: one asynchronous connection to a Redis server or a sentinel. It sends commands and matches answers to
 * callers; addresses and health are its owner's business. redis_link.c is the only file of the relay that uses
 * hiredis. Loop thread only. */
#ifndef CG_RELAY_REDIS_REDIS_LINK_H
#define CG_RELAY_REDIS_REDIS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct redisReply;

typedef void redis_link_fn(void *arg, const struct redisReply *reply);

/* The owner's handle. */
struct redis_link {
    struct conn *conn;      /* NULL: none */
    const char *lost;       /* why it ended by itself, a literal; drop it outside its callbacks. NULL: it has not */
    redis_link_fn *unasked; /* gets messages that answer no command; NULL: none may come */
    void *arg;              /* of `unasked` */
};

/* Starts connecting. `host` is a numeric address, or the path of a Unix socket with port 0. Authenticates if there is a
 * password; if the server refuses it, the link is lost ("auth"). */
bool redis_link_open(struct redis_link *link, uv_loop_t *loop, const char *host, int port, const char *password);
/* Queues a command for redis_link_flush; the link must be open. `fn` is called once, in order, from the loop; with NULL
 * if the connection ends before the answer. It may call redis_link_ask, but not drop or flush. */
void redis_link_ask(struct redis_link *link, redis_link_fn *fn, void *arg, int count, const char *const *args,
                    const size_t *lengths);
/* The same for a command whose answers go to `unasked` (SUBSCRIBE, UNSUBSCRIBE). */
void redis_link_say(struct redis_link *link, int count, const char *const *args, const size_t *lengths);
/* Sends the queued commands. Must not be called from the link's own callbacks. */
void redis_link_flush(struct redis_link *link);
/* Disconnects. Must not be called from the link's own callbacks. */
void redis_link_drop(struct redis_link *link);

#endif
