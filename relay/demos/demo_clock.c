/* demo_clock.c: /clock sends the time each second, as Server-Sent Events, as scripts for an iframe, or as a single
 * text that is held until the next full second. A page that polls each second works, and so does one that polls again
 * at once. One timer serves all clients. */
#include "relay/demos/demos.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

enum { SECOND_MS = 1000, PADDING = 1024, HEADER_BYTES = 512 };

/* Somebody who looks at it. */
struct clock {
    LIST_ENTRY(clock) link;
    struct http_call *call;  /* waits for its answer; NULL: it has a stream */
    struct session *session; /* the stream's */
    const struct form *form;
};

static LIST_HEAD(, clock) clocks;
static size_t count;
static struct wheel_timer second;

static const struct form {
    const char *type, *headers, *beginning;
    const char *format; /* of the Unix time, in seconds, and the text */
    const struct protocol *protocol;
} events_form, scripts_form;

static void on_second(struct wheel_timer *timer);

static void wait_for_second(void)
{
    second.fired = on_second;
    if (count && !wheel_is_set(&second))
        wheel_set(protocol_context.hub->wheel, &second, SECOND_MS - clock_wall_ms() % SECOND_MS);
}

static void link_clock(struct clock *clock)
{
    LIST_INSERT_HEAD(&clocks, clock, link);
    demo_client_came(&count);
    wait_for_second();
}

static void unlink_clock(struct clock *clock)
{
    LIST_REMOVE(clock, link);
    demo_client_left(&count);
    if (!count)
        wheel_cancel(&second);
}

static void tell(struct clock *clock, int64_t now_ms, const char *text)
{
    char line[256];
    if (clock->session) {
        snprintf(line, sizeof line, clock->form->format, (long long)(now_ms / 1000), text);
        session_send_raw(clock->session, str_of(line));
        return;
    }
    struct http_call *call = clock->call;
    unlink_clock(clock);
    free(clock);
    http_reply(call, 200, "text/plain; charset=utf-8", "", str_of(text));
}

static void on_second(struct wheel_timer *timer)
{
    char text[CLOCK_TEXT_MAX];
    int64_t now_ms = clock_wall_ms();
    (void)timer;
    clock_format_local(now_ms, text);
    for (struct clock *clock = LIST_FIRST(&clocks), *next; clock; clock = next) {
        next = LIST_NEXT(clock, link);
        tell(clock, now_ms, text);
    }
    wait_for_second();
}

/* ---- a client comes, and goes ---- */

static void on_gone(void *arg, struct http_call *call)
{
    struct clock *clock = arg;
    (void)call;
    unlink_clock(clock);
    free(clock);
}

static void on_closed(struct session *session)
{
    unlink_clock(session->state);
}

static const struct protocol events_protocol = {
    .name = "demo_events", .state_size = sizeof(struct clock), .heartbeat = ":\n\n", .closed = on_closed};
static const struct protocol scripts_protocol = {
    .name = "demo_scripts", .state_size = sizeof(struct clock), .heartbeat = "<!-- -->\n", .closed = on_closed};

static const struct form events_form = {
    .type = "text/event-stream; charset=utf-8",
    .headers = "X-Accel-Buffering: no\r\n",
    .beginning = "",
    .format = "id: %lld\nevent: open\ndata: %s\n\n",
    .protocol = &events_protocol,
};

static const struct form scripts_form = {
    .type = "text/html; charset=utf-8",
    .headers = "X-Accel-Buffering: no\r\n",
    .beginning = "<!doctype html>\n",
    .format = "<!-- %lld --><script>parent.setTime(\"%s\")</script>\n",
    .protocol = &scripts_protocol,
};

static void hold(struct http_call *call)
{
    struct clock *clock = mem_zalloc(sizeof *clock);
    clock->call = call;
    http_hold(call, on_gone, clock);
    link_clock(clock);
}

static void open_stream(struct http_call *call, const struct form *form)
{
    struct sessions *sessions = protocol_context.hub->sessions;
    char padding[PADDING + 16];
    http_begin_stream(call, form->type, form->headers);
    struct session *session = session_new(sessions, form->protocol, &http_stream, call);
    CG_ASSERT(session); /* there was room */
    http_stream_session(call, session->id, sessions);
    session_from(session, str_of(call->peer));
    http_vouch(call); /* the session is the guest */
    protocol_end_with_token(session, &call->request);
    *(struct clock *)session->state = (struct clock){.session = session, .form = form};
    link_clock(session->state);
    if (form == &scripts_form) { /* browsers run nothing of a page before they have this much of it */
        int len = snprintf(padding, sizeof padding, "<!--%*s-->\n", PADDING, "");
        session_send_raw(session, str_of(form->beginning));
        session_send_raw(session, (struct str){padding, (size_t)len});
    }
}

static void refuse(struct http_call *call, unsigned status, const char *text)
{
    metric_inc(METRIC_DEMO_REFUSED);
    http_reply(call, status, "text/plain; charset=utf-8", "Retry-After: 1\r\n", str_of(text));
}

static bool header_says(const struct http_call *call, const char *name, const char *what)
{
    char text[HEADER_BYTES];
    struct str value = call->request.header(&call->request, name, text, sizeof text);
    return value.len && memmem(value.ptr, value.len, what, strlen(what));
}

static void handle(struct http_call *call)
{
    int64_t retry_after_ms;
    const struct form *form = header_says(call, "accept", "text/event-stream") ? &events_form
                              : header_says(call, "sec-fetch-dest", "iframe")  ? &scripts_form
                                                                               : NULL;
    if (strcmp(call->method, "GET") != 0)
        http_reply(call, 405, "text/plain; charset=utf-8", "Allow: GET\r\n", STR("Method Not Allowed\n"));
    else if (count == DEMO_CLIENTS_MAX || (form && !sessions_have_room(protocol_context.hub->sessions)))
        refuse(call, 503, "too many look at the clock: try again in a second\n");
    else if (form && protocol_peer_refusal(str_of(call->peer), &retry_after_ms))
        refuse(call, 429, "too many connections of this address\n");
    else if (form)
        open_stream(call, form);
    else
        hold(call);
}

static bool claims(struct str path)
{
    return protocol_context.settings->demos && str_eq(path, STR("/clock"));
}

const struct http_route demo_clock_route = {.name = "demo_clock", .claims = claims, .handle = handle};
