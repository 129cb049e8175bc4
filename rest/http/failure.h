/* failure.h: the forms in which protocols report a failed call (failure_form in call.h). Any thread. */
#ifndef CG_REST_HTTP_FAILURE_H
#define CG_REST_HTTP_FAILURE_H

#include "rest/http/call.h"

/* {"error":"no such friend","code":"not_found"}: friends, spaces, and all later calls outside /v1/. */
failure_form failure_coded;
/* {"code":0,"msg":"参数不全!"}: the customer sessions. */
failure_form failure_customer;
/* {"status":415,"err":"unsupported media type"}: uploads. */
failure_form failure_upload;
/* {"error":{"code":"rate","message":"too many calls","retry_after_ms":1000}}: everything below /v1/. */
failure_form failure_api;

/* The HTTP status for an error of the store: 200, 400, 404, 409, 413, 403 for ERR_DENIED, 503 if nothing was done, 504
 * if it may have been done (ERR_UNKNOWN), or 500, which is logged with `call`. */
int failure_status(enum err err, const char *call);

/* The default sentence and code for a status; never NULL. */
const char *failure_error(int status);
const char *failure_code(int status);

#endif
