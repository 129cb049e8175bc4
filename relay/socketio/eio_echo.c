/* eio_echo.c: plain Engine.IO that echoes every message, for the protocol's test suite. */
#include "relay/socketio/sio.h"

static void opened(struct eio *conn)
{
    (void)conn; /* the client speaks first */
}

static void received(struct eio *conn, bool binary, struct str data)
{
    eio_send(conn, binary, data);
}

static void closed(struct eio *conn, const char *reason)
{
    (void)conn;
    (void)reason;
}

const struct eio_layer echo_layer = {
    .path = "/engine.io/",
    .opened = opened,
    .received = received,
    .closed = closed,
};
