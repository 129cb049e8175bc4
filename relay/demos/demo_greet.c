/* demo_greet.c: a WebSocket at /ws without a user's id. Whenever a client connects, all connected clients on every
 * relay get a greeting. What clients send is ignored. */
#include "relay/demos/demos.h"

#include "common/metrics.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"

/* They share the inbox of a user number that does not exist. */
#define PLACE WIRE_INBOX(UINT64_MAX >> 1)

enum { ARGUMENT_BYTES = 256 };

static size_t count;

static void encode(const struct message *message, struct buf *out)
{
    (void)message; /* nothing is stored there */
    (void)out;
}

const struct encoding demo_greet_encoding = {.name = "demo_greet", .message = encode};

static bool claims(struct str path)
{
    return protocol_context.settings->demos && str_eq(path, STR("/ws"));
}

/* The chatroom takes any path on which a room is named. */
static bool passes(const struct request *request)
{
    char text[ARGUMENT_BYTES];
    return request->argument(request, "roomId", text, sizeof text).len;
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
    hub_join(protocol_context.hub, session, PLACE, ENCODING_DEMO_GREET);
}

static void joined(struct session *session, struct subscription *sub)
{
    (void)session;
    (void)sub;
    hub_show(protocol_context.hub, PLACE, ENCODING_DEMO_GREET, STR("hello from server"));
}

static void not_joined(struct session *session, uint64_t conversation, enum err err)
{
    (void)conversation;
    (void)err;
    session_close(session, 1013, "Try again later");
}

static void received(struct session *session, struct str text)
{
    (void)session;
    (void)text;
    metric_inc(METRIC_FRAMES_IN);
}

static void closed(struct session *session)
{
    hub_leave(protocol_context.hub, session);
    demo_client_left(&count);
}

const struct protocol demo_greet_protocol = {
    .name = "demo_greet",
    .claims = claims,
    .passes = passes,
    .refuse = refuse,
    .open = open_session,
    .limited = protocol_limited,
    .received = received,
    .joined = joined,
    .not_joined = not_joined,
    .closed = closed,
};
