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

void door_send_error(struct session *session, const char *code, const char *message)
{
    struct buf out;
    buf_init(&out, 1024);
    buf_addf(&out, "{\"type\":\"error\",\"code\":\"%s\",\"error\":\"%s\"}", code, message);
    metric_inc(METRIC_FRAMES_REFUSED);
    session_send_text(session, buf_str(&out));
    buf_fini(&out);
}
