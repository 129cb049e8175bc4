/* rights.h: what a look-up has seen of a user's rights, so that whoever relies on it later can tell whether something was
 * taken away since. A user's generation is raised in the very transaction that takes something away. */
#ifndef CG_COMMON_RIGHTS_H
#define CG_COMMON_RIGHTS_H

#include "common/token.h"

/* The generation of a user who was erased, which nobody has proved a right under. */
#define RIGHTS_ERASED UINT32_MAX

struct rights {
    uint32_t generation;
    uint32_t tokens;  /* tokens of ours of an earlier generation are void */
    int64_t tokens_s; /* Unix time: tokens of others that are no younger are void; 0: none is */
};

/* Whether a token of that user's is still good. One that says neither its generation nor when it was given out (`iat`)
 * is void once any was. */
static inline bool rights_accept(const struct rights *rights, const struct token *token)
{
    if (token->generation >= 0)
        return token->generation >= rights->tokens;
    return !rights->tokens_s || token->issued_s > rights->tokens_s;
}

#endif
