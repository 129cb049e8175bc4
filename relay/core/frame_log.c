#include "relay/core/frame_log.h"

#include "common/err.h"
#include "common/mem.h"

#include <stdlib.h>

void frame_log_init(struct frame_log *log, size_t max)
{
    CG_ASSERT(max <= INT32_MAX);
    *log = (struct frame_log){.max = (uint32_t)max};
}

void frame_log_fini(struct frame_log *log)
{
    free(log->data);
    free(log->entries);
    frame_log_init(log, log->max);
}

static size_t used(const struct frame_log *log)
{
    return (size_t)(log->end - log->start);
}

static size_t frame_bytes(const struct frame_log_entry *entry)
{
    return entry->header + entry->payload;
}

size_t frame_log_trim(struct frame_log *log, size_t keep, uint64_t limit)
{
    size_t drop = 0, gone = 0;
    for (; gone < log->count && used(log) - drop > keep; gone++) {
        const struct frame_log_entry *oldest = &log->entries[gone];
        if (oldest->offset + frame_bytes(oldest) > limit)
            break;
        drop += frame_bytes(oldest);
    }
    if (!gone)
        return 0;
    log->start += drop;
    log->count -= (uint32_t)gone;
    memmove(log->data, log->data + drop, used(log));
    memmove(log->entries, log->entries + gone, log->count * sizeof log->entries[0]);
    if (!used(log)) {
        free(log->data);
        free(log->entries);
        log->data = NULL;
        log->entries = NULL;
        log->cap = log->entry_cap = 0;
    }
    return drop;
}

void frame_log_forget(struct frame_log *log, uint64_t seq)
{
    uint64_t limit = log->start;
    for (size_t i = 0; i < log->count && log->entries[i].seq <= seq; i++)
        if (log->entries[i].seq)
            limit = log->entries[i].offset + frame_bytes(&log->entries[i]);
    if (limit > log->start)
        frame_log_trim(log, 0, limit);
}

bool frame_log_would_evict(const struct frame_log *log, size_t bytes)
{
    return used(log) + bytes > log->max;
}

bool frame_log_would_grow(const struct frame_log *log, size_t bytes)
{
    return used(log) + bytes > log->cap || log->count == log->entry_cap;
}

void frame_log_compact(struct frame_log *log, uint64_t had, bool all)
{
    size_t drop = 0, kept = 0;
    for (size_t i = 0; i < log->count && log->entries[i].offset < had; i++)
        if (all || !log->entries[i].seq)
            drop += frame_bytes(&log->entries[i]);
    if (drop * 4 < log->cap)
        return;
    uint64_t start = log->start + drop, next = start;
    for (size_t i = 0; i < log->count; i++) {
        struct frame_log_entry entry = log->entries[i];
        if (entry.offset < had && (all || !entry.seq))
            continue;
        memmove(log->data + (next - start), log->data + (entry.offset - log->start), frame_bytes(&entry));
        entry.offset = next;
        next += frame_bytes(&entry);
        log->entries[kept++] = entry;
    }
    log->start = start;
    log->count = (uint32_t)kept;
}

static void grow(struct frame_log *log, size_t bytes)
{
    size_t need = used(log) + bytes;
    if (need > log->cap) {
        size_t cap = log->cap ? log->cap : 512;
        while (cap < need)
            cap += cap / 2; /* half of it unused at most: most logs are small, and there are many */
        log->cap = cap < log->max ? (uint32_t)cap : log->max;
        log->data = mem_realloc(log->data, log->cap);
    }
    if (log->count == log->entry_cap) {
        log->entry_cap += log->entry_cap ? log->entry_cap / 2 : 4;
        log->entries = mem_realloc(log->entries, log->entry_cap * sizeof log->entries[0]);
    }
}

void frame_log_append(struct frame_log *log, uint64_t seq, bool passing, struct str header, struct str payload)
{
    size_t bytes = header.len + payload.len;
    CG_ASSERT(bytes <= log->max / 2);
    if (frame_log_would_evict(log, bytes))
        frame_log_trim(log, log->max / 2, log->end);
    grow(log, bytes);
    char *at = log->data + used(log);
    memcpy(at, header.ptr, header.len);
    memcpy(at + header.len, payload.ptr, payload.len);
    log->entries[log->count++] = (struct frame_log_entry){
        .seq = seq,
        .offset = log->end,
        .passing = passing,
        .header = (uint32_t)header.len & INT32_MAX,
        .payload = (uint32_t)payload.len,
    };
    log->end += bytes;
}

/* The end of the last frame that ends at or before `limit`; of the first one after `cursor` if none. */
static uint64_t frame_end(const struct frame_log *log, uint64_t cursor, uint64_t limit)
{
    size_t low = 0, high = log->count; /* entries[low - 1] ends at or before limit, entries[high] after */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct frame_log_entry *entry = &log->entries[middle];
        if (entry->offset + frame_bytes(entry) <= limit)
            low = middle + 1;
        else
            high = middle;
    }
    CG_ASSERT(low < log->count);
    const struct frame_log_entry *entry = &log->entries[low];
    return entry->offset > cursor ? entry->offset : entry->offset + frame_bytes(entry);
}

struct str frame_log_from(const struct frame_log *log, uint64_t cursor, size_t most)
{
    CG_ASSERT(cursor >= log->start && cursor <= log->end);
    size_t bytes = (size_t)(log->end - cursor);
    if (bytes > most)
        bytes = (size_t)(frame_end(log, cursor, cursor + most) - cursor);
    return (struct str){log->data + (cursor - log->start), bytes};
}

bool frame_log_tail(const struct frame_log *log, uint64_t last_seq, const struct frame_log_wanted *wanted,
                    frame_log_payload_fn *fn, void *arg)
{
    size_t at = log->count, oldest = at, bytes = 0, count = 0, passing = 0;
    size_t skipped = 0, left_out = 0; /* of the passing ones, which are the oldest: so far; behind `oldest` */
    uint64_t expected = last_seq;
    bool full = false;
    while (!full && count < wanted->count && at > 0) {
        const struct frame_log_entry *entry = &log->entries[--at];
        if (!entry->seq)
            continue;
        if (entry->seq != expected--)
            return false;
        if (entry->passing && passing == wanted->passing_max) {
            skipped++;
            continue;
        }
        bytes += entry->payload;
        full = bytes > wanted->max_bytes && count;
        if (full)
            break;
        oldest = at;
        left_out = skipped;
        passing += entry->passing;
        count++;
    }
    if (!full && count < wanted->count && expected)
        return false;
    for (at = oldest; at < log->count; at++) {
        const struct frame_log_entry *entry = &log->entries[at];
        if (!entry->seq)
            continue;
        if (entry->passing && left_out)
            left_out--;
        else
            fn(arg, (struct str){log->data + (entry->offset - log->start) + entry->header, entry->payload});
    }
    return true;
}

void frame_log_each(const struct frame_log *log, uint64_t cursor, frame_log_each_fn *fn, void *arg)
{
    size_t at = log->count;
    CG_ASSERT(cursor >= log->start && cursor <= log->end);
    while (at && log->entries[at - 1].offset >= cursor)
        at--;
    for (; at < log->count; at++) {
        const struct frame_log_entry *entry = &log->entries[at];
        fn(arg, entry->seq, (struct str){log->data + (entry->offset - log->start) + entry->header, entry->payload});
    }
}
