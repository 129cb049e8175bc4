#include "common/password.h"

#include <pthread.h>
#include <sodium.h>

_Static_assert(PASSWORD_HASH_MAX > crypto_pwhash_STRBYTES, "a hash fits");

static pthread_once_t once = PTHREAD_ONCE_INIT;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned working, waiting;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .left = PTHREAD_COND_INITIALIZER};

static void start(void)
{
    CG_NEED(sodium_init() >= 0, "random numbers");
}

static enum err enter(void)
{
    pthread_once(&once, start);
    pthread_mutex_lock(&gate.lock);
    enum err err = ERR_OK;
    if (gate.working == PASSWORD_AT_ONCE && gate.waiting == PASSWORD_WAITING) {
        err = ERR_BUSY;
    } else {
        gate.waiting++;
        while (gate.working == PASSWORD_AT_ONCE)
            pthread_cond_wait(&gate.left, &gate.lock);
        gate.waiting--;
        gate.working++;
    }
    pthread_mutex_unlock(&gate.lock);
    return err;
}

static void leave(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.working--;
    pthread_cond_signal(&gate.left);
    pthread_mutex_unlock(&gate.lock);
}

bool password_ok(struct str password)
{
    return password.len >= PASSWORD_MIN && password.len <= PASSWORD_MAX;
}

enum err password_hash(struct str password, char hash[PASSWORD_HASH_MAX])
{
    enum err err = enter();
    if (err)
        return err;
    /* the one way it can fail is for want of memory */
    if (crypto_pwhash_str(hash, password.ptr, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE))
        err = ERR_BUSY;
    leave();
    return err;
}

enum err password_check(struct str password, const char *hash)
{
    enum err err = enter();
    if (err)
        return err;
    /* libsodium wants exactly crypto_pwhash_STRBYTES, with NULs behind the text */
    char padded[crypto_pwhash_STRBYTES] = "";
    strncpy(padded, hash, sizeof padded - 1);
    if (crypto_pwhash_str_verify(padded, password.ptr, password.len))
        err = ERR_DENIED;
    leave();
    return err;
}
