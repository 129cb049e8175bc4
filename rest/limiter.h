/* limiter.h: how many wrong passwords one name and one address may give: settings->login_attempts a minute each,
 * counted in Redis for all REST processes, and while Redis is down in a table of this one.
 *
 * An attempt is counted before the password is looked at and forgotten when it was right, so many at once get no
 * more guesses than one after the other. The price is that a stranger can keep somebody else from logging in for
 * a minute at a time. IPv6 addresses count by their /64, which is what one customer has. */
#ifndef CG_REST_LIMITER_H
#define CG_REST_LIMITER_H

#include "common/store.h"
#include "rest/router.h"

enum { LIMITER_WINDOW_MS = 60000, LIMITER_KEY_MAX = STORE_NAME_MAX + 32 };

struct limiter_attempt {
    const struct backends *backends;
    struct {
        char text[LIMITER_KEY_MAX];
        size_t len;
        bool counted;
    } keys[2]; /* the name's and the address's */
};

/* Counts an attempt. ERR_BUSY: one of the two has had too many; *retry_after_s tells when to come again. */
enum err limiter_begin(struct limiter_attempt *attempt, const struct backends *backends,
                       enum store_realm realm, struct str name, struct str remote,
                       int64_t *retry_after_s) CG_MUST_CHECK;

/* It was no wrong password: the right one, or it could not be looked at. */
void limiter_forget(struct limiter_attempt *attempt);

#endif
