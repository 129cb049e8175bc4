/* stamp.h: what a message's content says of itself, so that whoever gets it can tell which it is and when it was due:
 *
 *   t=RRRRRRRRCCCCCCCCNNNNNNNNDDDDDDDDDDDDDDDD;0000…      hexadecimal, fixed widths
 *
 * R the run of the generator, C the room, N the message's number in the room from 0, D when it was due in nanoseconds;
 * zeroes up to the content's length. Nothing in it needs escaping in JSON, HTML or SQL. */
#ifndef BENCH_STAMP_H
#define BENCH_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAMP_LEN = 2 + 8 + 8 + 8 + 16 + 1 };

struct stamp {
    uint32_t run, room, number;
    uint64_t due_ns;
};

/* Writes a content of `len` bytes, STAMP_LEN at least. */
void stamp_write(char *out, size_t len, const struct stamp *stamp);
/* Reads STAMP_LEN bytes. False: that is no stamp. */
bool stamp_read(const char *text, struct stamp *stamp);

#endif
