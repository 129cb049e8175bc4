#include "relay/core/debts.h"

#include "common/err.h"
#include "common/metrics.h"

static struct {
    struct debt *first;
    size_t total, max;
    bool relieving;
} debts;

void debts_limit(size_t bytes)
{
    debts.max = bytes;
}

size_t debts_total(void)
{
    return debts.total;
}

bool debts_are_high(void)
{
    return debts.max && debts.total > debts.max / 4 * 3;
}

bool debts_refuse(void)
{
    bool refused = debts_are_high();
    if (refused)
        metric_inc(METRIC_WAITING_REFUSED);
    return refused;
}

static size_t largest(void)
{
    size_t bytes = 0;
    for (const struct debt *debt = debts.first; debt; debt = debt->behind)
        bytes = debt->bytes > bytes ? debt->bytes : bytes;
    return bytes;
}

/* Ends those that owe about what the largest does. Any debt may change meanwhile, so the list is gone through
 * from its beginning after each; those that were found to take their bytes owe less then. */
static bool end_largest(size_t least, size_t enough)
{
    bool any = false;
    struct debt *debt = debts.first;
    while (debt && debts.total > enough) {
        size_t bytes = debt->bytes;
        if (bytes < least) {
            debt = debt->behind;
            continue;
        }
        debt->end(debt);
        if (debt->bytes >= bytes) { /* it cannot */
            debt = debt->behind;
            continue;
        }
        any = true;
        debt = debts.first;
    }
    return any;
}

/* A sixteenth more than needed: or each byte that came would have all debts gone through again. */
static void relieve(void)
{
    size_t enough = debts.max - debts.max / 16;
    debts.relieving = true;
    while (debts.total > enough && end_largest(largest() - largest() / 8, enough))
        ;
    debts.relieving = false;
}

static void unlink_debt(struct debt *debt)
{
    *(debt->before ? &debt->before->behind : &debts.first) = debt->behind;
    if (debt->behind)
        debt->behind->before = debt->before;
}

static void link_debt(struct debt *debt)
{
    debt->before = NULL;
    debt->behind = debts.first;
    if (debts.first)
        debts.first->before = debt;
    debts.first = debt;
}

void debt_set(struct debt *debt, size_t bytes)
{
    bool more = bytes > debt->bytes;
    if (bytes == debt->bytes)
        return;
    if (!debt->bytes)
        link_debt(debt);
    else if (!bytes)
        unlink_debt(debt);
    debts.total = debts.total - debt->bytes + bytes;
    debt->bytes = bytes;
    metric_set(METRIC_WAITING_BYTES, (int64_t)debts.total);
    if (more && debts.max && debts.total > debts.max && !debts.relieving)
        relieve();
}
