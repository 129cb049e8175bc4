#include "common/store/db_address.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/str.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { FAILED_LATELY_MS = 10000, REFUSED_LATELY_MS = 10000 };

static atomic_bool is_up, refuses;
static atomic_uint current; /* from 1; 0: none yet */
static atomic_llong refused_ms;
static struct {
    atomic_uint error; /* why it was passed over last; 0: it was not */
    atomic_llong failed_ms;
} known[DB_ADDRESSES_MAX];

/* ---- the list ---- */

static bool take_port(struct str text, unsigned *port)
{
    char digits[6];
    if (!text.len || text.len >= sizeof digits)
        return false;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    *port = (unsigned)strtoul(digits, NULL, 10);
    return strspn(digits, "0123456789") == text.len && *port > 0 && *port < 65536;
}

/* HOST, HOST:PORT, [IPv6], [IPv6]:PORT or the path of a Unix socket. */
static bool take_item(struct str item, unsigned default_port, struct db_address *address)
{
    *address = (struct db_address){.port = default_port};
    if (!item.len)
        return false;
    if (*item.ptr == '/') {
        if (item.len >= sizeof address->socket)
            return false;
        memcpy(address->socket, item.ptr, item.len);
        return true;
    }
    bool bracket = *item.ptr == '[';
    const char *end = memchr(item.ptr, bracket ? ']' : ':', item.len);
    if (bracket && !end)
        return false;
    struct str host = {item.ptr + bracket, (end ? (size_t)(end - item.ptr) : item.len) - bracket};
    struct str rest = {host.ptr + host.len + bracket, item.len - host.len - 2u * bracket};
    if (!host.len || host.len >= sizeof address->host || memchr(host.ptr, '/', host.len))
        return false;
    memcpy(address->host, host.ptr, host.len);
    return !rest.len || (*rest.ptr == ':' && take_port((struct str){rest.ptr + 1, rest.len - 1}, &address->port));
}

static struct str trimmed(const char *text, size_t len)
{
    while (len && (*text == ' ' || *text == '\t'))
        text++, len--;
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    return (struct str){text, len};
}

enum err db_addresses_parse(const struct settings *settings, struct db_address addresses[DB_ADDRESSES_MAX],
                            size_t *count, char why[256])
{
    const char *at = settings->db_addresses;
    *count = 0;
    if (!*at) {
        addresses[0] = (struct db_address){.port = (unsigned)settings->db_port};
        snprintf(addresses[0].host, sizeof addresses[0].host, "%s", settings->db_host);
        snprintf(addresses[0].socket, sizeof addresses[0].socket, "%s", settings->db_socket);
        *count = 1;
        return ERR_OK;
    }
    for (;;) {
        size_t len = strcspn(at, ",");
        struct str item = trimmed(at, len);
        if (*count == DB_ADDRESSES_MAX) {
            snprintf(why, 256, "db_addresses takes at most %d servers", DB_ADDRESSES_MAX);
            return ERR_INVALID;
        }
        if (!take_item(item, (unsigned)settings->db_port, &addresses[(*count)++])) {
            snprintf(why, 256,
                     "db_addresses takes HOST, HOST:PORT, [IPv6]:PORT or /path/of.sock, separated by commas, "
                     "not '%.*s'",
                     (int)(item.len > 64 ? 64 : item.len), item.ptr);
            return ERR_INVALID;
        }
        if (!at[len])
            return ERR_OK;
        at += len + 1;
    }
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

void db_address_taken(size_t at)
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
