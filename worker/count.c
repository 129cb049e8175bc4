/* count.c: a consumer that counts stored messages by kind, since this worker began to consume the feed, to show that
 * the feed works. */
#include "common/store/store_words.h"
#include "worker/consumers.h"

#include <stdatomic.h>

enum { KINDS = MESSAGE_KIND_MAX + 1 };

static _Atomic uint64_t counts[KINDS]; /* 0: kinds of a later version */

enum err count_take(const struct feed_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        unsigned kind = (unsigned)batch->rows[i].kind;
        atomic_fetch_add_explicit(&counts[kind < KINDS ? kind : 0], 1, memory_order_relaxed);
    }
    return ERR_OK;
}

void count_print(struct buf *out)
{
    buf_add_text(out, "# HELP chaguan_feed_counted_total Messages that came by, by kind; some twice after a failure\n"
                      "# TYPE chaguan_feed_counted_total counter\n");
    for (unsigned kind = 0; kind < KINDS; kind++)
        buf_addf(out, "chaguan_feed_counted_total{kind=\"%s\"} %llu\n",
                 kind_word((enum message_kind)kind) ? kind_word((enum message_kind)kind) : "other",
                 (unsigned long long)atomic_load_explicit(&counts[kind], memory_order_relaxed));
}
