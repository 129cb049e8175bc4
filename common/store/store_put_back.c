/* store_put_back.c: detects a database that was put back to an older state, which would give out numbers again, and
 * begins a new epoch. */
#include "common/store/store_sql.h"

#include <stdio.h>
#include <stdlib.h>

static int by_conversation(const void *a, const void *b)
{
    uint64_t left = ((const struct store_anchor *)a)->conversation;
    uint64_t right = ((const struct store_anchor *)b)->conversation;
    return left < right ? -1 : left > right;
}

struct compared {
    struct store_anchor *anchors; /* ascending by conversation, of which each may be there more than once */
    size_t count;
};

static size_t first_of(const struct compared *compared, uint64_t conversation)
{
    size_t low = 0, high = compared->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compared->anchors[middle].conversation < conversation)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void on_tail(void *arg, const struct db_value *c)
{
    const struct compared *compared = arg;
    for (size_t i = first_of(compared, c[0].number);
         i < compared->count && compared->anchors[i].conversation == c[0].number; i++) {
        struct store_anchor *anchor = &compared->anchors[i];
        anchor->tail = c[1].number;
        anchor->trimmed = c[2].number;
        anchor->forgets = c[3].number;
        anchor->lost = anchor->tail < anchor->seq;
    }
}

static void on_kept(void *arg, const struct db_value *c)
{
    const struct compared *compared = arg;
    for (size_t i = first_of(compared, c[0].number);
         i < compared->count && compared->anchors[i].conversation == c[0].number; i++)
        if (compared->anchors[i].seq == c[1].number && compared->anchors[i].batch != c[2].number)
            compared->anchors[i].lost = true;
}

static enum err compare_tails(struct store *store, struct compared *compared)
{
    struct buf sql;
    buf_init(&sql, 96 + compared->count * 21);
    buf_add_text(&sql, "SELECT id, seq, trimmed, forgets FROM conversation WHERE id IN (");
    for (size_t i = 0; i < compared->count; i++) {
        if (i)
            buf_add_char(&sql, ',');
        buf_add_u64(&sql, compared->anchors[i].conversation);
    }
    buf_add(&sql, ")", 2); /* with the NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_tail, compared);
    buf_fini(&sql);
    return err;
}

static enum err compare_batches(struct store *store, struct compared *compared)
{
    struct buf sql;
    bool some = false;
    buf_init(&sql, 128 + compared->count * 80);
    buf_add_text(&sql, "SELECT conversation, seq, batch_id FROM message FORCE INDEX (PRIMARY)");
    for (size_t i = 0; i < compared->count; i++) {
        const struct store_anchor *anchor = &compared->anchors[i];
        if (!anchor->seq || anchor->lost)
            continue;
        buf_addf(&sql, " %s (conversation = %llu AND seq = %llu)", some ? "OR" : "WHERE",
                 (unsigned long long)anchor->conversation, (unsigned long long)anchor->seq);
        some = true;
    }
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = some ? db_run(store->db, sql.data, on_kept, compared) : ERR_OK;
    buf_fini(&sql);
    return err;
}

enum err store_compare(struct store *store, struct store_anchor *anchors, size_t count)
{
    struct compared compared = {anchors, count};
    if (!count)
        return ERR_OK;
    qsort(anchors, count, sizeof anchors[0], by_conversation);
    for (size_t i = 0; i < count; i++) {
        anchors[i].tail = anchors[i].trimmed = anchors[i].forgets = 0;
        anchors[i].lost = true; /* until its conversation is there */
    }
    enum err err = compare_tails(store, &compared);
    return err ? err : compare_batches(store, &compared);
}

/* Not just one more: the lost time may have raised it, too, and its epochs are not known here. */
enum err store_raise_epoch(struct store *store, uint64_t *epoch)
{
    enum err err = db_run(store->db,
                          "UPDATE meta SET value = GREATEST(CAST(value AS UNSIGNED) + 1, UNIX_TIMESTAMP())"
                          " WHERE name = 'epoch'",
                          NULL, NULL);
    return err ? err : store_epoch(store, epoch);
}

enum err store_raise_epoch_from(struct store *store, uint64_t from, uint64_t above, uint64_t *epoch)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "UPDATE meta SET value = GREATEST(CAST(value AS UNSIGNED) + 1, UNIX_TIMESTAMP(), %llu)"
             " WHERE name = 'epoch' AND value = '%llu'",
             (unsigned long long)above + 1, (unsigned long long)from);
    enum err err = db_run(store->db, sql, NULL, NULL);
    return err ? err : store_epoch(store, epoch);
}
