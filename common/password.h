/* password.h: hashing and checking passwords. The only module that knows libsodium. Never logs one.
 *
 * Argon2id with libsodium's interactive limits: 2 passes over 64 MiB, about 0.1 s of one core. Moderate would be
 * 256 MiB and nearly a second; what slows a guesser down most is the limiter of attempts (rest/services/limiter.h).
 *
 * It is done by a few threads of its own, so that many take neither the machine's cores nor its memory (64 MiB each).
 * Who asks waits, in a queue that is fair to those who pay: the next is always of whoever has had least. Setting a
 * password costs four times what checking one does, on an account of its own. When too many wait, the one that is
 * furthest from its turn is told to come again, which is one of those who asked for most. */
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

/* Starts `threads` of them (0: half as many as there are cores, at least one), for whom up to `waiting` callers may wait.
 * ERR_BUSY: no threads are to be had; ERR_INTERNAL: libsodium has no randomness. Once, before anybody asks. */
enum err password_start(unsigned threads, unsigned waiting) CG_MUST_CHECK;
/* Does what is still waited for, then ends the threads. */
void password_stop(void);

/* A new hash with its salt and parameters, as text. `payer` is the address that asks (rate_address_key), 0 if it is not
 * known. ERR_BUSY: too many wait, or there is no memory for it now. Blocks meanwhile. Any thread. */
enum err password_hash(uint64_t payer, struct str password, char hash[PASSWORD_HASH_MAX]) CG_MUST_CHECK;

/* ERR_DENIED: it is another. ERR_BUSY as above. Compares in constant time and takes as long as
 * password_hash, so that setting a new name's password and trying an old one's look alike. */
enum err password_check(uint64_t payer, struct str password, const char *hash) CG_MUST_CHECK;

#endif
