#include "common/store/feed_pack.h"

#include "common/json.h"

enum { ROW_BYTES = 128, /* none is longer */ FIELDS = 5, SHORT = 3 };

static void add(struct buf *out, const struct feed_row *row)
{
    json_add_array(out, NULL);
    json_add_u64(out, NULL, row->conversation);
    json_add_u64(out, NULL, row->seq);
    json_add_u64(out, NULL, row->kind);
    if (row->after.stream) {
        json_add_u64(out, NULL, row->after.stream);
        json_add_u64(out, NULL, row->after.pos);
    }
    json_end_array(out);
}

size_t feed_pack(const struct feed_row *rows, size_t count, struct buf *earlier)
{
    size_t some = 1;
    buf_clear(earlier);
    if (count == 1)
        return some;
    json_begin_array(earlier);
    for (; some < count && some < FEED_PACK_ROWS && earlier->len + ROW_BYTES <= FEED_PACK_BYTES; some++)
        add(earlier, &rows[some - 1]);
    json_end_array(earlier);
    return some;
}

/* One row off the front of what is left of the column. */
static bool take(struct str *rest, struct feed_row *row)
{
    struct json_token token;
    int64_t fields[FIELDS] = {0};
    size_t count = 0;
    if (!json_token_next(rest, &token) || *token.text.ptr != '[')
        return false;
    while (json_token_next(rest, &token) && *token.text.ptr != ']')
        if (count == FIELDS || !json_whole(token.text, &fields[count++]))
            return false;
    *row = (struct feed_row){.conversation = (uint64_t)fields[0],
                             .seq = (uint64_t)fields[1],
                             .kind = (enum message_kind)fields[2],
                             .after = {(uint64_t)fields[3], (uint64_t)fields[4]}};
    return count == SHORT || count == FIELDS;
}

/* All of them, or how many there are before one that is none. */
static size_t take_all(struct str earlier, struct feed_row rows[FEED_PACK_ROWS])
{
    struct json_token token;
    size_t count = 0;
    if (json_vet(earlier, 2, FEED_PACK_ROWS * FIELDS) || !json_token_next(&earlier, &token) || *token.text.ptr != '[')
        return 0;
    while (count < FEED_PACK_ROWS && take(&earlier, &rows[count]))
        count++;
    return count;
}

void feed_unpack(const struct feed_row *last, uint64_t count, struct str earlier, feed_row_fn *fn, void *arg)
{
    struct feed_row rows[FEED_PACK_ROWS];
    size_t before = earlier.len ? take_all(earlier, rows) : 0;
    if (before + 1 == count)
        for (size_t i = 0; i < before; i++) {
            rows[i].at = (struct feed_place){last->at.stream, last->at.pos - before + i};
            fn(arg, &rows[i]);
        }
    fn(arg, last);
}
