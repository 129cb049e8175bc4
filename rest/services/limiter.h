/* limiter.h: limits wrong passwords by name and by address: settings->login_attempts a minute each, counted in Redis
 * for all REST processes, or while Redis is down in this process. Any thread, with its own backends.
 *
 * An attempt is counted before the password is checked and uncounted if it was right, so that parallel attempts get no
 * extra guesses. The price is that a stranger can block somebody else's login for a minute at a time. IPv6 addresses
 * count by their /64, which is what one customer has. */
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

/* Counts an attempt. ERR_BUSY: the name or the address has had too many; sets *retry_after_s. */
enum err limiter_begin(struct limiter_attempt *attempt, const struct backends *backends, enum store_realm realm,
                       struct str name, struct str remote, int64_t *retry_after_s) CG_MUST_CHECK;

/* A daily limit for an address or a user, counted in the same way, for a day from the first event. ERR_BUSY: there
 * were `most` already, and this one is not counted. Call limiter_day_forget if nothing came of it. */
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

/* Uncounts the attempt: the password was right, or could not be checked. */
void limiter_forget(struct limiter_attempt *attempt);

#endif
