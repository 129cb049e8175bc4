/* pages.h: what the relay tells operators over HTTP: /healthz, /readyz, /metrics. */
#ifndef CG_RELAY_PAGES_H
#define CG_RELAY_PAGES_H

#include "relay/net/http.h"

struct relay;

extern const struct http_route pages_route;
/* Whose pages they are; before the first request. */
void pages_init(const struct relay *relay);

#endif
