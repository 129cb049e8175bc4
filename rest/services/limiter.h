/* limiter.h: how many wrong passwords one name and one address may give: settings->login_attempts a minute each,
 * counted in Redis for all REST processes, and while Redis is down in a table of this one.
 *
 * An attempt is counted before the password is looked at and forgotten when it was right, so many at once get no
 * more guesses than one after the other. The price is that a stranger can keep somebody else from logging in for
 * a minute at a time. IPv6 addresses count by their /64, which is what one customer has. */
#ifndef CG_REST_SERVICES_LIMITER_H
#define CG_REST_SERVICES_LIMITER_H

#include "common/store/store.h"
#include "rest/http/call.h"

enum { LIMITER_WINDOW_MS = 60000, LIMITER_DAY_MS = 24 * 3600000, LIMITER_KEY_MAX = STORE_NAME_MAX + 32 };

struct limiter_attempt {
    const struct backends *backends;
    struct {
        char text[LIMITER_KEY_MAX];
        size_t len;
        bool counted;
    } keys[2]; /* the name's and the address's */
};

/* Counts an attempt. ERR_BUSY: one of the two has had too many; *retry_after_s tells when to come again. */
enum err limiter_begin(struct limiter_attempt *attempt, const struct backends *backends, enum store_realm realm,
                       struct str name, struct str remote, int64_t *retry_after_s) CG_MUST_CHECK;

/* So many of something a day, for an address or a user: counted in the same way, for a day from the first on. ERR_BUSY:
 * there were `most` already, this one is not counted. What then came to nothing is forgotten. */
struct limiter_day {
    const struct backends *backends;
    char text[LIMITER_KEY_MAX];
    size_t len;
    bool counted; /* false in a zeroed one */
};
enum err limiter_day_address(struct limiter_day *day, const struct backends *backends, const char *what,
                             struct str remote, int64_t most, int64_t *retry_after_s) CG_MUST_CHECK;
enum err limiter_day_user(struct limiter_day *day, const struct backends *backends, const char *what, uint64_t user,
                          int64_t most, int64_t *retry_after_s) CG_MUST_CHECK;
void limiter_day_forget(struct limiter_day *day);

/* It was no wrong password: the right one, or it could not be looked at. */
void limiter_forget(struct limiter_attempt *attempt);

#endif
