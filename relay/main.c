/* main.c: builds the relay's parts, connects them, and takes them apart in the right order. */
#include "common/clock.h"
#include "common/container.h"
#include "common/id.h"
#include "common/log.h"
#include "common/endpoint.h"
#include "common/service/notify.h"
#include "common/service/program.h"
#include "common/service/start.h"
#include "common/store/store.h"
#include "relay/socketio/app_chat.h"
#include "relay/socketio/app_echo.h"
#include "relay/socketio/app_news.h"
#include "relay/protocols/chatroom.h"
#include "relay/protocols/customer.h"
#include "relay/demos/demos.h"
#include "relay/core/protocol.h"
#include "relay/drain.h"
#include "relay/socketio/eio.h"
#include "relay/protocols/friends.h"
#include "relay/moderation.h"
#include "relay/native/native.h"
#include "relay/net/http_listen.h"
#include "relay/status.h"
#include "relay/relay.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/socketio/sio.h"
#include "relay/protocols/space.h"
#include "relay/core/unfinished.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { LAST_WORDS_MS = 1000, CLOSING_TURNS = 16 };

static const struct protocol *const protocols[] = {
    &eio_protocol,    &friends_protocol,   &customer_protocol,
    &native_protocol, &demo_echo_protocol, &demo_greet_protocol,
    &space_protocol,  &chatroom_protocol,  NULL,
};

static const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_CHATROOM] = &chatroom_encoding,
    [ENCODING_FRIENDS_LOW] = &friends_low_encoding,
    [ENCODING_FRIENDS_HIGH] = &friends_high_encoding,
    [ENCODING_CUSTOMER] = &customer_encoding,
    [ENCODING_SPACE] = &space_encoding,
    [ENCODING_EVENTS] = &events_encoding,
    [ENCODING_STREAM] = &stream_encoding,
    [ENCODING_POLL] = &poll_encoding,
    [ENCODING_NATIVE] = &native_encoding,
    [ENCODING_NATIVE_PRESENCE] = &native_presence_encoding,
    [ENCODING_EVENTS_PADDED] = &events_padded_encoding,
    [ENCODING_DEMO_GREET] = &demo_greet_encoding,
};

static const struct app *const apps[] = {&chat_app, &echo_app, &news_app, &demo_app, NULL};

static const struct eio_layer *const layers[] = {&sio_layer, NULL};
static const struct eio_layer *const echo_layers[] = {&sio_layer, &echo_layer, NULL};

static enum err check(const struct settings *settings, char why[256])
{
    struct endpoint advertised;
    if (*settings->advertise && (!endpoint_parse(str_of(settings->advertise), 0, &advertised) || !advertised.port)) {
        snprintf(why, 256, "advertise: %.150s is not HOST:PORT", settings->advertise);
        return ERR_INVALID;
    }
    enum err err = http_listen_check(settings, why);
    return err ? err : sio_check(apps, settings, why);
}

static const struct program_info info = {
    .name = "chaguan-relay",
    .check = check,
    .program = PROGRAM_RELAY,
    .synopsis = "[options]",
    .about =
        "Holds the clients' connections: WebSockets, streams, held polls. Any number of relays work\n"
        "side by side. SIGTERM and SIGINT ask the clients to go elsewhere and end; SIGHUP opens the log\n"
        "file and reads the secrets and the keys of tokens again. It waits for a database and a Redis that are not there yet. Exit status: 0 ended\n"
        "cleanly; 1 a port, a socket or the database's tables cannot be used; 2 bad command line or\n"
        "setting.",
};

/* ---- what the parts tell each other ---- */

static void on_bus_state(void *arg, size_t server, bool up)
{
    struct relay *relay = arg;
    hub_bus_state(&relay->hub, up);
    presence_bus_state(relay->presence, server, up);
    if (server == 0)
        sio_bus_state(up); /* what concerns no conversation is on the first */
    if (server == 0 && relay->handoff)
        handoff_bus_state(relay->handoff, up);
    if (up)
        friends_reload_all();
    moderation_bus_state();
}

static void on_subscribed(void *arg, uint64_t conversation)
{
    struct relay *relay = arg;
    hub_subscribed(&relay->hub, conversation);
}

static void on_received(void *arg, struct str payload)
{
    struct relay *relay = arg;
    hub_received(&relay->hub, payload);
}

static void on_stored(void *arg, struct store_post *posts, const struct post_id *ids, size_t count)
{
    struct relay *relay = arg;
    hub_stored(&relay->hub, posts, ids, count);
}

static void on_presence_notice(void *arg, uint64_t conversation)
{
    struct relay *relay = arg;
    presence_changed(relay->presence, conversation);
}

static void on_online(uint64_t user, bool comes)
{
    if (comes)
        presence_online(protocol_context.presence, user);
    else
        presence_offline(protocol_context.presence, user);
}

static void on_history_notice(void *arg, uint64_t conversation, uint64_t user)
{
    (void)arg;
    chatroom_send_history(conversation, user);
}

static void on_read_notice(void *arg, uint64_t user, const struct wire_mark *mark)
{
    (void)arg;
    native_read_moved(user, mark, NULL);
}

static void on_friends_notice(void *arg, uint64_t user)
{
    (void)arg;
    friends_reload(user);
}

static void on_control(void *arg, const struct wire_header *header, struct str payload)
{
    const struct relay *relay = arg;
    if (header->kind != WIRE_LOAD)
        moderation_received(header, payload);
    else if (relay->handoff)
        handoff_heard(relay->handoff, header->sender, payload);
}

static void on_epoch(void *arg)
{
    (void)arg;
    eio_send_away();
    sio_begin_epoch();
}

static const struct http_route *const routes[] = {&eio_route, &chatroom_http_route, &status_route, &demo_clock_route,
                                                  NULL};

static size_t on_taken(void *arg)
{
    struct relay *relay = container_of(arg, struct relay, handshake);
    return ws_count(relay->ws) + (relay->handoff ? handoff_files(relay->handoff) : 0);
}

static bool on_has_place(void *arg)
{
    const struct handshake *handshake = arg;
    return sessions_have_room(handshake->sessions);
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *timer)
{
    struct relay *relay = timer->data;
    wheel_advance(&relay->wheel);
    journal_expire(relay->journal);
}

/* The tick is for the next timer, which only changes when one is set or the wheel has moved. */
static void set_tick(struct relay *relay)
{
    if (relay->ticks_at == relay->wheel.next_tick && uv_is_active((uv_handle_t *)&relay->tick))
        return;
    relay->ticks_at = relay->wheel.next_tick;
    uv_timer_start(&relay->tick, on_tick, (uint64_t)wheel_wait_ms(&relay->wheel), 0);
}

/* Said by the loop itself: one that hangs is killed by systemd and started anew. */
static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    notify_say("WATCHDOG=1");
}

/* Only wakes the loop: what is to be done is done before it sleeps again. */
static void on_rested(uv_timer_t *timer)
{
    (void)timer;
}

/* Output goes out before sleeping: whatever many events appended in this turn is one write each. */
static void on_before_sleep(uv_prepare_t *prepare)
{
    struct relay *relay = prepare->data;
    lobby_flush(&relay->lobby);
    relay->hub.waited_us = (int64_t)(uv_metrics_idle_time(&relay->loop) / 1000);
    int64_t again_ms = hub_flush(&relay->hub);
    if (again_ms >= 0)
        uv_timer_start(&relay->rested, on_rested, (uint64_t)again_ms, 0);
    eio_flush();
    sessions_flush(&relay->sessions);
    sio_flush();
    if (relay->handoff)
        handoff_look(relay->handoff);
    db_pool_flush(relay->db_pool); /* last, these two: the others ask them for things */
    bus_flush(relay->bus);
    set_tick(relay); /* what went before sets timers */
}

static void on_hang_up(uv_signal_t *handle, int number)
{
    struct relay *relay = handle->data;
    (void)number;
    log_reopen();
    program_renew(&relay->settings);
    token_keys_reload(&relay->tokens);
    log_info("log.reopened", "pid=%d", (int)getpid());
}

/* ---- the end ---- */

static void on_terminate(uv_signal_t *handle, int number)
{
    drain_begin(handle->data, number == SIGTERM ? "SIGTERM" : "SIGINT");
}

static void on_told_to_drain(void *arg)
{
    drain_begin(arg, "told");
}

/* ---- the beginning ---- */

static void fit_file_limit(struct settings *settings)
{
    int64_t left = start_file_limit() - START_OTHER_FILES; /* what http.c lets in to be refused is in it */
    if (settings->max_connections > left)
        settings->max_connections = left; /* start_check has warned of it */
}

static bool refuse_start(struct relay *relay, const char *why)
{
    log_error("relay.start_failed", "msg=\"%s\"", why);
    fprintf(stderr, "chaguan-relay: %s\n", why);
    relay->exit_code = 1;
    return false;
}

static void warn_of_database(void *arg, const char *line)
{
    (void)arg;
    log_warn("db.not_durable", "msg=\"%s\"", line);
}

static bool database_ready(struct relay *relay)
{
    char why[256];
    uint64_t epoch = 0;
    struct store *store = store_new(&relay->settings);
    enum err err = store_ready(store, why);
    if (!err && (err = store_epoch(store, &epoch)))
        snprintf(why, sizeof why, "cannot read the epoch: %.200s", store_error(store));
    if (!err && (err = store_secret(store, relay->secret)))
        snprintf(why, sizeof why, "cannot read the secret: %.200s", store_error(store));
    if (!err && store_conditions(store, warn_of_database, NULL))
        log_warn("db.not_asked", "msg=\"%s\"", store_error(store));
    relay->hub.epoch = epoch;
    store_free(store);
    return !err || refuse_start(relay, why);
}

static bool keys_ready(struct relay *relay)
{
    char why[256];
    return !token_keys_load(&relay->settings, &relay->tokens, why) || refuse_start(relay, why);
}

static void watch(struct relay *relay, uv_signal_t *handle, uv_signal_cb fn, int number)
{
    uv_signal_init(&relay->loop, handle);
    handle->data = relay;
    uv_signal_start(handle, fn, number);
}

static void build(struct relay *relay)
{
    const struct settings *settings = &relay->settings;
    relay->incarnation = id_random() >> 1; /* fits a signed 64-bit number anywhere */
    uv_loop_init(&relay->loop);
    uv_loop_configure(&relay->loop, UV_METRICS_IDLE_TIME);
    completion_queue_init(&relay->completions, &relay->loop);
    wheel_init(&relay->wheel);
    limits_init(&relay->limits, settings, &relay->wheel);
    sessions_init(&relay->sessions, settings, &relay->wheel);
    relay->sessions.limits = &relay->limits;
    lobby_init(&relay->lobby, settings);
    relay->sessions.lobby = &relay->lobby;
    relay->sessions.online = on_online;
    relay->journal = journal_new(settings, &relay->completions, on_stored, relay);
    debts_limit((size_t)settings->outboxes_bytes);
    unfinished_limit((size_t)settings->unfinished_bytes);
    relay->db_pool = db_pool_new(settings, &relay->completions);
    struct bus_events events = {on_bus_state, on_subscribed, on_received, relay};
    relay->bus = bus_new(&relay->loop, settings, relay->incarnation, &events);
    relay->hub.settings = settings;
    relay->hub.wheel = &relay->wheel;
    relay->hub.sessions = &relay->sessions;
    relay->hub.journal = relay->journal;
    relay->hub.db_pool = relay->db_pool;
    relay->hub.bus = relay->bus;
    relay->hub.encodings = encodings;
    relay->hub.incarnation = relay->incarnation;
    relay->hub.notices = (struct hub_notices){.presence = on_presence_notice,
                                              .history = on_history_notice,
                                              .friends = on_friends_notice,
                                              .read = on_read_notice,
                                              .control = on_control,
                                              .epoch = on_epoch,
                                              .arg = relay};
    hub_init(&relay->hub);
    relay->presence = presence_new(settings, &relay->wheel, &relay->hub, relay->bus, relay->incarnation);
    protocol_context =
        (struct protocol_context){settings, &relay->hub, relay->presence, relay->db_pool, &relay->tokens};
    uv_timer_init(&relay->loop, &relay->tick);
    uv_timer_init(&relay->loop, &relay->drain);
    uv_timer_init(&relay->loop, &relay->last_words);
    uv_timer_init(&relay->loop, &relay->rested);
    uv_timer_init(&relay->loop, &relay->watchdog);
    uint64_t watchdog_ms = (uint64_t)notify_watchdog_ms();
    if (watchdog_ms)
        uv_timer_start(&relay->watchdog, on_watchdog, watchdog_ms, watchdog_ms);
    uv_prepare_init(&relay->loop, &relay->before_sleep);
    relay->tick.data = relay->drain.data = relay->last_words.data = relay;
    relay->before_sleep.data = relay;
    uv_prepare_start(&relay->before_sleep, on_before_sleep);
    watch(relay, &relay->on_term, on_terminate, SIGTERM);
    watch(relay, &relay->on_int, on_terminate, SIGINT);
    watch(relay, &relay->on_hup, on_hang_up, SIGHUP);
}

static struct moderation_config moderation_of(struct relay *relay)
{
    return (struct moderation_config){&relay->settings, &relay->wheel,    &relay->hub, relay->bus,
                                      relay->db_pool,   on_told_to_drain, relay};
}

static bool sanctions_ready(struct relay *relay)
{
    struct moderation_config config = moderation_of(relay);
    struct store *store = store_new(&relay->settings);
    enum err err = moderation_load(&config, store);
    store_free(store);
    if (err)
        return refuse_start(relay, "cannot read the mutes and bans");
    moderation_init(&config);
    return true;
}

static bool namespaces_ready(struct relay *relay)
{
    char why[256];
    struct store *store = store_new(&relay->settings);
    bool ready = sio_init(apps, &relay->settings, &relay->wheel, &relay->hub, relay->bus, relay->db_pool, store,
                          relay->incarnation, why);
    store_free(store);
    return ready || refuse_start(relay, why);
}

/* Redis must answer once before anybody is let in, one server of several at least; afterwards it may come and go. It did
 * answer a moment ago, so this is short unless it has gone again. */
static bool wait_for_servers(struct relay *relay)
{
    int64_t until_ms = clock_mono_ms() + relay->settings.redis_timeout_ms + 1000;
    bool said = false;
    while (!relay->draining) {
        bool late = clock_mono_ms() > until_ms;
        if (sio_ready() && (late ? bus_servers_up(relay->bus) > 0 : bus_is_up(relay->bus)))
            return true;
        if (late && !said)
            log_warn("start.waiting", "msg=\"%s\"",
                     sio_ready() ? "Redis cannot be used" : "the namespaces cannot be read");
        said |= late;
        uv_run(&relay->loop, UV_RUN_ONCE);
    }
    return true;
}

static bool open_protocols(struct relay *relay)
{
    const struct settings *settings = &relay->settings;
    char why[256], port[16];
    struct ws_config sockets = {&relay->loop, settings, &relay->sessions};
    relay->ws = ws_new(&sockets);
    relay->handshake.ws = relay->ws;
    relay->handshake.settings = settings;
    relay->handshake.sessions = &relay->sessions;
    relay->handshake.protocols = protocols;
    struct http_config front = {.loop = &relay->loop,
                                .settings = settings,
                                .wheel = &relay->wheel,
                                .routes = routes,
                                .upgrade = handshake_upgrade,
                                .taken = on_taken,
                                .has_place = on_has_place,
                                .lobby = &relay->lobby,
                                .arg = &relay->handshake};
    status_init(relay);
    relay->http = http_new(&front, why);
    if (!relay->http)
        return refuse_start(relay, why);
    relay->handoff = handoff_new(&relay->loop, settings, &relay->wheel, relay->bus, relay->http, relay->incarnation);
    handoff_bus_state(relay->handoff, bus_server_is_up(relay->bus, 0)); /* another may be down */
    eio_init(settings, &relay->wheel, &relay->sessions, relay->handoff,
             strcmp(settings->io_app, "echo") ? layers : echo_layers, relay->incarnation, relay->secret);
    handoff_spread(relay->handoff, eio_load);
    snprintf(port, sizeof port, "%d\n", http_port(relay->http));
    if (*settings->port_file && program_write_file(settings->port_file, port))
        return refuse_start(relay, "cannot write port_file");
    if (program_ready(settings))
        return refuse_start(relay, "cannot write pid_file");
    log_info("relay.ready", "name=%s port=%d version=%s", settings->name, http_port(relay->http), CHAGUAN_VERSION);
    return true;
}

/* ---- taking it apart ---- */

static void on_last_words_said(void *arg, const struct bus_reply *reply)
{
    struct relay *relay = arg;
    (void)reply;
    if (--relay->last_words_left == 0)
        uv_stop(&relay->loop);
}

static void on_last_words_late(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* What was stored last is published before the connection goes. */
static void say_last_words(struct relay *relay)
{
    static const struct str ping[] = {{"PING", 4}};
    if (!bus_servers_up(relay->bus))
        return;
    uv_timer_start(&relay->last_words, on_last_words_late, LAST_WORDS_MS, 0);
    relay->last_words_left = bus_servers(relay->bus);
    for (size_t i = 0; i < bus_servers(relay->bus); i++)
        bus_command_on(relay->bus, i, on_last_words_said, relay, ping, 1);
    uv_run(&relay->loop, UV_RUN_DEFAULT);
}

static void close_handle(void *handle)
{
    uv_close(handle, NULL);
}

/* A call that was answered in the loop's last turn: its session would have ended in the next one
 * (relay/protocols/chatroom_http_held.c). */
static void end_answered(struct relay *relay)
{
    for (size_t i = 0; i < relay->sessions.cap; i++) {
        struct session *session = relay->sessions.slots[i];
        if (session)
            session->transport->kill(session->socket);
    }
}

static void take_apart(struct relay *relay)
{
    journal_stop(relay->journal);
    completion_queue_drain(&relay->completions);
    say_last_words(relay);
    if (relay->handoff)
        handoff_stop(relay->handoff);
    if (relay->http)
        http_stop(relay->http);
    if (relay->ws)
        ws_stop(relay->ws);
    db_pool_stop(relay->db_pool);
    completion_queue_drain(&relay->completions);
    end_answered(relay);
    bus_stop(relay->bus);
    void *handles[] = {&relay->tick,         &relay->drain,   &relay->last_words, &relay->rested, &relay->watchdog,
                       &relay->before_sleep, &relay->on_term, &relay->on_int,     &relay->on_hup};
    for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
        close_handle(handles[i]);
    completion_queue_fini(&relay->completions);
    for (int turn = 0; turn < CLOSING_TURNS; turn++) /* it is never empty: see ws_stop */
        uv_run(&relay->loop, UV_RUN_NOWAIT);
    if (relay->handoff)
        handoff_free(relay->handoff);
    http_free(relay->http);
    eio_drain(SIZE_MAX); /* those that came while the start failed */
    eio_fini();
    sio_fini();
    moderation_fini();
    presence_free(relay->presence);
    hub_fini(&relay->hub);
    sessions_fini(&relay->sessions);
    lobby_fini(&relay->lobby);
    limits_fini(&relay->limits);
    journal_free(relay->journal);
    db_pool_free(relay->db_pool);
    bus_free(relay->bus);
}

int main(int argc, char **argv)
{
    static struct relay only;
    struct relay *relay = &only;
    program_start(&info, argc, argv, &relay->settings, "relay");
    fit_file_limit(&relay->settings);
    int status = program_wait_for_servers(&info, &relay->settings);
    if (status >= 0) {
        settings_fini(&relay->settings);
        return status;
    }
    if (keys_ready(relay) && database_ready(relay)) {
        build(relay);
        if (sanctions_ready(relay) && namespaces_ready(relay) && wait_for_servers(relay) && open_protocols(relay) &&
            !relay->draining)
            uv_run(&relay->loop, UV_RUN_DEFAULT);
        take_apart(relay);
        log_info("relay.ended", "exit=%d", relay->exit_code);
    }
    token_keys_fini(&relay->tokens);
    program_end(&relay->settings);
    return relay->exit_code;
}
