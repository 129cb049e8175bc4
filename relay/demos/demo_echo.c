/* demo_echo.c: a WebSocket at /echo that sends back what it gets, after the words that the article's page expects. */
#include "relay/demos/demos.h"

#include "common/metrics.h"
#include "relay/core/protocol.h"

enum { ARGUMENT_BYTES = 4096 };

static size_t count;

static bool claims(struct str path)
{
    return protocol_context.settings->demos && str_eq(path, STR("/echo"));
}

/* A space may be called so, too: who shows a token is its member's; where everybody shows one, who names a space. */
static bool passes(const struct request *request)
{
    char text[ARGUMENT_BYTES];
    if (protocol_doors_closed())
        return request->argument(request, "roomId", text, sizeof text).len;
    return request->header(request, "token", text, sizeof text).len ||
           request->argument(request, "token", text, sizeof text).len;
}

static unsigned refuse(const struct request *request)
{
    (void)request;
    return demo_is_full(count) ? 503 : 0;
}

static void open_session(struct session *session, const struct request *request)
{
    protocol_end_with_token(session, request);
    demo_client_came(&count);
}

static void received(struct session *session, struct str text)
{
    struct buf out;
    metric_inc(METRIC_FRAMES_IN);
    buf_init(&out, text.len + 64);
    buf_add_text(&out, "5.服务器说:");
    buf_add_str(&out, text);
    session_send_text(session, buf_str(&out));
    buf_fini(&out);
}

static void closed(struct session *session)
{
    (void)session;
    demo_client_left(&count);
}

const struct protocol demo_echo_protocol = {
    .name = "demo_echo",
    .claims = claims,
    .passes = passes,
    .refuse = refuse,
    .open = open_session,
    .limited = protocol_limited,
    .received = received,
    .closed = closed,
};
