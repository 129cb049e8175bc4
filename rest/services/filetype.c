#include "rest/services/filetype.h"

#include "common/log.h"

#include <magic.h>
#include <pthread.h>
#include <stdio.h>

static pthread_key_t key; /* a thread's magic_t */
static bool has_key;      /* a process has so many */

static void close_cookie(void *cookie)
{
    magic_close(cookie);
}

static void make_key(void)
{
    has_key = !pthread_key_create(&key, close_cookie);
}

/* NULL if there is none to be had; the next call tries again. */
static magic_t this_threads(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_key);
    if (!has_key)
        return NULL;
    magic_t cookie = pthread_getspecific(key);
    if (cookie)
        return cookie;
    /* What is inside an archive does not matter, and is not to be unpacked. Commas make no other kind of a text. */
    cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_CSV |
                        MAGIC_NO_CHECK_JSON);
    if (!cookie || magic_load(cookie, NULL) || pthread_setspecific(key, cookie)) {
        log_error("media.magic_failed", "msg=\"%s\"", cookie ? magic_error(cookie) : "no memory");
        if (cookie)
            magic_close(cookie);
        return NULL;
    }
    return cookie;
}

enum err filetype_of(struct str head, char type[FILETYPE_MAX])
{
    magic_t cookie = this_threads();
    if (!cookie)
        return ERR_INTERNAL;
    const char *found = magic_buffer(cookie, head.ptr, head.len);
    if (!found || !strchr(found, '/') || strlen(found) >= FILETYPE_MAX)
        found = "application/octet-stream"; /* what it stumbled over is nothing that we know */
    snprintf(type, FILETYPE_MAX, "%s", found);
    return ERR_OK;
}
