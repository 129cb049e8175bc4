/* status.h: /metrics, /healthz and /readyz over HTTP, for operators of this machine: on the Unix socket worker_socket
 * and the port worker_port of 127.0.0.1. Serves one request at a time, in a thread of its own. */
#ifndef CG_WORKER_STATUS_H
#define CG_WORKER_STATUS_H

#include "common/settings.h"
#include "worker/job.h"

struct status;
/* NULL with one line in `why` if it cannot listen. `jobs` must outlive it. */
struct status *status_start(const struct settings *settings, struct job *const *jobs, size_t count, char why[256]);
void status_stop(struct status *status);

#endif
