/* health.h: health and metrics for a supervisor; nginx allows them from loopback only.
 *   /healthz  always 200: the process takes and answers requests.
 *   /readyz   200 or 503 by the database, which every call needs. Without Redis everything works except presence, so
 *             Redis being down is reported, but does not take the process out of service.
 *   /metrics  every metric as Prometheus text. */
#ifndef CG_REST_CALLS_HEALTH_H
#define CG_REST_CALLS_HEALTH_H

#include "rest/http/call.h"

extern const struct route_table health_routes;

/* Whether it is the path of one of them. */
bool health_is(struct str path);

#endif
