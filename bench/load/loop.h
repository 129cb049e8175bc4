/* loop.h: waits for sockets, and knows the time. One thread, one epoll set, level-triggered. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_S  UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)

/* Stands in whatever has a socket. `ready` may close its own socket and others'. */
struct source {
    void (*ready)(struct source *source, uint32_t events);
};

/* The monotonic time in nanoseconds. */
uint64_t now_ns(void);

void loop_open(void);
/* `events`: of epoll. A descriptor leaves the set when it is closed. */
void loop_add(int fd, uint32_t events, struct source *source);
void loop_change(int fd, uint32_t events, struct source *source);
/* Waits until something is ready, `until_ns` at most (a time; one that has passed: does not wait), and lets it act
 * once. False: nothing was. */
bool loop_turn(uint64_t until_ns);
/* To be called before a source's memory is used again while a turn may still have events of its closed socket. */
void loop_forget(struct source *source);

/* A non-blocking TCP connection to a port of this machine, begun; -1: it could not be, errno says why. `source_host`
 * is the last byte of the address 127.0.0.x it comes from, 0: any. *done: it is there already. */
int dial(int port, unsigned source_host, bool *done);
/* What became of a connection that was begun: 0, or its error. */
int dial_error(int fd);

#endif
