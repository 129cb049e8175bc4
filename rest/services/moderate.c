#include "rest/services/moderate.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/store/store_sanctions.h"

#include <pthread.h>

enum { IDLE_MS = 60000 };

static struct {
    pthread_mutex_t lock;
    struct rate_table users, addresses, creations; /* the last by who makes something: maker_of */
} rates = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool take(struct rate_table *table, uint64_t key, struct rates limit, uint64_t bytes, int64_t *retry_after_ms)
{
    int64_t now_ms = clock_mono_ms();
    struct rate passed;
    pthread_mutex_lock(&rates.lock);
    rate_table_sweep(table, now_ms, IDLE_MS);
    bool taken = rate_table_take(table, key, &limit, bytes, now_ms, &passed, retry_after_ms);
    pthread_mutex_unlock(&rates.lock);
    return taken;
}

static enum err check_rate(struct call *call, uint64_t user)
{
    const struct settings *s = call->backends->settings;
    struct rates of_user = rates_of(s->rate_user, s->rate_user_burst, s->rate_user_bytes, s->rate_user_bytes_burst);
    struct rates of_address =
        rates_of(s->rate_address, s->rate_address_burst, s->rate_address_bytes, s->rate_address_bytes_burst);
    uint64_t length = call->request->length, address = rate_address_key(call->request->remote);
    int64_t retry_after_ms;
    if (take(&rates.users, user, of_user, length, &retry_after_ms) &&
        take(&rates.addresses, address, of_address, length, &retry_after_ms))
        return ERR_OK;
    metric_inc(METRIC_RATE_REFUSED);
    call->retry_after_s = rate_seconds(retry_after_ms);
    return call_deny(call, REFUSAL_MESSAGE_RATE);
}

static enum err refuse_creation(struct call *call, int64_t retry_after_ms)
{
    metric_inc(METRIC_RATE_REFUSED);
    call->retry_after_s = rate_seconds(retry_after_ms);
    return call_deny(call, REFUSAL_CREATION_RATE);
}

static struct rate creation_rate(const struct call *call)
{
    const struct settings *settings = call->backends->settings;
    return (struct rate){settings->rate_creations, settings->rate_creations_burst};
}

/* The payers: the address, and the user if known. The keys of users and addresses differ. */
static size_t makers_of(const struct call *call, uint64_t user, uint64_t makers[2])
{
    makers[0] = rate_address_key(call->request->remote);
    makers[1] = ~user;
    return user ? 2 : 1;
}

enum err moderate_creation(struct call *call, uint64_t user)
{
    int64_t retry_after_ms = 0;
    uint64_t makers[2];
    size_t count = makers_of(call, user, makers);
    for (size_t i = 0; i < count; i++)
        if (!take(&rates.creations, makers[i], (struct rates){.messages = creation_rate(call)}, 0, &retry_after_ms))
            return refuse_creation(call, retry_after_ms);
    return ERR_OK;
}

static bool may_make(const struct call *call, uint64_t maker, int64_t *retry_after_ms)
{
    pthread_mutex_lock(&rates.lock);
    struct rate_entry *entry = rate_table_find(&rates.creations, maker);
    struct rate_bucket bucket = entry ? entry->bucket : (struct rate_bucket){0};
    pthread_mutex_unlock(&rates.lock);
    return rate_take(&bucket, creation_rate(call), clock_mono_ms(), retry_after_ms);
}

enum err moderate_check_creation(struct call *call, uint64_t user)
{
    int64_t retry_after_ms = 0;
    uint64_t makers[2];
    size_t count = makers_of(call, user, makers);
    for (size_t i = 0; i < count; i++)
        if (!may_make(call, makers[i], &retry_after_ms))
            return refuse_creation(call, retry_after_ms);
    return ERR_OK;
}

enum err moderate_refuse(struct call *call, bool banned)
{
    metric_inc(METRIC_MODERATION_REFUSED);
    return call_deny(call, banned ? REFUSAL_BANNED : REFUSAL_MUTED);
}

enum err moderate(struct call *call, uint64_t user, uint64_t conversation, enum moderate what)
{
    char address[SANCTION_ADDRESS_MAX];
    struct store_sanctioned on;
    if (sanction_address(call->request->remote, address))
        *address = '\0';
    enum err err = store_sanctioned(call->backends->store, user, str_of(address), conversation, &on);
    if (err)
        return err;
    if (!on.banned && (!on.muted || what == MODERATE_ENTER))
        return what == MODERATE_POST ? check_rate(call, user) : ERR_OK;
    return moderate_refuse(call, on.banned);
}
