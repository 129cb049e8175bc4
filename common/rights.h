/* rights.h: the generation of a user's rights as a look-up has read it, so that a later check can tell whether a right
 * was revoked since. The transaction that revokes a right raises the user's generation. */
#ifndef CG_COMMON_RIGHTS_H
#define CG_COMMON_RIGHTS_H

#include "common/token.h"

/* The generation of an erased user: no right can have been proved in it. */
#define RIGHTS_ERASED UINT32_MAX

struct rights {
    uint32_t generation;
    uint32_t tokens;  /* tokens of ours of an earlier generation are void */
    int64_t tokens_s; /* Unix time: tokens issued by others up to then are void; 0: none is */
};

/* Whether a token of that user is still valid. A token that has neither a generation nor the time it was issued
 * (`iat`) is void once any was revoked. */
static inline bool rights_accept(const struct rights *rights, const struct token *token)
{
    if (token->generation >= 0)
        return token->generation >= rights->tokens;
    return !rights->tokens_s || token->issued_s > rights->tokens_s;
}

#endif
