/* pass.h: until when whoever came with a token may be here. Loop thread only. */
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

/* NULL makes one. `over(arg)` is called once that Unix time has come, never before this returns. */
struct pass *pass_until(struct pass *pass, struct wheel *wheel, int64_t expires_s, void (*over)(void *arg), void *arg);
/* NULL: nothing. */
void pass_free(struct pass *pass);

#endif
