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
    rate_table_sweep(&limits->creations, limits->wheel->now_ms, SWEEP_MS);
    rate_table_sweep(&limits->searches, limits->wheel->now_ms, SWEEP_MS);
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
    rate_table_fini(&limits->creations);
    rate_table_fini(&limits->searches);
}

/* ---- connections ---- */

bool limits_may_connect(struct limits *limits, struct str peer, int64_t *retry_after_ms)
{
    const struct settings *settings = limits->settings;
    uint64_t key = rate_address_key(peer);
    const struct rates rates = {.messages = {settings->rate_handshakes, settings->rate_handshakes_burst}};
    struct rate passed;
    *retry_after_ms = 0;
    if (!key || (!rates.messages.per_s && !settings->address_connections_max))
        return true;
    const struct rate_entry *entry = rate_table_find(&limits->addresses, key);
    bool fine = rate_table_take(&limits->handshakes, key, &rates, 0, limits->wheel->now_ms, &passed, retry_after_ms);
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
static struct rate share(struct rate rate, int64_t percent)
{
    struct rate part = {rate.per_s * percent / 100, rate.burst * percent / 100};
    if (rate.per_s && !part.per_s)
        part.per_s = 1;
    if (!part.burst)
        part.burst = 1;
    return part;
}

static struct rates share_both(const struct settings *settings, const struct limits_client *client, struct rates rates)
{
    int64_t percent = client->by_token ? 100 : settings->rate_stranger_percent;
    return (struct rates){share(rates.messages, percent), share(rates.kib, percent)};
}

struct rates limits_of_connection(const struct settings *s, const struct limits_client *client)
{
    return share_both(s, client,
                      rates_of(s->rate_connection, s->rate_connection_burst, s->rate_connection_bytes,
                               s->rate_connection_bytes_burst));
}

enum limits_verdict limits_message(struct limits *limits, struct limits_client *client, size_t bytes,
                                   int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!limits)
        return LIMITS_FINE;
    const struct settings *s = limits->settings;
    const struct rates connection = limits_of_connection(s, client);
    const struct rates user =
        share_both(s, client, rates_of(s->rate_user, s->rate_user_burst, s->rate_user_bytes, s->rate_user_bytes_burst));
    const struct rates address =
        rates_of(s->rate_address, s->rate_address_burst, s->rate_address_bytes, s->rate_address_bytes_burst);
    int64_t now_ms = limits->wheel->now_ms, unused;
    struct rate passed;
    if (rates_take(&client->messages, &client->kib, &connection, bytes, now_ms, &passed, retry_after_ms) &&
        rate_table_take(&limits->users, client->user, &user, bytes, now_ms, &passed, retry_after_ms) &&
        rate_table_take(&limits->addresses, client->address, &address, bytes, now_ms, &passed, retry_after_ms))
        return LIMITS_FINE;
    metric_inc(METRIC_RATE_REFUSED);
    if (rate_take(&client->refusals, passed, now_ms, &unused))
        return LIMITS_REFUSED;
    metric_inc(METRIC_CLOSED_RATE);
    return LIMITS_CLOSED;
}

/* ---- what costs more than a message ---- */

static bool take(struct limits *limits, struct rate_table *table, uint64_t key, struct rate rate,
                 int64_t *retry_after_ms)
{
    const struct rates rates = {.messages = rate};
    struct rate passed;
    bool taken = rate_table_take(table, key, &rates, 0, limits->wheel->now_ms, &passed, retry_after_ms);
    if (!taken)
        metric_inc(METRIC_RATE_REFUSED);
    return taken;
}

/* No user's key is an address's. */
bool limits_creation(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!limits)
        return true;
    const struct rate rate = {limits->settings->rate_creations, limits->settings->rate_creations_burst};
    return (!client->address || take(limits, &limits->creations, client->address, rate, retry_after_ms)) &&
           (!client->user || take(limits, &limits->creations, ~client->user, rate, retry_after_ms));
}

bool limits_search(struct limits *limits, const struct limits_client *client, int64_t *retry_after_ms)
{
    *retry_after_ms = 0;
    if (!limits)
        return true;
    const struct rate rate = {limits->settings->rate_search, limits->settings->rate_search_burst};
    return take(limits, &limits->searches, client->user, rate, retry_after_ms);
}
