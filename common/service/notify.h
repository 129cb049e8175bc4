/* notify.h: tells systemd how a service of Type=notify is doing: one datagram of NAME=value lines to the socket that
 * $NOTIFY_SOCKET names (sd_notify(3)). Without that variable nothing happens. Any thread. */
#ifndef CG_COMMON_SERVICE_NOTIFY_H
#define CG_COMMON_SERVICE_NOTIFY_H

#include <stdint.h>

/* `state` as in sd_notify(3): "READY=1", "STOPPING=1", "WATCHDOG=1"; a text that is longer than a datagram may be is cut. */
void notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How often to say WATCHDOG=1, half of what the unit's WatchdogSec allows. 0: never. */
int64_t notify_watchdog_ms(void);

#endif
