/* options.h: what the command line says. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>

enum { MAX_ADDRESSES = 16, MAX_GROUPS = 16, MAX_PIDS = 32, GROUP_NAME = 32, LABEL_MAX = 24, CONTENT_MAX = 16384 };

struct pid_group {
    char name[GROUP_NAME];
    int pids[MAX_PIDS];
    unsigned count;
};

struct options {
    const char *protocol;
    int to[MAX_ADDRESSES]; /* ports of 127.0.0.1 */
    unsigned to_count;
    int http; /* 0: none */
    struct pid_group groups[MAX_GROUPS];
    unsigned group_count;
    unsigned clients, rooms;
    double rate;     /* messages a second in all; 0: not an open loop */
    unsigned window; /* of each room; 0: not a closed loop */
    double seconds, warmup;
    unsigned bytes; /* of a message's content */
    bool herd;
    const char *label;
};

/* Ends the program, with 2, if the command line makes no sense; with 0 after --help. */
void options_read(struct options *options, int argc, char **argv);

#endif
