#include "common/metrics.h"

#include <stdatomic.h>

static _Atomic int64_t values[METRIC_COUNT];

static const struct {
    const char *name, *type, *help;
} rows[] = {
#define X(id, name, type, help) {name, #type, help},
    METRIC_ROWS(X)
#undef X
};

void metric_add(enum metric metric, int64_t amount)
{
    atomic_fetch_add_explicit(&values[metric], amount, memory_order_relaxed);
}

void metric_set(enum metric metric, int64_t value)
{
    atomic_store_explicit(&values[metric], value, memory_order_relaxed);
}

int64_t metric_get(enum metric metric)
{
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}

void metrics_print(struct buf *out)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        buf_addf(out, "# HELP chaguan_%s %s\n# TYPE chaguan_%s %s\nchaguan_%s %lld\n", rows[i].name, rows[i].help,
                 rows[i].name, rows[i].type, rows[i].name, (long long)metric_get((enum metric)i));
}
