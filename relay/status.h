/* status.h: serves /healthz, /readyz and /metrics over HTTP. Loop thread only. */
#ifndef CG_RELAY_STATUS_H
#define CG_RELAY_STATUS_H

#include "relay/net/http.h"

struct relay;

extern const struct http_route status_route;
/* Sets the relay whose status is served. Call it before the first request. */
void status_init(const struct relay *relay);

#endif
