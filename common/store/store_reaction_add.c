/* store_reaction_add.c: encodes reactions for histories. */
#include "common/json.h"
#include "common/store/store_reaction.h"

void store_reaction_add(struct buf *out, const struct store_reactions *of, uint64_t seq, size_t *at)
{
    while (*at < of->count && of->some[*at].seq < seq)
        ++*at;
    if (*at == of->count || of->some[*at].seq != seq)
        return;
    json_add_object(out, "reactions");
    for (; *at < of->count && of->some[*at].seq == seq; ++*at) {
        json_add_object(out, of->some[*at].emoji);
        json_add_u64(out, "count", of->some[*at].count);
        json_add_bool(out, "me", of->some[*at].me);
        json_end_object(out);
    }
    json_end_object(out);
}
