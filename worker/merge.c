#include "worker/merge.h"

static const struct merge_stream *find(const struct merge_stream *streams, size_t count, uint64_t id)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (streams[middle].stream.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && streams[low].stream.id == id ? &streams[low] : NULL;
}

static bool may_come(const struct merge_stream *streams, size_t count, const struct feed_row *row)
{
    const struct merge_stream *other = row->after.stream ? find(streams, count, row->after.stream) : NULL;
    return !other || other->stream.passed >= row->after.pos;
}

void merge_rows(struct merge_stream *streams, size_t count, struct feed_row *out, size_t *taken)
{
    bool some = true;
    *taken = 0;
    while (some) {
        some = false;
        for (size_t i = 0; i < count; i++) {
            struct merge_stream *stream = &streams[i];
            while (stream->next < stream->count && may_come(streams, count, &stream->rows[stream->next])) {
                const struct feed_row *row = &stream->rows[stream->next++];
                stream->stream.passed = row->at.pos;
                out[(*taken)++] = *row;
                some = true;
            }
        }
    }
}
