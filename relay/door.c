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

int door_retry_after_ms(const char *code)
{
    static const struct {
        const char *code;
        int ms;
    } rows[] = {{"busy", 1000}, {"unavailable", 2000}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(code, rows[i].code))
            return rows[i].ms;
    return 0;
}

void door_send_error(struct session *session, const char *code, const char *message)
{
    struct buf out;
    buf_init(&out, 1024);
    buf_addf(&out, "{\"type\":\"error\",\"code\":\"%s\",\"error\":\"%s\"", code, message);
    if (door_retry_after_ms(code))
        buf_addf(&out, ",\"retry_after_ms\":%d", door_retry_after_ms(code));
    buf_add_char(&out, '}');
    metric_inc(METRIC_FRAMES_REFUSED);
    session_send_text(session, buf_str(&out));
    buf_fini(&out);
}
