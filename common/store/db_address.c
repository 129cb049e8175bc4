#include "common/store/db_address.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"

#include <stdatomic.h>
#include <stdio.h>

enum { FAILED_LATELY_MS = 10000, REFUSED_LATELY_MS = 10000 };

static atomic_bool is_up, refuses;
static atomic_uint current; /* from 1; 0: none yet */
static atomic_llong refused_ms;
static struct {
    atomic_uint error; /* why it was passed over last; 0: it was not */
    atomic_llong failed_ms;
} known[DB_ADDRESSES_MAX];

/* ---- the list ---- */

enum err db_addresses_parse(const struct settings *settings, struct endpoint addresses[DB_ADDRESSES_MAX], size_t *count,
                            char why[256])
{
    const char *list = settings->db_addresses;
    *count = 0;
    if (!*list) {
        addresses[0].port = *settings->db_socket ? 0 : (int)settings->db_port;
        snprintf(addresses[0].host, sizeof addresses[0].host, "%.*s", ENDPOINT_HOST_MAX - 1,
                 *settings->db_socket ? settings->db_socket : settings->db_host);
        *count = 1;
        return ERR_OK;
    }
    for (struct str item; list_next(&list, &item);) {
        if (*count == DB_ADDRESSES_MAX) {
            snprintf(why, 256, "db_addresses takes at most %d servers", DB_ADDRESSES_MAX);
            return ERR_INVALID;
        }
        if (!endpoint_parse(item, (int)settings->db_port, &addresses[(*count)++])) {
            snprintf(why, 256,
                     "db_addresses takes HOST, HOST:PORT, [IPv6]:PORT or /path/of.sock, separated by commas, "
                     "not '%.*s'",
                     (int)(item.len > 64 ? 64 : item.len), item.ptr);
            return ERR_INVALID;
        }
    }
    return ERR_OK;
}

/* ---- what is known of them ---- */

static bool failed_lately(size_t at)
{
    return atomic_load(&known[at].error) && clock_mono_ms() - atomic_load(&known[at].failed_ms) < FAILED_LATELY_MS;
}

void db_addresses_order(size_t count, size_t order[DB_ADDRESSES_MAX])
{
    bool late[DB_ADDRESSES_MAX] = {false}; /* asked once: another thread may change it meanwhile */
    size_t next = 0;
    for (size_t at = 0; at < count; at++)
        late[at] = failed_lately(at);
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; at < count; at++)
            if (late[at] == (pass == 1))
                order[next++] = at;
}

void db_address_failed(size_t at, size_t count, unsigned error, const char *text)
{
    atomic_store(&known[at].failed_ms, clock_mono_ms());
    if (atomic_exchange(&known[at].error, error) != error && count > 1)
        log_warn("db.passed_over", "address=%zu errno=%u msg=\"%s\"", at + 1, error, text);
}

void db_address_chosen(size_t at)
{
    unsigned place = (unsigned)at + 1, before = atomic_exchange(&current, place);
    atomic_store(&known[at].error, 0);
    metric_set(METRIC_DB_ADDRESS, place);
    if (before && before != place) {
        metric_inc(METRIC_DB_FAILOVERS);
        log_warn("db.moved", "from=%u to=%u", before, place);
        db_takes_writes(); /* as far as is known */
    }
    metric_set(METRIC_DB_UP, 1);
    if (!atomic_load(&refuses))
        metric_set(METRIC_DB_WRITABLE, 1);
    if (!atomic_exchange(&is_up, true))
        log_info("db.up", "address=%u", place);
}

bool db_address_is_current(size_t at)
{
    return atomic_load(&current) == at + 1;
}

void db_is_down(size_t at, unsigned error, const char *text)
{
    metric_set(METRIC_DB_UP, 0);
    if (atomic_exchange(&is_up, false))
        log_warn("db.down", "address=%zu errno=%u msg=\"%s\"", at + 1, error, text);
}

void db_refuses_writes(size_t at, unsigned error, const char *text)
{
    atomic_store(&refused_ms, clock_mono_ms());
    metric_set(METRIC_DB_WRITABLE, 0);
    if (!atomic_exchange(&refuses, true))
        log_warn("db.refuses_writes", "address=%zu errno=%u msg=\"%s\"", at + 1, error, text);
}

void db_takes_writes(void)
{
    if (!atomic_load(&refuses) || !atomic_exchange(&refuses, false))
        return;
    metric_set(METRIC_DB_WRITABLE, 1);
    log_info("db.takes_writes", "address=%u", atomic_load(&current));
}

struct db_state db_state(void)
{
    bool refused = atomic_load(&refuses) && clock_mono_ms() - atomic_load(&refused_ms) < REFUSED_LATELY_MS;
    return (struct db_state){.up = atomic_load(&is_up), .writable = !refused, .address = atomic_load(&current)};
}
