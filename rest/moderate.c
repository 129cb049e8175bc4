#include "rest/moderate.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/store_sanctions.h"
#include "rest/failure.h"

#include <pthread.h>

enum { IDLE_MS = 60000 };

static struct {
    pthread_mutex_t lock;
    struct rate_table users, addresses;
} rates = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool take(struct rate_table *table, uint64_t key, struct rate rate, int64_t *retry_after_ms)
{
    int64_t now_ms = clock_mono_ms();
    *retry_after_ms = 0;
    if (!key || !rate.per_s)
        return true;
    pthread_mutex_lock(&rates.lock);
    rate_table_sweep(table, now_ms, IDLE_MS);
    bool taken = rate_take(&rate_table_use(table, key, now_ms)->bucket, rate, now_ms, retry_after_ms);
    pthread_mutex_unlock(&rates.lock);
    return taken;
}

static int check_rate(struct call *call, uint64_t user)
{
    const struct settings *settings = call->backends->settings;
    const struct rate of_user = {settings->rate_user, settings->rate_user_burst};
    const struct rate of_address = {settings->rate_address, settings->rate_address_burst};
    int64_t retry_after_ms;
    if (take(&rates.users, user, of_user, &retry_after_ms) &&
        take(&rates.addresses, rate_address_key(call->request->remote), of_address, &retry_after_ms))
        return 200;
    metric_inc(METRIC_RATE_REFUSED);
    call->error = "too many messages: try again later";
    call->code = "rate";
    call->retry_after_s = (retry_after_ms + 999) / 1000;
    return 429;
}

int moderate_refuse(struct call *call, bool banned)
{
    metric_inc(METRIC_MODERATION_REFUSED);
    call->error = banned ? "you may not be here" : "you may not post here";
    call->code = banned ? "banned" : "muted";
    return 403;
}

int moderate(struct call *call, uint64_t user, uint64_t conversation, enum moderate what)
{
    char address[SANCTION_ADDRESS_MAX];
    struct store_sanctioned on;
    if (sanction_address(call->request->remote, address))
        *address = '\0';
    enum err err = store_sanctioned(call->backends->store, user, str_of(address), conversation, &on);
    if (err)
        return failure_status(err, "moderate");
    if (!on.banned && (!on.muted || what == MODERATE_ENTER))
        return what == MODERATE_POST ? check_rate(call, user) : 200;
    return moderate_refuse(call, on.banned);
}
