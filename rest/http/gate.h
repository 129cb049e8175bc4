/* gate.h: which worker threads wait for requests: leaders and followers. Only a few threads wait at epoll at once: were
 * it all of them, each request would wake another one, although one that is awake could go on with it.
 *
 * A thread that waits at epoll is a leader: it is inside the gate, stays there from request to request, and leaves before
 * anything that may take long. Then a follower, who waits outside, may come in. What a leader does inside delays all new
 * requests. */
#ifndef CG_REST_HTTP_GATE_H
#define CG_REST_HTTP_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { GATE_LEADERS = 2 };

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t room;
    size_t leaders, followers; /* threads inside; threads that wait to come in */
    bool is_open;              /* any number may come in */
};

/* Whether one thread is inside; used by it alone. Zeroed but for `of`: it is not. */
struct gate_pass {
    struct gate *of;
    bool inside;
};

void gate_init(struct gate *gate);
void gate_fini(struct gate *gate);
/* From now on nobody waits, and any number of threads are inside. */
void gate_open(struct gate *gate);

/* Waits until there is room inside, unless this thread is there. */
void gate_enter(struct gate_pass *pass);
/* Does not wait: false if there is no room. */
bool gate_try(struct gate_pass *pass);
/* Makes room for another, if this thread is inside; `pass` may be NULL. */
void gate_leave(struct gate_pass *pass);

#endif
