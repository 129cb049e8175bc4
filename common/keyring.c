#include "common/keyring.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
    FETCH_MS = 5000,
    AGAIN_MS = 60 * 1000,   /* between two fetches for keys that were missed, and after one that failed */
    STALE_MS = 3600 * 1000, /* a key that was withdrawn is trusted no longer than that */
};

struct keyring {
    const struct settings *settings;
    pthread_t thread;

    pthread_mutex_t lock; /* all that follows */
    pthread_cond_t wake;  /* for the thread */
    pthread_cond_t first; /* the URL was asked for the first time */
    struct key_set *set;  /* files and fetched, as one */
    bool reload, missed, stopping, asked;
    int64_t missed_at_ms; /* monotonic: no fetch for a missed key before */
    int64_t stale_at_ms;

    /* the thread's own once it runs */
    struct key_set *files, *fetched; /* the last good ones; NULL: there was none */
};

/* Of its own, as the one of common/clock.h can be made to stand still. */
static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool is_given(const char *setting)
{
    return setting && *setting;
}

/* ---- what is there now ---- */

static void unref(struct key_set *set)
{
    if (set && --set->refs == 0)
        key_set_free(set);
}

const struct key_set *keyring_take(struct keyring *keyring)
{
    if (!keyring)
        return NULL;
    pthread_mutex_lock(&keyring->lock);
    keyring->set->refs++;
    struct key_set *set = keyring->set;
    pthread_mutex_unlock(&keyring->lock);
    return set;
}

void keyring_give_back(struct keyring *keyring, const struct key_set *set)
{
    if (!keyring)
        return;
    pthread_mutex_lock(&keyring->lock);
    unref((struct key_set *)(uintptr_t)set);
    pthread_mutex_unlock(&keyring->lock);
}

/* Makes one of what was read and fetched. */
static void publish(struct keyring *keyring)
{
    struct key_set *set = key_set_new();
    size_t doubled = keyring->files ? key_set_add_all(set, keyring->files) : 0;
    doubled += keyring->fetched ? key_set_add_all(set, keyring->fetched) : 0;
    if (doubled)
        log_warn("keys.doubled", "count=%zu msg=\"keys of app_jwks_url whose kid a file has are not used\"", doubled);
    log_info("keys", "count=%zu", set->count);
    metric_set(METRIC_TOKEN_KEYS, (int64_t)set->count);
    pthread_mutex_lock(&keyring->lock);
    unref(keyring->set);
    keyring->set = set;
    pthread_mutex_unlock(&keyring->lock);
}

/* ---- files ---- */

static enum err read_files(const struct settings *settings, struct key_set **files, char why[256])
{
    struct key_set *set = key_set_new();
    char wrong[256];
    enum err err = is_given(settings->app_keys) ? key_set_read_dir(set, settings->app_keys, wrong) : ERR_OK;
    if (err)
        snprintf(why, 256, "app_keys: %.230s", wrong);
    else if (is_given(settings->app_jwks_file) && (err = key_set_read_jwks_file(set, settings->app_jwks_file, wrong)))
        snprintf(why, 256, "app_jwks_file: %.230s", wrong);
    if (err)
        key_set_free(set);
    else
        *files = set;
    return err;
}

static void read_anew(struct keyring *keyring)
{
    struct key_set *files;
    char why[256];
    if (read_files(keyring->settings, &files, why)) {
        metric_inc(METRIC_TOKEN_KEYS_FAILED);
        log_error("keys.not_read", "msg=\"%s\" note=\"the keys of before stay\"", why);
        return;
    }
    key_set_free(keyring->files);
    keyring->files = files;
}

/* ---- the URL ---- */

static size_t take_bytes(char *bytes, size_t size, size_t count, void *arg)
{
    struct buf *out = arg;
    buf_add(out, bytes, size * count);
    return out->failed ? 0 : size * count;
}

static bool is_stopping(struct keyring *keyring)
{
    pthread_mutex_lock(&keyring->lock);
    bool stopping = keyring->stopping;
    pthread_mutex_unlock(&keyring->lock);
    return stopping;
}

static int go_on(void *arg, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    (void)to_get, (void)got, (void)to_put, (void)put;
    return is_stopping(arg);
}

static enum err get(struct keyring *keyring, struct buf *out, char why[256])
{
    CURL *easy = curl_easy_init();
    long status = 0;
    if (!easy) {
        snprintf(why, 256, "curl cannot be used");
        return ERR_DOWN;
    }
    curl_easy_setopt(easy, CURLOPT_URL, keyring->settings->app_jwks_url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)FETCH_MS);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)KEY_JWKS_MAX);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, go_on);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, keyring);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "chaguan");
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(easy);
    if (out->failed || code == CURLE_FILESIZE_EXCEEDED)
        snprintf(why, 256, "it has more than %d bytes", KEY_JWKS_MAX);
    else if (code)
        snprintf(why, 256, "%.200s", curl_easy_strerror(code));
    else if (status != 200)
        snprintf(why, 256, "status %ld", status);
    else
        return ERR_OK;
    return ERR_DOWN;
}

static void fetch(struct keyring *keyring)
{
    struct buf text;
    char why[256];
    struct key_set *set = key_set_new();
    buf_init(&text, KEY_JWKS_MAX);
    enum err err = get(keyring, &text, why);
    if (!err)
        err = key_set_read_jwks(set, buf_str(&text), false, why);
    buf_fini(&text);
    pthread_mutex_lock(&keyring->lock);
    keyring->stale_at_ms = now_ms() + (err ? AGAIN_MS : STALE_MS);
    bool stopping = keyring->stopping;
    pthread_mutex_unlock(&keyring->lock);
    if (err) {
        key_set_free(set);
        if (stopping)
            return;
        metric_inc(METRIC_TOKEN_KEYS_FAILED);
        log_error("keys.not_fetched", "msg=\"app_jwks_url: %s\" note=\"the keys of before stay\"", why);
        return;
    }
    key_set_free(keyring->fetched);
    keyring->fetched = set;
}

/* ---- the thread ---- */

/* Whether a URL is to be asked now; else *left_ms until it is. The lock is held. */
static bool is_due(const struct keyring *keyring, int64_t *left_ms)
{
    int64_t now = now_ms(), at = keyring->stale_at_ms;
    if (!is_given(keyring->settings->app_jwks_url)) {
        *left_ms = STALE_MS;
        return false;
    }
    if (keyring->missed && keyring->missed_at_ms < at)
        at = keyring->missed_at_ms;
    *left_ms = at - now;
    return at <= now;
}

static void wait(struct keyring *keyring, int64_t left_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += left_ms / 1000 + 1;
    pthread_cond_timedwait(&keyring->wake, &keyring->lock, &until);
}

static void *run(void *arg)
{
    struct keyring *keyring = arg;
    int64_t left_ms;
    pthread_mutex_lock(&keyring->lock);
    while (!keyring->stopping) {
        bool reload = keyring->reload, due = is_due(keyring, &left_ms);
        if (!reload && !due) {
            wait(keyring, left_ms);
            continue;
        }
        if (keyring->missed && !reload) /* at most so often, whatever tokens name */
            keyring->missed_at_ms = now_ms() + AGAIN_MS;
        keyring->reload = keyring->missed = false;
        pthread_mutex_unlock(&keyring->lock);
        if (reload)
            read_anew(keyring);
        if (is_given(keyring->settings->app_jwks_url))
            fetch(keyring);
        publish(keyring);
        pthread_mutex_lock(&keyring->lock);
        keyring->asked = true;
        pthread_cond_broadcast(&keyring->first);
    }
    pthread_mutex_unlock(&keyring->lock);
    return NULL;
}

void keyring_reload(struct keyring *keyring)
{
    if (!keyring)
        return;
    pthread_mutex_lock(&keyring->lock);
    keyring->reload = true;
    pthread_cond_signal(&keyring->wake);
    pthread_mutex_unlock(&keyring->lock);
}

void keyring_miss(struct keyring *keyring)
{
    if (!keyring)
        return;
    pthread_mutex_lock(&keyring->lock);
    keyring->missed = true;
    if (keyring->missed_at_ms <= now_ms())
        pthread_cond_signal(&keyring->wake);
    pthread_mutex_unlock(&keyring->lock);
}

/* ---- beginning and end ---- */

static bool is_url(const char *text)
{
    struct str url = str_of(text);
    bool https = url.len > 8 && !strncmp(text, "https://", 8);
    return !url.len || https || (url.len > 7 && !strncmp(text, "http://", 7));
}

static void begin(struct keyring *keyring)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&keyring->lock, NULL);
    pthread_cond_init(&keyring->wake, &monotonic);
    pthread_cond_init(&keyring->first, NULL);
    pthread_condattr_destroy(&monotonic);
    CG_NEED(!curl_global_init(CURL_GLOBAL_DEFAULT), "curl");
    sigset_t all, before; /* signals are the other threads' */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CG_NEED(!pthread_create(&keyring->thread, NULL, run, keyring), "a thread");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void wait_for_first(struct keyring *keyring)
{
    pthread_mutex_lock(&keyring->lock);
    while (!keyring->asked)
        pthread_cond_wait(&keyring->first, &keyring->lock);
    pthread_mutex_unlock(&keyring->lock);
}

enum err keyring_read(const struct settings *settings, struct key_set **set, char why[256])
{
    *why = '\0';
    *set = NULL;
    if (!is_given(settings->app_keys) && !is_given(settings->app_jwks_file) && !is_given(settings->app_jwks_url))
        return ERR_OK;
    if (!is_url(settings->app_jwks_url)) {
        snprintf(why, 256, "app_jwks_url: begins with http:// or https://");
        return ERR_INVALID;
    }
    return read_files(settings, set, why);
}

struct keyring *keyring_new(const struct settings *settings, char why[256])
{
    struct key_set *files;
    if (keyring_read(settings, &files, why) || !files)
        return NULL;
    struct keyring *keyring = mem_zalloc(sizeof *keyring);
    keyring->settings = settings;
    keyring->files = files;
    keyring->set = key_set_new();
    begin(keyring);
    if (is_given(settings->app_jwks_url))
        wait_for_first(keyring);
    else
        publish(keyring);
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    pthread_mutex_lock(&keyring->lock);
    keyring->stopping = true;
    pthread_cond_signal(&keyring->wake);
    pthread_mutex_unlock(&keyring->lock);
    pthread_join(keyring->thread, NULL);
    pthread_cond_destroy(&keyring->wake);
    pthread_cond_destroy(&keyring->first);
    pthread_mutex_destroy(&keyring->lock);
    key_set_free(keyring->files);
    key_set_free(keyring->fetched);
    unref(keyring->set);
    free(keyring);
}
