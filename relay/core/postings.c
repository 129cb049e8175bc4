#include "relay/core/postings.h"

#include "common/mem.h"
#include "common/metrics.h"

#include <stdlib.h>

enum { FIRST_CAP = 4 };

static struct posting *slot_of(const struct postings *postings, uint64_t number)
{
    return &postings->slots[number & (postings->cap - 1)];
}

/* Those that had slots of their own have such among twice as many, too. */
static void grow(struct postings *postings)
{
    struct postings old = *postings;
    postings->cap = old.cap ? 2 * old.cap : FIRST_CAP;
    postings->slots = mem_zalloc(postings->cap * sizeof postings->slots[0]);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slots[i].number)
            *slot_of(postings, old.slots[i].number) = old.slots[i];
    free(old.slots);
}

uint64_t postings_add(struct postings *postings, uint64_t owner, int64_t re)
{
    if (postings->count == POSTINGS_MAX)
        return 0;
    if (postings->count == postings->cap)
        grow(postings);
    do
        postings->last++;
    while (slot_of(postings, postings->last)->number);
    *slot_of(postings, postings->last) = (struct posting){postings->last, owner, re};
    postings->count++;
    return postings->last;
}

bool postings_take(struct postings *postings, uint64_t number, struct posting *taken)
{
    if (!number || !postings->cap || slot_of(postings, number)->number != number)
        return false;
    *taken = *slot_of(postings, number);
    slot_of(postings, number)->number = 0;
    if (--postings->count == 0)
        postings_fini(postings);
    return true;
}

bool postings_answered(struct postings *postings, uint64_t number, struct posting *taken)
{
    bool found = postings_take(postings, number, taken);
    if (!found)
        metric_inc(METRIC_ANSWERS_UNEXPECTED);
    return found;
}

void postings_fini(struct postings *postings)
{
    free(postings->slots);
    postings->slots = NULL;
    postings->count = postings->cap = 0;
}
