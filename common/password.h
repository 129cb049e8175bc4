/* password.h: hashing and checking passwords. The only module that knows libsodium. Never logs one.
 *
 * Argon2id with libsodium's interactive limits: 2 passes over 64 MiB, about 0.1 s of one core. Moderate would be
 * 256 MiB and nearly a second; a caller holds a REST thread meanwhile, and what slows a guesser down most is
 * the limiter of attempts (rest/limiter.h). At most PASSWORD_AT_ONCE are worked on at a time, so at most
 * 128 MiB, and a few more callers wait; who comes after those is told to come again. */
#ifndef CG_COMMON_PASSWORD_H
#define CG_COMMON_PASSWORD_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>

enum {
    PASSWORD_MIN = 6, /* bytes */
    PASSWORD_MAX = 256,
    PASSWORD_HASH_MAX = 129, /* bytes, with the NUL */
    PASSWORD_AT_ONCE = 2,
    PASSWORD_WAITING = 4,
};

/* Whether it may be a password: PASSWORD_MIN..PASSWORD_MAX bytes of any text. */
bool password_ok(struct str password);

/* A new hash with its salt and parameters, as text. ERR_BUSY: too many are at it, or there is no memory for
 * it now. Blocks for the time of up to 1 + PASSWORD_WAITING / PASSWORD_AT_ONCE hashes. */
enum err password_hash(struct str password, char hash[PASSWORD_HASH_MAX]) CG_MUST_CHECK;

/* ERR_DENIED: it is another. ERR_BUSY as above. Compares in constant time and takes as long as
 * password_hash, so that setting a new name's password and trying an old one's look alike. */
enum err password_check(struct str password, const char *hash) CG_MUST_CHECK;

#endif
