/* asyncapi.h: GET /v1/asyncapi.json and its kin, the descriptions of what goes over sockets: the documents in docs/, as they
 * were when this program was built. */
#ifndef CG_REST_ASYNCAPI_H
#define CG_REST_ASYNCAPI_H

#include "rest/http/call.h"

extern const struct route_table asyncapi_routes;

#endif
