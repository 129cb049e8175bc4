/* pass.h: a timer for the moment at which a client's token expires. Loop thread only. */
#ifndef CG_RELAY_CORE_PASS_H
#define CG_RELAY_CORE_PASS_H

#include "relay/core/wheel.h"

#include <stdint.h>

struct pass {
    struct wheel_timer timer;
    struct wheel *wheel;
    int64_t expires_ms; /* Unix time */
    void (*over)(void *arg);
    void *arg;
};

/* Sets or moves the timer; `pass` NULL makes one, owned by the caller. Calls `over(arg)` at that Unix time, never
 * before this returns. */
struct pass *pass_until(struct pass *pass, struct wheel *wheel, int64_t expires_s, void (*over)(void *arg), void *arg);
/* NULL: nothing. */
void pass_free(struct pass *pass);

#endif
