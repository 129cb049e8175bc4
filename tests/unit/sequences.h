/* sequences.h: drivers that do what nobody would think of: random steps from a seed, in rounds of a fresh world each. A
 * few rounds in every run of the tests; SEQ_SECONDS=300 goes on for that long (make sequences does, sanitized), and
 * SEQ_SEED=N begins with that round: each round's seed is the one before and 1, and a failure names it. */
#ifndef CG_TESTS_SEQUENCES_H
#define CG_TESTS_SEQUENCES_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct {
    uint64_t seed;  /* of the round */
    uint64_t state; /* of the next random number */
    uint64_t steps; /* of all rounds */
} seq;

/* splitmix64 */
static uint64_t seq_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 to below - 1. */
static unsigned any(unsigned below)
{
    return (unsigned)(seq_next(&seq.state) % below);
}

/* Once in so many times. */
static bool once_in(unsigned times)
{
    return any(times) == 0;
}

static void seq_name(void)
{
    char text[64];
    int len = snprintf(text, sizeof text, "SEQ_SEED=%llu\n", (unsigned long long)seq.seed);
    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        _exit(1);
}

static void seq_on_abort(int number)
{
    (void)number;
    seq_name();
    signal(SIGABRT, SIG_DFL);
    abort();
}

/* Carries out rounds, and whatever a failed one is called by ends the program with its seed. */
static void seq_run(void (*round)(void), unsigned rounds)
{
    const char *seconds = getenv("SEQ_SECONDS"), *first = getenv("SEQ_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time_t until = now.tv_sec + (seconds ? atol(seconds) : 0);
    seq.seed = first ? strtoull(first, NULL, 10) : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    signal(SIGABRT, seq_on_abort);
    unsigned done = 0;
    do {
        seq.state = seq.seed;
        round();
        seq.seed++;
        clock_gettime(CLOCK_REALTIME, &now);
    } while (++done < rounds || now.tv_sec < until);
    print_message("%u rounds, %llu steps\n", done, (unsigned long long)seq.steps);
}

/* cmocka leaves a failed test by a jump: its teardown is where the seed can be told. */
static int seq_told_if(bool failed)
{
    if (failed)
        seq_name();
    return failed ? -1 : 0;
}

#endif
