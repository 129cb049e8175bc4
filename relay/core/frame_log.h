/* frame_log.h: an append-only log of encoded, framed events. A reader is a cursor into it.
 *
 *        start                                          end
 *   .....|frame|frame|frame|frame|frame|frame|frame|frame|
 *    gone       ^ a slow reader            ^ another     ^ most readers
 *
 * Offsets are absolute: they count all bytes ever appended, so trimming moves no cursor. The bytes from a cursor to the
 * end are contiguous, so one write(2) sends them all. Knows neither sockets nor rooms. Loop thread only. */
#ifndef CG_RELAY_CORE_FRAME_LOG_H
#define CG_RELAY_CORE_FRAME_LOG_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct frame_log_entry {
    uint64_t seq;         /* 0: the event is not stored */
    uint64_t offset;      /* of the frame's first byte */
    uint32_t passing : 1; /* a join or a leave, of which a history shows only the latest few */
    uint32_t header : 31; /* bytes of the frame before its payload */
    uint32_t payload;
};

struct frame_log {
    char *data;                      /* the bytes from `start` on */
    struct frame_log_entry *entries; /* oldest first */
    uint64_t start, end;
    uint32_t cap, max; /* bytes: allocated, kept at most */
    uint32_t count, entry_cap;
};

/* `max` bytes are kept at most (below 2 GiB). Allocates nothing yet. */
void frame_log_init(struct frame_log *log, size_t max);
void frame_log_fini(struct frame_log *log);

/* Appends one frame. Header and payload have at most max / 2 bytes together. If the frame does not fit, the older half
 * of the log is dropped first; dropping half at a time amortises the cost of moving the rest. */
void frame_log_append(struct frame_log *log, uint64_t seq, bool passing, struct str header, struct str payload);

/* Whether appending that many bytes would drop the oldest frames. */
bool frame_log_would_evict(const struct frame_log *log, size_t bytes);

/* Whether appending that many bytes needs more memory. */
bool frame_log_would_grow(const struct frame_log *log, size_t bytes);

/* Makes room without growing: drops the frames before `had` that are not stored (with `all`, all frames before `had`),
 * if they are at least a quarter of the allocated bytes. No cursor may lie before `had`. Keeps the memory, and the
 * offsets from `had` on. */
void frame_log_compact(struct frame_log *log, uint64_t had, bool all);

/* The bytes from `cursor` to the end. If they exceed `most`, as many whole frames as fit into `most`, and at least one.
 * `cursor` must lie in [start, end] and at a frame's first byte. Valid until the next append or trim. */
struct str frame_log_from(const struct frame_log *log, uint64_t cursor, size_t most);

/* Drops whole frames from the front until at most `keep` bytes are left or the next frame ends after offset `limit`.
 * Returns the bytes dropped. Frees the memory of a log that becomes empty. */
size_t frame_log_trim(struct frame_log *log, size_t keep, uint64_t limit);

/* Drops the frames at the front up to number `seq`, with the unnumbered ones between them. */
void frame_log_forget(struct frame_log *log, uint64_t seq);

/* Calls `fn` with the payloads of the last `count` stored events, oldest first. Leaves out the oldest ones past
 * `max_bytes`, and all but the last `passing_max` of the `passing` ones. Returns false, without calling `fn`, if the
 * log does not reach back that far: neither `count` events nor all back to number 1. `last_seq` is the room's last
 * number. */
struct frame_log_wanted {
    size_t count, passing_max, max_bytes;
};
typedef void frame_log_payload_fn(void *arg, struct str payload);
bool frame_log_tail(const struct frame_log *log, uint64_t last_seq, const struct frame_log_wanted *wanted,
                    frame_log_payload_fn *fn, void *arg);

/* Calls `fn` with the number and payload of each frame from `cursor` on, oldest first. `cursor` as above. */
typedef void frame_log_each_fn(void *arg, uint64_t seq, struct str payload);
void frame_log_each(const struct frame_log *log, uint64_t cursor, frame_log_each_fn *fn, void *arg);

/* Bytes of memory held. */
static inline size_t frame_log_memory(const struct frame_log *log)
{
    return log->cap + (size_t)log->entry_cap * sizeof log->entries[0];
}

#endif
