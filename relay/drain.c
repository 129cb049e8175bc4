#include "relay/drain.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/redis/presence_keys.h"
#include "common/service/notify.h"
#include "relay/socketio/eio.h"
#include "relay/relay.h"

#include <stdio.h>

static void on_presence_finished(void *arg)
{
    struct relay *relay = arg;
    uv_stop(&relay->loop);
}

/* Connections that nginx handed over before it saw the drain must not be dropped: they become sessions first. */
static bool more_may_come(const struct relay *relay)
{
    return relay->handoff && (!handoff_front_is_done(relay->handoff) || http_has_waiting(relay->http));
}

size_t drain_share(size_t open, int64_t left_ms, int64_t *carry)
{
    enum { WHOLE = 1000000 }; /* a connection, in parts: with an hour left, one of them has 14 in a tick */
    if (left_ms < DRAIN_TICK_MS)
        return open;
    *carry += (int64_t)open * DRAIN_TICK_MS * WHOLE / left_ms;
    int64_t share = *carry / WHOLE;
    *carry %= WHOLE;
    return share < (int64_t)open ? (size_t)share : open;
}

/* Closes some sessions each tick, so that not all clients come back elsewhere at once. */
static void on_drain(uv_timer_t *timer)
{
    struct relay *relay = timer->data;
    int64_t left_ms = relay->drain_end_ms - clock_mono_ms();
    size_t open = 0, closing = 0;
    for (size_t i = 0; i < relay->sessions.cap; i++)
        if (relay->sessions.slots[i] && !relay->sessions.slots[i]->closing)
            open++;
    size_t quota = drain_share(open, left_ms, &relay->drain_carry);
    for (size_t i = 0; i < relay->sessions.cap && closing < quota; i++) {
        struct session *session = relay->sessions.slots[i];
        if (session && !session->closing) {
            session_close(session, 1012, "Restarting: come back");
            closing++;
        }
    }
    eio_drain(drain_share(eio_count(), left_ms, &relay->drain_polls_carry));
    if (relay->sessions.count || eio_count() || more_may_come(relay))
        return; /* those that do not answer are cut by their own timers */
    uv_timer_stop(&relay->drain);
    presence_finish(relay->presence, on_presence_finished, relay);
}

static void on_said(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    (void)reply; /* it is but news */
}

/* For operators, who look at it beside the lease. */
static void say_draining(struct relay *relay)
{
    enum { LONGEST_MS = 3600000 };
    char entry[PRESENCE_ENTRY_MAX], key[PRESENCE_KEY_MAX], life[24];
    presence_entry(entry, relay->settings.name, relay->incarnation);
    presence_relay_key(key, relay->settings.redis_prefix, "draining", str_of(entry));
    snprintf(life, sizeof life, "%d", LONGEST_MS);
    struct str args[] = {STR("SET"), str_of(key), STR("1"), STR("PX"), str_of(life)};
    for (size_t i = 0; i < bus_servers(relay->bus); i++)
        bus_command_on(relay->bus, i, on_said, NULL, args, sizeof args / sizeof args[0]);
}

void drain_begin(struct relay *relay, const char *why)
{
    if (relay->draining)
        return;
    say_draining(relay);
    log_info("relay.draining", "why=%s connections=%zu", why, relay->sessions.count);
    relay->draining = true;
    notify_say("STOPPING=1");
    relay->drain_end_ms = clock_mono_ms() + relay->settings.drain_ms;
    relay->handshake.draining = true;
    if (relay->http)
        http_drain(relay->http);
    uv_timer_start(&relay->drain, on_drain, 0, DRAIN_TICK_MS);
}
