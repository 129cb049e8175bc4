#include "relay/core/pass.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/mem.h"

#include <stdlib.h>

enum { LONGEST_TIMER_MS = 24 * 3600 * 1000 };

/* The end may be further off than a timer reaches. */
static void arm(struct pass *pass)
{
    int64_t left = pass->expires_ms - clock_wall_ms();
    if (left > LONGEST_TIMER_MS)
        left = LONGEST_TIMER_MS;
    wheel_set(pass->wheel, &pass->timer, left > 0 ? left : 0);
}

static void on_timer(struct wheel_timer *timer)
{
    struct pass *pass = container_of(timer, struct pass, timer);
    if (clock_wall_ms() < pass->expires_ms)
        arm(pass);
    else
        pass->over(pass->arg);
}

struct pass *pass_until(struct pass *pass, struct wheel *wheel, int64_t expires_s, void (*over)(void *arg), void *arg)
{
    if (!pass) {
        pass = mem_zalloc(sizeof *pass);
        *pass = (struct pass){.timer.fired = on_timer, .wheel = wheel, .over = over, .arg = arg};
    }
    pass->expires_ms = expires_s * 1000;
    arm(pass);
    return pass;
}

void pass_free(struct pass *pass)
{
    if (pass)
        wheel_cancel(&pass->timer);
    free(pass);
}
