/* health.h: what a supervisor asks. Route handlers (see router.h); nginx shows them to loopback only. */
#ifndef CG_REST_HEALTH_H
#define CG_REST_HEALTH_H

#include "rest/router.h"

/* Always 200: the process takes and answers requests. */
route_handler health_live;

/* 200 or 503 by the database, which every call needs. Without Redis everything still works but the
 * knowledge of who is online, so that is told and does not take the process out of service. */
route_handler health_ready;

/* Every metric as Prometheus text. */
route_handler health_metrics;

#endif
