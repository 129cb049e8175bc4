/* openapi.h: GET /v1/openapi.json, the description of the server API, made from the tables of routes and fields. */
#ifndef CG_REST_OPENAPI_H
#define CG_REST_OPENAPI_H

#include "rest/http/call.h"

extern const struct route_table openapi_routes;

#endif
