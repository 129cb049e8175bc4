#include "relay/core/limits.h"

#include "common/container.h"
#include "common/err.h"
#include "common/metrics.h"

#include <stddef.h>

enum { SWEEP_MS = 30000 };

static void on_sweep(struct wheel_timer *timer)
{
    struct limits *limits = container_of(timer, struct limits, sweep);
    rate_table_sweep(&limits->users, limits->wheel->now_ms, SWEEP_MS);
    rate_table_sweep(&limits->addresses, limits->wheel->now_ms, SWEEP_MS);
    rate_table_sweep(&limits->handshakes, limits->wheel->now_ms, SWEEP_MS);
    wheel_set(limits->wheel, &limits->sweep, SWEEP_MS);
}

void limits_init(struct limits *limits, const struct settings *settings, struct wheel *wheel)
{
    *limits = (struct limits){.settings = settings, .wheel = wheel, .sweep.fired = on_sweep};
    wheel_set(wheel, &limits->sweep, SWEEP_MS);
}

void limits_fini(struct limits *limits)
{
    wheel_cancel(&limits->sweep);
    rate_table_fini(&limits->users);
    rate_table_fini(&limits->addresses);
    rate_table_fini(&limits->handshakes);
}

/* The key's token; 0 is nobody, and has no limit. */
static bool take(struct limits *limits, struct rate_table *table, uint64_t key, struct rate rate,
                 int64_t *retry_after_ms)
{
    int64_t now_ms = limits->wheel->now_ms;
    return !key || !rate.per_s || rate_take(&rate_table_use(table, key, now_ms)->bucket, rate, now_ms, retry_after_ms);
}

/* ---- connections ---- */

bool limits_may_connect(struct limits *limits, struct str peer, int64_t *retry_after_ms)
{
    const struct settings *settings = limits->settings;
    uint64_t key = rate_address_key(peer);
    struct rate rate = {settings->rate_handshakes, settings->rate_handshakes_burst};
    *retry_after_ms = 0;
    if (!key || (!rate.per_s && !settings->address_connections_max))
        return true;
    const struct rate_entry *entry = rate_table_find(&limits->addresses, key);
    bool fine = take(limits, &limits->handshakes, key, rate, retry_after_ms);
    if (fine && settings->address_connections_max && entry && entry->open >= settings->address_connections_max) {
        *retry_after_ms = 1000;
        fine = false;
    }
    if (!fine)
        metric_inc(METRIC_ADDRESS_REFUSED);
    return fine;
}

void limits_connect(struct limits *limits, struct limits_client *client, struct str peer)
{
    CG_ASSERT(!client->counts_for_address);
    client->address = rate_address_key(peer);
    if (!client->address || !limits)
        return;
    rate_table_use(&limits->addresses, client->address, limits->wheel->now_ms)->open++;
    client->counts_for_address = true;
}

bool limits_user_full(const struct limits *limits, uint64_t user)
{
    const struct rate_entry *entry = limits && user ? rate_table_find(&limits->users, user) : NULL;
    bool full = entry && limits->settings->user_sockets_max && entry->open >= limits->settings->user_sockets_max;
    if (full)
        metric_inc(METRIC_USER_SOCKETS_REFUSED);
    return full;
}

bool limits_identify(struct limits *limits, struct limits_client *client, uint64_t user)
{
    CG_ASSERT(!client->counts_for_user);
    client->user = user;
    if (!user || !limits)
        return true;
    if (limits_user_full(limits, user))
        return false;
    rate_table_use(&limits->users, user, limits->wheel->now_ms)->open++;
    client->counts_for_user = true;
    return true;
}

int64_t limits_open(const struct limits *limits, uint64_t user)
{
    const struct rate_entry *entry = rate_table_find(&limits->users, user);
    return entry ? entry->open : 0;
}

static void count_out(struct rate_table *table, uint64_t key)
{
    struct rate_entry *entry = rate_table_find(table, key);
    CG_ASSERT(entry && entry->open);
    entry->open--;
}

void limits_leave(struct limits *limits, struct limits_client *client)
{
    if (client->counts_for_address)
        count_out(&limits->addresses, client->address);
    if (client->counts_for_user)
        count_out(&limits->users, client->user);
    client->counts_for_address = client->counts_for_user = false;
}

/* ---- messages ---- */

/* What a client without an account has of a rate. */
static struct rate share(const struct limits *limits, const struct limits_client *client, int64_t per_s, int64_t burst)
{
    int64_t percent = client->by_token ? 100 : limits->settings->rate_stranger_percent;
    struct rate rate = {per_s * percent / 100, burst * percent / 100};
    if (per_s && !rate.per_s)
        rate.per_s = 1;
    if (!rate.burst)
        rate.burst = 1;
    return rate;
}

static int64_t kib(int64_t bytes)
{
    return (bytes + 1023) / 1024;
}

/* Of the user or the address: messages and bytes. *which: the rate that was passed, or else the last one. */
static bool take_both(struct limits *limits, struct rate_table *table, uint64_t key, const struct rate rates[2],
                      int64_t size, struct rate *which, int64_t *retry_after_ms)
{
    int64_t now_ms = limits->wheel->now_ms;
    if (!key || (!rates[0].per_s && !rates[1].per_s))
        return true;
    struct rate_entry *entry = rate_table_use(table, key, now_ms);
    *which = rates[0];
    if (!rate_take(&entry->bucket, rates[0], now_ms, retry_after_ms))
        return false;
    *which = rates[1];
    return rate_take_many(&entry->bytes, rates[1], size, now_ms, retry_after_ms);
}

enum limits_verdict limits_message(struct limits *limits, struct limits_client *client, size_t bytes,
                                   int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!limits)
        return LIMITS_FINE;
    const struct settings *s = limits->settings;
    const struct rate connection[] = {
        share(limits, client, s->rate_connection, s->rate_connection_burst),
        share(limits, client, kib(s->rate_connection_bytes), kib(s->rate_connection_bytes_burst))};
    const struct rate user[] = {share(limits, client, s->rate_user, s->rate_user_burst),
                                share(limits, client, kib(s->rate_user_bytes), kib(s->rate_user_bytes_burst))};
    const struct rate address[] = {{s->rate_address, s->rate_address_burst},
                                   {kib(s->rate_address_bytes), kib(s->rate_address_bytes_burst)}};
    int64_t now_ms = limits->wheel->now_ms, size = kib((int64_t)bytes), unused;
    struct rate passed = connection[0];
    if (rate_take(&client->messages, connection[0], now_ms, retry_after_ms)) {
        passed = connection[1];
        if (rate_take_many(&client->bytes, connection[1], size, now_ms, retry_after_ms) &&
            take_both(limits, &limits->users, client->user, user, size, &passed, retry_after_ms) &&
            take_both(limits, &limits->addresses, client->address, address, size, &passed, retry_after_ms))
            return LIMITS_FINE;
    }
    metric_inc(METRIC_RATE_REFUSED);
    if (rate_take(&client->refusals, passed, now_ms, &unused))
        return LIMITS_REFUSED;
    metric_inc(METRIC_CLOSED_RATE);
    return LIMITS_CLOSED;
}
