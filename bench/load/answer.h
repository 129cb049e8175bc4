/* answer.h: reads HTTP/1.1 answers (RFC 9112, as far as servers of ours and our peers go). Knows no sockets. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include "bench/load/bytes.h"

struct answer {
    unsigned status;
    bool last; /* the server closes the connection after it */
    bool chunked;
    struct text head; /* with its empty line */
    struct text body; /* a chunked one's is in a buffer that the next call overwrites */
};

/* The head at the front: how many bytes it takes up, 0 if it is not whole yet, -1 if it is none. *body_len: as it
 * says; 0 if it is chunked. `body` is not set. */
long answer_read_head(struct text bytes, struct answer *answer, size_t *body_len);
/* The same with the body. */
long answer_read(struct text bytes, struct answer *answer);
/* The chunk at the front: how many bytes it takes up, 0 if it is not whole yet, -1 if it is none. An empty one is
 * the last. */
long answer_read_chunk(struct text bytes, struct text *chunk);

#endif
