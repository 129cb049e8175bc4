/* status.h: what the relay tells operators over HTTP: /healthz, /readyz, /metrics. */
#ifndef CG_RELAY_STATUS_H
#define CG_RELAY_STATUS_H

#include "relay/net/http.h"

struct relay;

extern const struct http_route status_route;
/* Whose status it is; before the first request. */
void status_init(const struct relay *relay);

#endif
