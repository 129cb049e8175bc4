#include "relay/core/postings.h"

#include "common/mem.h"
#include "common/metrics.h"

#include <stdlib.h>

enum { FIRST_CAP = 4 };

static struct posting *place_of(const struct postings *postings, uint64_t number)
{
    return &postings->places[number & (postings->cap - 1)];
}

/* Those that had places of their own have such among twice as many, too. */
static void grow(struct postings *postings)
{
    struct postings old = *postings;
    postings->cap = old.cap ? 2 * old.cap : FIRST_CAP;
    postings->places = mem_zalloc(postings->cap * sizeof postings->places[0]);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.places[i].number)
            *place_of(postings, old.places[i].number) = old.places[i];
    free(old.places);
}

uint64_t postings_add(struct postings *postings, uint64_t owner, int64_t re)
{
    if (postings->count == POSTINGS_MAX)
        return 0;
    if (postings->count == postings->cap)
        grow(postings);
    do
        postings->last++;
    while (place_of(postings, postings->last)->number);
    *place_of(postings, postings->last) = (struct posting){postings->last, owner, re};
    postings->count++;
    return postings->last;
}

bool postings_take(struct postings *postings, uint64_t number, struct posting *taken)
{
    if (!number || !postings->cap || place_of(postings, number)->number != number)
        return false;
    *taken = *place_of(postings, number);
    place_of(postings, number)->number = 0;
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
    free(postings->places);
    postings->places = NULL;
    postings->count = postings->cap = 0;
}
