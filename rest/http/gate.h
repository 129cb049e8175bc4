/* gate.h: decides which worker threads wait for requests (leaders and followers). Only a few wait at epoll at once: if
 * all did, each request would wake another thread although one that is already awake could take it.
 *
 * A thread that waits at epoll is a leader. It is inside the gate, stays there from request to request, and leaves
 * before anything slow; then a follower, which waits outside, may enter. Work done inside delays all new requests.
 * Thread-safe. */
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

/* One thread's state, used by that thread alone. Zeroed but for `of`: outside. */
struct gate_pass {
    struct gate *of;
    bool inside;
};

void gate_init(struct gate *gate);
void gate_fini(struct gate *gate);
/* From now on no thread waits, and any number may be inside. */
void gate_open(struct gate *gate);

/* Waits until there is room inside, unless this thread is there. */
void gate_enter(struct gate_pass *pass);
/* Enters without waiting; false if there is no room. */
bool gate_try(struct gate_pass *pass);
/* Leaves, if this thread is inside. `pass` may be NULL. */
void gate_leave(struct gate_pass *pass);

#endif
