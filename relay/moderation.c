#include "relay/moderation.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/rights.h"
#include "common/store/store_sanctions.h"
#include "relay/redis/bus.h"
#include "relay/core/protocol.h"
#include "relay/socketio/eio.h"
#include "relay/core/hub.h"
#include "relay/db/db_pool.h"
#include "relay/socketio/sio.h"

#include <stdlib.h>

static struct {
    struct moderation_config config;
    struct sanctions sanctions;
    int64_t changed_ms; /* of the latest change that is known */
    bool looking;       /* a worker is at it */
    bool again;         /* there was news meanwhile */
    struct wheel_timer timer;
} moderation;

/* ---- acting ---- */

/* By kind. */
static const struct {
    unsigned code;
    const char *reason;
    enum metric metric;
} closings[] = {
    [SANCTION_BAN] = {1008, "banned", METRIC_CLOSED_MODERATION},
    [SANCTION_KICK] = {1008, "kicked", METRIC_CLOSED_MODERATION},
    [SANCTION_REVOCATION] = {PROTOCOL_CLOSE_UNAUTHORIZED, PROTOCOL_REVOKED, METRIC_CLOSED_REVOKED},
};

static void close_session(struct session *session, const struct sanction *sanction)
{
    uint64_t conversation = sanction->conversation;
    bool is_there = !conversation || hub_subscription(session, conversation);
    if (is_there)
        metric_inc(closings[sanction->kind].metric);
    if (conversation && session->protocol->expelled)
        session->protocol->expelled(session, conversation, closings[sanction->kind].reason);
    else if (is_there)
        session_close(session, closings[sanction->kind].code, closings[sanction->kind].reason);
}

static bool is_whom(const struct limits_client *client, const struct sanction *sanction, uint64_t address)
{
    bool is_user = sanction->user && client->user == sanction->user;
    if (sanction->kind == SANCTION_REVOCATION)
        return sanction->user ? is_user && client->generation < sanction->generation : client->by_token;
    return is_user || (address && client->address == address);
}

/* A ban, a kick or a revocation: disconnects the clients here to whom it applies. */
static void expel(const struct sanction *sanction)
{
    const struct sessions *sessions = moderation.config.hub->sessions;
    uint64_t address = rate_address_key(str_of(sanction->address));
    sio_expel(sanction, address);
    if (sanction->user && sessions->limits && !limits_open(sessions->limits, sanction->user))
        return; /* of the many that change their rights few are here */
    for (size_t i = 0; i < sessions->cap; i++) {
        struct session *session = sessions->slots[i];
        if (session && !session->closing && session->protocol != &eio_protocol &&
            is_whom(&session->client, sanction, address))
            close_session(session, sanction);
    }
    if (sanction->kind == SANCTION_REVOCATION && !sanction->user)
        eio_expel_tokens();
    if (address && !sanction->conversation)
        eio_expel_address(address, sanction->kind == SANCTION_BAN);
}

/* ---- looking at what is stored ---- */

struct look {
    struct job job;
    int64_t changed_ms;
    struct sanction *list;
    size_t count, cap;
};

static void collect(void *arg, const struct sanction *sanction)
{
    struct look *look = arg;
    if (look->count == look->cap) {
        look->cap = look->cap ? look->cap * 2 : 16;
        look->list = mem_realloc(look->list, look->cap * sizeof look->list[0]);
    }
    look->list[look->count++] = *sanction;
}

static void work(struct job *job, struct store *store)
{
    struct look *look = (struct look *)job;
    job->err = store_sanctions_changed(store, look->changed_ms, collect, look);
}

static void apply(const struct sanction *sanction)
{
    if (sanction->changed_ms > moderation.changed_ms)
        moderation.changed_ms = sanction->changed_ms;
    if (!sanctions_put(&moderation.sanctions, sanction) || sanction->kind == SANCTION_MUTE)
        return;
    expel(sanction);
    if (sanction->kind == SANCTION_REVOCATION && sanction->user && sanction->generation == RIGHTS_ERASED)
        hub_erased(moderation.config.hub, sanction->user);
}

static void look_again(void)
{
    wheel_set(moderation.config.wheel, &moderation.timer, moderation.config.settings->revocation_poll_ms);
}

static void look_now(void);

static void on_looked(struct job *job)
{
    struct look *look = (struct look *)job;
    moderation.looking = false;
    for (size_t i = 0; !job->err && i < look->count; i++)
        apply(&look->list[i]);
    free(look->list);
    free(look);
    if (!moderation.config.hub)
        return; /* the relay is being taken apart */
    if (moderation.again)
        look_now();
    else
        look_again();
}

static void look_now(void)
{
    moderation.again = moderation.looking;
    if (moderation.looking)
        return;
    struct look *look = mem_zalloc(sizeof *look);
    look->job.work = work;
    look->job.done = on_looked;
    look->changed_ms = moderation.changed_ms;
    moderation.looking = true;
    wheel_cancel(&moderation.timer);
    db_pool_add_first(moderation.config.db_pool, &look->job);
}

static void on_timer(struct wheel_timer *timer)
{
    (void)timer;
    sanctions_sweep(&moderation.sanctions, moderation.changed_ms - 2 * STORE_SANCTIONS_OVERLAP_MS);
    look_now();
}

/* ---- what is heard ---- */

void moderation_received(const struct wire_header *header, struct str payload)
{
    struct sanction kick;
    if (!moderation.config.hub)
        return;
    if (header->kind == WIRE_DRAIN) {
        if (str_eq(payload, str_of(moderation.config.settings->name)))
            moderation.config.drain(moderation.config.arg);
    } else if (!payload.len) {
        look_now();
    } else if (sanction_get_kick(payload, &kick)) {
        metric_inc(METRIC_BUS_MALFORMED);
    } else {
        log_info("moderation.kick", "user=%llu room=%llu", (unsigned long long)kick.user,
                 (unsigned long long)kick.conversation);
        expel(&kick);
    }
}

void moderation_bus_state(void)
{
    if (moderation.config.hub && !moderation.looking)
        wheel_set(moderation.config.wheel, &moderation.timer, 0); /* in a later turn: the relay may be ending */
}

/* ---- beginning and end ---- */

static void put(void *arg, const struct sanction *sanction)
{
    (void)arg;
    (void)!sanctions_put(&moderation.sanctions, sanction);
}

enum err moderation_load(const struct moderation_config *config, struct store *store)
{
    config->hub->sanctions = &moderation.sanctions;
    return store_sanctions_active(store, &moderation.changed_ms, put, NULL);
}

void moderation_init(const struct moderation_config *config)
{
    moderation.config = *config;
    moderation.timer.fired = on_timer;
    (void)!bus_subscribe(config->bus, WIRE_CONTROL);
    look_again();
}

void moderation_fini(void)
{
    wheel_cancel(&moderation.timer);
    moderation.config.hub = NULL;
    sanctions_fini(&moderation.sanctions);
}
