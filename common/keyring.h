/* keyring.h: the current keys for the application's tokens, from app_keys, app_jwks_file and app_jwks_url. The only
 * module of the servers that uses libcurl.
 *
 * A thread of its own reads the files again (keyring_reload) and fetches the URL: at the start, with every reload,
 * once an hour, and when a token names an unknown key, but then at most once a minute. It uses http and https only,
 * follows no redirects, waits at most FETCH_MS and accepts at most KEY_JWKS_MAX bytes. A failure is logged and
 * counted, and the former keys stay.
 *
 * Any thread may take keys, and never waits for a file or a server. */
#ifndef CG_COMMON_KEYRING_H
#define CG_COMMON_KEYRING_H

#include "common/key_set.h"
#include "common/settings.h"

struct keyring;

/* Reads the keys in files, and checks the form of the URL without asking it. *set is NULL without such settings; free it
 * with key_set_free. ERR_INVALID with one line in `why` that names the setting. */
enum err keyring_read(const struct settings *settings, struct key_set **set, char why[256]) CG_MUST_CHECK;

/* NULL with one line in `why` that names the setting: a file cannot be read or has no usable key, or the URL is
 * invalid. NULL with an empty `why`: no setting names keys. Waits for the URL's first answer or failure; on failure
 * the other keys are used without it. `settings` must outlive the keyring. */
struct keyring *keyring_new(const struct settings *settings, char why[256]);
/* Ends the thread. NULL: nothing. */
void keyring_free(struct keyring *keyring);

/* Has the files and the URL read again, without waiting. NULL: nothing. Any thread. */
void keyring_reload(struct keyring *keyring);

/* Takes a reference to the current keys, to be returned with keyring_give_back. NULL for NULL. */
const struct key_set *keyring_take(struct keyring *keyring);
void keyring_give_back(struct keyring *keyring, const struct key_set *set);

/* Reports that a token named a key which the set does not have. */
void keyring_miss(struct keyring *keyring);

#endif
