#include "common/clock.h"
#include "common/log.h"
#include "common/store/store_sql.h"

#include <stdatomic.h>

enum { FAR_AHEAD_MS = 5 * 60 * 1000, COMPLAIN_MS = 60 * 1000 };

int64_t store_next_ms(int64_t last_ms)
{
    static _Atomic int64_t complained_ms = INT64_MIN / 2;
    int64_t now_ms = clock_wall_ms(), mono_ms = clock_mono_ms();
    if (last_ms <= now_ms)
        return now_ms;
    int64_t before_ms = atomic_load_explicit(&complained_ms, memory_order_relaxed);
    if (last_ms - now_ms > FAR_AHEAD_MS && mono_ms - before_ms >= COMPLAIN_MS &&
        atomic_compare_exchange_strong(&complained_ms, &before_ms, mono_ms))
        log_warn("store.clocks_differ", "ahead_ms=%lld", (long long)(last_ms - now_ms));
    return last_ms;
}
