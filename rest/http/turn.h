/* turn.h: who waits for requests. Of the worker threads only a few wait at epoll at once: were it all of them, each
 * request would wake another one, although one that is awake could go on with it.
 *
 * So whoever waits at epoll has a turn, keeps it from request to request, and leaves it before anything that may take
 * long: then somebody else waits there. What is done with a turn held delays all new requests. */
#ifndef CG_REST_HTTP_TURN_H
#define CG_REST_HTTP_TURN_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { TURNS = 2 };

/* Those of all threads. */
struct turns {
    pthread_mutex_t lock;
    pthread_cond_t free;
    size_t taken, wanted; /* threads that have one; that wait for one */
    bool ended;
};

/* That of one thread, used by it alone. Zeroed but for `of`: not held. */
struct turn {
    struct turns *of;
    bool held;
};

void turns_init(struct turns *turns);
void turns_fini(struct turns *turns);
/* From now on nobody waits for a turn any more, and any number of threads have one. */
void turns_end(struct turns *turns);

/* Waits until there is one, unless this thread has it. */
void turn_take(struct turn *turn);
/* Does not wait: false if there is none. */
bool turn_try(struct turn *turn);
/* Lets somebody else have it, if this thread does; `turn` may be NULL. */
void turn_leave(struct turn *turn);

#endif
