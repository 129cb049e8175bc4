/* clock.h: the only source of time, which tests can freeze. In milliseconds, or microseconds where a name ends in _us.
 * Any thread. */
#ifndef CG_COMMON_CLOCK_H
#define CG_COMMON_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 24 }; /* bytes of "YYYY-MM-DD HH:mm:ss.mmm" with its NUL */

/* Unix time. */
int64_t clock_wall_ms(void);
/* A monotonic clock, for intervals. */
int64_t clock_mono_ms(void);
/* The same in microseconds. */
int64_t clock_mono_us(void);

/* For tests: stops both clocks at `ms`; a negative value lets them run again. */
void clock_freeze(int64_t ms);
void clock_freeze_us(int64_t us);

/* "YYYY-MM-DD HH:mm:ss.mmm" in UTC, as DATETIME(3) columns hold it. */
void clock_format_utc(int64_t unix_ms, char out[CLOCK_TEXT_MAX]);
/* "YYYY-MM-DD HH:mm:ss" in the process's time zone (TZ), as the chatroom's clients show it. */
void clock_format_local(int64_t unix_ms, char out[CLOCK_TEXT_MAX]);

#endif
