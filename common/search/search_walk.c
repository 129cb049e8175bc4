#include "common/search/search_walk.h"

#include "common/clock.h"

#include <stdlib.h>

enum {
    WINDOW = 50000,     /* messages of the first window, about */
    QUICK_MS = 4,       /* a window that took less is followed by a larger one, */
    SLOW_MS = 12,       /* one that took more by a smaller one */
    ASKED_MAX = 1000,   /* conversations that an index is asked for at once; about 20 µs each */
    ASKED_AT_ONCE = 16, /* so few are asked for from the beginning */
    PROBE = 1000,       /* messages by which it is found out what is quicker */
};

enum err search_walk_init(struct search_walk *walk, struct search_index *index, struct str tokens, uint64_t before,
                          int64_t until_ms)
{
    uint64_t last, documents;
    *walk = (struct search_walk){.index = index, .tokens = tokens, .until_ms = until_ms};
    enum err err = search_index_bounds(index, &walk->first, &last);
    if (!err)
        err = search_index_number(index, SEARCH_DOCUMENTS, &documents);
    if (err)
        return err;
    walk->before = !before || before > last ? last + 1 : before;
    walk->span = documents > WINDOW ? (uint64_t)((double)(last - walk->first) / (double)documents * WINDOW) + 1
                                    : last - walk->first + 1;
    return ERR_OK;
}

void search_walk_within(struct search_walk *walk, const uint64_t *conversations, size_t count)
{
    walk->conversations = conversations;
    walk->conversation_count = count;
}

void search_walk_fini(struct search_walk *walk)
{
    buf_fini(&walk->by_conversation);
}

/* Asks for the conversations, too. */
static void narrow(struct search_walk *walk)
{
    struct buf *out = &walk->by_conversation;
    buf_init(out, walk->tokens.len + 64 + walk->conversation_count * 32);
    buf_add_text(out, "(");
    for (size_t i = 0; i < walk->conversation_count; i++)
        buf_addf(out, "%s\"" SEARCH_CONVERSATION_TOKEN "\"", i ? " OR " : "",
                 (unsigned long long)walk->conversations[i]);
    buf_add_text(out, ") AND ");
    buf_add_str(out, walk->tokens);
    walk->is_narrow = !out->failed;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *one = a, *other = b;
    return *one < *other ? -1 : *one > *other;
}

static bool is_theirs(const struct search_walk *walk, uint64_t conversation)
{
    return !walk->conversations ||
           bsearch(&conversation, walk->conversations, walk->conversation_count, sizeof conversation, by_number);
}

static void on_hit(void *arg, const struct search_hit *hit)
{
    struct search_walk *walk = arg;
    walk->rows++;
    walk->lowest = hit->id;
    if (is_theirs(walk, hit->conversation))
        walk->hits[walk->count++] = *hit;
}

/* One window, or what of it has as many as are wanted. */
static enum err look(struct search_walk *walk, size_t max)
{
    uint64_t from = walk->before - walk->first > walk->span ? walk->before - walk->span : walk->first;
    unsigned limit = (unsigned)(walk->conversations && !walk->is_narrow && max < PROBE ? PROBE : max);
    struct str tokens = walk->is_narrow ? buf_str(&walk->by_conversation) : walk->tokens;
    int64_t begun_ms = clock_mono_ms();
    walk->rows = 0;
    enum err err = search_index_find(walk->index, tokens, from, walk->before, limit, on_hit, walk);
    if (err)
        return err;
    int64_t took_ms = clock_mono_ms() - begun_ms;
    if (took_ms < QUICK_MS && walk->span < UINT64_MAX / 4)
        walk->span *= 2;
    else if (took_ms > SLOW_MS && walk->span > 4)
        walk->span /= 2;
    walk->before = walk->rows == limit ? walk->lowest : from;
    walk->met += walk->rows;
    walk->theirs += walk->count;
    return ERR_OK;
}

static bool should_narrow(const struct search_walk *walk)
{
    size_t count = walk->conversation_count;
    if (!walk->conversations || walk->is_narrow || count > ASKED_MAX)
        return false;
    return count <= ASKED_AT_ONCE || (walk->met >= PROBE && walk->theirs < walk->met / 16);
}

enum err search_walk_next(struct search_walk *walk, struct search_hit *hits, size_t max, size_t *count,
                          enum search_walked *walked)
{
    enum err err = ERR_OK;
    struct search_hit found[PROBE];
    *count = 0;
    *walked = SEARCH_SOME;
    if (max > SEARCH_HITS_MAX)
        max = SEARCH_HITS_MAX;
    while (!err && !*count) {
        if (walk->before <= walk->first || !walk->first || (walk->conversations && !walk->conversation_count)) {
            *walked = SEARCH_END;
            break;
        }
        if (clock_mono_ms() >= walk->until_ms) {
            *walked = SEARCH_CUT;
            break;
        }
        if (should_narrow(walk))
            narrow(walk);
        walk->hits = found;
        walk->count = 0;
        err = look(walk, max);
        *count = walk->count < max ? walk->count : max;
        if (walk->count > max) /* the others are walked through again */
            walk->before = found[max - 1].id;
    }
    memcpy(hits, found, *count * sizeof hits[0]);
    return err;
}
