/* clock.h: the only source of time. Tests freeze it. Milliseconds, but where a name ends in _us. */
#ifndef CG_COMMON_CLOCK_H
#define CG_COMMON_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT_MAX = 24 }; /* bytes of "YYYY-MM-DD HH:mm:ss.mmm" with its NUL */

/* Unix time. */
int64_t clock_wall_ms(void);
/* A clock that never goes back, for intervals. */
int64_t clock_mono_ms(void);
/* The same in microseconds. */
int64_t clock_mono_us(void);

/* From now on both clocks stand at `ms`; negative thaws them. For tests. */
void clock_freeze(int64_t ms);
void clock_freeze_us(int64_t us);

/* "YYYY-MM-DD HH:mm:ss.mmm" in UTC, as DATETIME(3) columns hold it. */
void clock_format_utc(int64_t unix_ms, char out[CLOCK_TEXT_MAX]);
/* "YYYY-MM-DD HH:mm:ss" in the process's time zone (TZ), as the chatroom's clients show it. */
void clock_format_local(int64_t unix_ms, char out[CLOCK_TEXT_MAX]);

#endif
