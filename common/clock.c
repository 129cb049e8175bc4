#include "common/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static _Atomic int64_t frozen_us = -1;

static int64_t read_us(clockid_t clock)
{
    int64_t fixed = atomic_load_explicit(&frozen_us, memory_order_relaxed);
    if (fixed >= 0)
        return fixed;
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_freeze(int64_t ms)
{
    clock_freeze_us(ms < 0 ? -1 : ms * 1000);
}

void clock_freeze_us(int64_t us)
{
    frozen_us = us;
}

void clock_format_utc(int64_t unix_ms, char out[CLOCK_TEXT_MAX])
{
    time_t seconds = unix_ms / 1000;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t len = strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(out + len, CLOCK_TEXT_MAX - len, ".%03u", (unsigned)(unix_ms % 1000) % 1000);
}

void clock_format_local(int64_t unix_ms, char out[CLOCK_TEXT_MAX])
{
    time_t seconds = unix_ms / 1000;
    struct tm parts;
    localtime_r(&seconds, &parts);
    strftime(out, CLOCK_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &parts);
}
