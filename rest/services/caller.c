#include "rest/services/caller.h"

#include "common/clock.h"
#include "common/digest.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/store/store_keys.h"
#include "rest/services/auth.h"
#include "rest/services/moderate.h"

#include <pthread.h>
#include <strings.h>

enum { RATE_IDLE_MS = 60000 };

struct entry {
    char digest[DIGEST_MAX];
    struct store_key key;
    int64_t until_ms; /* 0: never used */
    int64_t noted_ms; /* when the database heard last that it is in use; 0: it has not from here */
};

/* One lock for all: it is held for a comparison and a copy. Two keys that fall on one entry take it from each other. */
static struct {
    pthread_mutex_t lock;
    struct entry entries[CALLER_KEYS_MAX];
    struct rate_table rates;
} keys = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct entry *entry_of(const char *digest)
{
    return &keys.entries[str_hash(str_of(digest), STR_HASH_SEED) % CALLER_KEYS_MAX];
}

static bool find_kept(const char *digest, struct store_key *key)
{
    const struct entry *entry = entry_of(digest);
    pthread_mutex_lock(&keys.lock);
    bool found = clock_mono_ms() < entry->until_ms && !strcmp(entry->digest, digest);
    if (found)
        *key = entry->key;
    pthread_mutex_unlock(&keys.lock);
    return found;
}

static void keep(const char *digest, const struct store_key *key)
{
    struct entry *entry = entry_of(digest);
    pthread_mutex_lock(&keys.lock);
    if (strcmp(entry->digest, digest) != 0)
        entry->noted_ms = 0;
    memcpy(entry->digest, digest, DIGEST_MAX);
    entry->key = *key;
    entry->until_ms = clock_mono_ms() + CALLER_BELIEVED_MS;
    pthread_mutex_unlock(&keys.lock);
}

/* Only what has the shape of a key is looked for. */
static enum err find_key(const struct call *call, struct str text, struct store_key *key)
{
    char digest[DIGEST_MAX];
    if (!id_is(text, STORE_KEY_PREFIX))
        return ERR_NOT_FOUND;
    digest_make(&text, 1, digest);
    if (find_kept(digest, key))
        return ERR_OK;
    enum err err = store_key_find(call->backends->store, str_of(digest), key);
    if (!err)
        keep(digest, key);
    return err;
}

void caller_done(const struct call *call)
{
    int64_t now_ms = clock_mono_ms();
    bool is_due = false;
    if (!call->caller || call->caller->is_user)
        return;
    pthread_mutex_lock(&keys.lock);
    for (size_t i = 0; i < CALLER_KEYS_MAX && !is_due; i++) {
        struct entry *entry = &keys.entries[i];
        if (!entry->until_ms || entry->key.id != call->caller->id)
            continue;
        is_due = !entry->noted_ms || now_ms - entry->noted_ms >= CALLER_NOTE_MS;
        if (!is_due)
            break;
        entry->noted_ms = now_ms;
    }
    pthread_mutex_unlock(&keys.lock);
    if (is_due) /* if it fails: in a minute */
        (void)!store_key_used(call->backends->store, call->caller->id);
}

/* ---- rates ---- */

enum err caller_charge(struct call *call, int64_t count)
{
    const struct settings *settings = call->backends->settings;
    const struct rate rate = {settings->rate_key, settings->rate_key_burst};
    int64_t now_ms = clock_mono_ms(), retry_after_ms;
    if (!call->caller || call->caller->is_user || !rate.per_s)
        return ERR_OK;
    pthread_mutex_lock(&keys.lock);
    rate_table_sweep(&keys.rates, now_ms, RATE_IDLE_MS);
    struct rate_entry *entry = rate_table_use(&keys.rates, call->caller->id, now_ms);
    bool taken = rate_take_many(&entry->bucket, rate, count, now_ms, &retry_after_ms);
    pthread_mutex_unlock(&keys.lock);
    if (taken)
        return ERR_OK;
    metric_inc(METRIC_RATE_REFUSED);
    call->retry_after_s = rate_seconds(retry_after_ms);
    return call_deny(call, REFUSAL_KEY_RATE);
}

/* ---- who it is ---- */

static struct str bearer(const struct http_request *request)
{
    static const char scheme[] = "Bearer ";
    const size_t len = sizeof scheme - 1;
    struct str given = request->authorization;
    if (given.len > len && !strncasecmp(given.ptr, scheme, len))
        return (struct str){given.ptr + len, given.len - len};
    return STR("");
}

static enum err by_key(struct call *call, const struct route *route, struct str text, struct caller *caller)
{
    struct store_key key;
    enum err err = find_key(call, text, &key);
    if (err == ERR_NOT_FOUND)
        return call_deny(call, REFUSAL_KEY_UNKNOWN);
    if (err)
        return err;
    if (!(key.scopes & route->scope))
        return call_deny(call, REFUSAL_KEY_SCOPE);
    *caller = (struct caller){.id = key.id};
    call->caller = caller;
    return caller_charge(call, 1);
}

/* Authenticates by a token of an application's user. At a front end, the code of the 401 for a token of another kind of
 * user is that of an unknown key. */
static enum err come(struct call *call, struct caller *caller, bool of_front_end)
{
    struct token token;
    enum token_refusal refusal = auth_token(call, &token);
    if (refusal)
        return auth_refused(call, refusal);
    *caller = (struct caller){.is_user = true};
    enum err err = store_app_user_come(call->backends->store, &token, &caller->user);
    token_fini(&token);
    if (err == ERR_NOT_FOUND && of_front_end)
        return auth_refused(call, TOKEN_UNKNOWN_KEY);
    if (err == ERR_NOT_FOUND || err == ERR_DENIED)
        return call_deny(call, REFUSAL_TOKEN_REVOKED);
    return err;
}

/* `route` NULL: any call of a front end. */
static enum err by_token(struct call *call, const struct route *route, struct caller *caller)
{
    enum err err = come(call, caller, !route);
    if (err)
        return err;
    if (route && !route->users)
        return call_deny(call, REFUSAL_KEY_NEEDED);
    caller->id = caller->user.user;
    call->caller = caller;
    return moderate(call, caller->id, 0, MODERATE_ENTER);
}

enum err caller_check(struct call *call, const struct route *route, struct caller *caller)
{
    struct str text = bearer(call->request);
    if (!text.len && !call->request->token.len)
        return call_deny(call, REFUSAL_TOKEN_MISSING);
    return text.len >= 3 && !memcmp(text.ptr, STORE_KEY_PREFIX, 3) ? by_key(call, route, text, caller)
                                                                   : by_token(call, route, caller);
}

enum err caller_check_front_end(struct call *call, struct caller *caller)
{
    if (!settings_doors_closed(call->backends->settings))
        return ERR_OK;
    begin_slow(call->backends);
    return by_token(call, NULL, caller);
}
