/* keyring.h: the keys of the application's tokens as they are now: those of app_keys, app_jwks_file and app_jwks_url. The
 * only module of the servers that knows libcurl.
 *
 * A thread of its own reads the files again (keyring_reload) and fetches the URL: at the start, with every reload, once
 * an hour, and when a token names a key that is not there, at most once a minute. It asks http and https only, follows no
 * redirects, waits FETCH_MS at most and takes KEY_JWKS_MAX bytes. What cannot be read or fetched is logged and counted,
 * and what was there before stays.
 *
 * Any thread may take keys; none of them ever waits for a file or a server. */
#ifndef CG_COMMON_KEYRING_H
#define CG_COMMON_KEYRING_H

#include "common/key_set.h"
#include "common/settings.h"

struct keyring;

/* NULL with one line in `why`, which names the setting: a file cannot be read, or holds no key that can be used; the URL
 * is none. NULL and an empty `why`: no setting names any keys. Waits for the first answer of the URL, or that there is
 * none: the others' keys are good without it. `settings` must outlive it. */
struct keyring *keyring_new(const struct settings *settings, char why[256]);
/* Ends the thread. NULL: nothing. */
void keyring_free(struct keyring *keyring);

/* Reads the files and fetches the URL anew, later. NULL: nothing. May be called by any thread. */
void keyring_reload(struct keyring *keyring);

/* The keys as they are now, for as long as the caller needs them; NULL for NULL. */
const struct key_set *keyring_take(struct keyring *keyring);
void keyring_give_back(struct keyring *keyring, const struct key_set *set);

/* A token named a key that the set does not have. */
void keyring_miss(struct keyring *keyring);

#endif
