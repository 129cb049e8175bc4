#include "relay/protocols/chatroom_http_held.h"

#include "common/container.h"
#include "relay/core/hub.h"
#include "relay/protocols/chatroom_http_call.h"

static struct chatroom_http_held *held_of(struct session *session)
{
    return session->state;
}

static void give_up(struct session *session)
{
    if (held_of(session)->call)
        held_of(session)->give_up(session);
    CG_ASSERT(!held_of(session)->call);
}

/* ---- the transport: there is none ---- */

static enum send_result on_send(void *socket, struct str bytes)
{
    (void)socket;
    (void)bytes;
    return SEND_MORE;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    struct session *session = socket;
    (void)code;
    (void)reason;
    give_up(session);
    wheel_set(protocol_context.hub->wheel, &held_of(session)->timer, 0);
}

static void on_kill(void *socket)
{
    session_ended(socket);
}

static void on_pause(void *socket, bool paused)
{
    (void)socket;
    (void)paused;
}

static const struct transport transport = {on_send, on_close, on_kill, on_pause, NULL};

/* ---- its life ---- */

/* Time is up, or it was answered in an earlier turn of the loop. Nobody goes through the room's subscriptions now, so
 * it may go. */
static void on_timer(struct wheel_timer *timer)
{
    struct chatroom_http_held *held = container_of(timer, struct chatroom_http_held, timer);
    session_ended(held->session);
}

static void on_gone(void *arg, struct http_call *call)
{
    struct session *session = arg;
    (void)call;
    held_of(session)->call = NULL;
    session_ended(session);
}

struct session *chatroom_http_hold(const struct protocol *protocol, struct http_call *call, int64_t wait_ms,
                                   void (*give_up_fn)(struct session *session))
{
    struct session *session = session_new(protocol_context.hub->sessions, protocol, &transport, NULL);
    if (!session) {
        chatroom_http_refuse_busy(call);
        return NULL;
    }
    session->socket = session;
    session_from(session, str_of(call->peer));
    session_admitted(session); /* who it is was looked up before */
    http_vouch(call);
    struct chatroom_http_held *held = held_of(session);
    held->session = session;
    held->call = call;
    held->give_up = give_up_fn;
    held->timer.fired = on_timer;
    wheel_set(protocol_context.hub->wheel, &held->timer, wait_ms);
    call->gone = on_gone;
    call->arg = session;
    return session;
}

void chatroom_http_held_done(struct session *session)
{
    held_of(session)->call = NULL;
    session_close(session, 1000, "answered");
}

void chatroom_http_held_closed(struct session *session)
{
    give_up(session);
    wheel_cancel(&held_of(session)->timer);
}

int64_t chatroom_http_held_interval(const struct settings *settings)
{
    return 2 * (settings->poll_max_ms + settings->journal_timeout_ms);
}
