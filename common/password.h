/* password.h: hashes and verifies passwords. Never logs one.
 *
 * Argon2id with libsodium's interactive limits: 2 passes over 64 MiB, about 0.1 s of one core. The moderate limits
 * would take 256 MiB and nearly a second; guessing is slowed down most by the limit of attempts
 * (rest/services/limiter.h).
 *
 * A few threads do the work, to bound the cores and the memory (64 MiB each) that it takes. Callers wait in a queue
 * that is fair to payers: the payer that has used least comes next. Setting a password is charged four times as much
 * as checking one, on a separate account. When too many wait, the caller that is last in this order is refused, which
 * belongs to a payer that has asked most. */
#ifndef CG_COMMON_PASSWORD_H
#define CG_COMMON_PASSWORD_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PASSWORD_MIN = 6, /* bytes */
    PASSWORD_MAX = 256,
    PASSWORD_HASH_MAX = 129, /* bytes, with the NUL */
    PASSWORD_THREADS_MAX = 16,
};

/* Whether it may be a password: PASSWORD_MIN..PASSWORD_MAX bytes of any text. */
bool password_ok(struct str password);

/* Starts `threads` threads (0: half as many as there are cores, at least one). Up to `waiting` callers may wait.
 * ERR_BUSY: no thread could be started; ERR_INTERNAL: libsodium has no randomness. Call it once, before the functions
 * below. */
enum err password_start(unsigned threads, unsigned waiting) CG_MUST_CHECK;
/* Completes the calls that wait, then ends the threads. */
void password_stop(void);

/* A new hash with its salt and parameters, as text. `payer` is the client's address (rate_address_key; 0: unknown).
 * ERR_BUSY: too many wait, or there is not enough memory now. Blocks. Any thread. */
enum err password_hash(uint64_t payer, struct str password, char hash[PASSWORD_HASH_MAX]) CG_MUST_CHECK;

/* ERR_DENIED: the password is wrong. ERR_BUSY as above. Compares in constant time and takes as long as password_hash,
 * so that setting a new name's password and trying an old one's look alike. */
enum err password_check(uint64_t payer, struct str password, const char *hash) CG_MUST_CHECK;

#endif
