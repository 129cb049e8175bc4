/* posts.h: messages that are said by POST, over connections of their own: those of one room one after the other, so
 * that they stay in order. */
#ifndef BENCH_POSTS_H
#define BENCH_POSTS_H

#include "bench/load/world.h"

struct posts {
    /* Appends the request that says a message. */
    void (*ask)(const struct client *speaker, uint32_t number, uint64_t due_ns, struct bytes *out);
    /* Whether the body of its answer says that it was taken. */
    bool (*taken)(struct text body);
    bool acknowledges; /* that is the acknowledgement; else the message comes back */
};

/* A protocol's `say`. Always with the same `posts`. */
void posts_say(const struct posts *posts, struct client *speaker, uint32_t number, uint64_t due_ns);

#endif
