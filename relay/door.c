#include "relay/door.h"

#include "common/log.h"
#include "common/metrics.h"

struct door door;

void door_refuse(struct session *session, unsigned code, const char *reason)
{
    metric_inc(METRIC_ADMISSIONS_REFUSED);
    log_info("conn.refused", "conn=%llu protocol=%s code=%u reason=\"%s\"",
             (unsigned long long)session->id, session->protocol->name, code, reason);
    session_close(session, code, reason);
}
