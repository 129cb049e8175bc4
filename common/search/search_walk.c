#include "common/search/search_walk.h"

#include "common/clock.h"

#include <stdlib.h>

enum {
    ASKED_MAX = 1000,   /* conversations that an index is asked for at once; about 20 µs each */
    ASKED_AT_ONCE = 64, /* so few are asked for from the beginning */
    PROBE = 1000,       /* messages by which it is found out what is quicker */
};

void search_walk_init(struct search_walk *walk, struct search_index *index, struct str tokens, uint64_t before,
                      int64_t until_ms)
{
    *walk = (struct search_walk){.index = index, .tokens = tokens, .before = before, .until_ms = until_ms};
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

/* As many as are wanted, or of what may be others' as many as tell. */
static enum err look(struct search_walk *walk, size_t max)
{
    struct search_wanted wanted = {.tokens = walk->is_narrow ? buf_str(&walk->by_conversation) : walk->tokens,
                                   .before = walk->before,
                                   .until_ms = walk->until_ms};
    wanted.limit = (unsigned)(walk->conversations && !walk->is_narrow && max < PROBE ? PROBE : max);
    walk->rows = 0;
    enum err err = search_index_find(walk->index, &wanted, on_hit, walk, &walk->is_cut);
    if (walk->rows)
        walk->before = walk->lowest;
    walk->is_through = !err && !walk->is_cut && walk->rows < wanted.limit;
    walk->met += walk->rows;
    walk->theirs += walk->count;
    return err;
}

static bool should_narrow(const struct search_walk *walk)
{
    size_t count = walk->conversation_count;
    if (!walk->conversations || walk->is_narrow || count > ASKED_MAX)
        return false;
    return count <= ASKED_AT_ONCE || (walk->met >= PROBE && walk->theirs < walk->met / 64);
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
        if (walk->is_through || (walk->conversations && !walk->conversation_count)) {
            *walked = SEARCH_END;
            break;
        }
        if (walk->is_cut || clock_mono_ms() >= walk->until_ms) {
            *walked = SEARCH_CUT;
            break;
        }
        if (should_narrow(walk))
            narrow(walk);
        walk->hits = found;
        walk->count = 0;
        err = look(walk, max);
        *count = walk->count < max ? walk->count : max;
        if (walk->count > max) { /* the others are walked through again */
            walk->before = found[max - 1].id;
            walk->is_through = walk->is_cut = false;
        }
    }
    memcpy(hits, found, *count * sizeof hits[0]);
    return err;
}
