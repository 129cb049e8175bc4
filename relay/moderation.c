#include "relay/moderation.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/store_sanctions.h"
#include "relay/bus.h"
#include "relay/eio.h"
#include "relay/hub.h"
#include "relay/readers.h"
#include "relay/sio.h"

#include <stdlib.h>

static struct {
    struct moderation_config config;
    struct sanctions sanctions;
    int64_t changed_ms; /* of the latest change that is known */
    bool looking;       /* a reader is at it */
    bool again;         /* there was news meanwhile */
    struct wheel_timer timer;
} moderation;

/* ---- acting ---- */

static void close_session(struct session *session, const struct sanction *sanction, const char *reason)
{
    uint64_t conversation = sanction->conversation;
    if (conversation && !hub_seat(session, conversation))
        return;
    metric_inc(METRIC_CLOSED_MODERATION);
    if (conversation && session->protocol->expelled)
        session->protocol->expelled(session, conversation, reason);
    else
        session_close(session, 1008, reason);
}

static bool is_whom(const struct limits_client *client, const struct sanction *sanction, uint64_t address)
{
    return (sanction->user && client->user == sanction->user) || (address && client->address == address);
}

/* A ban or a kick: whoever is here of those it is on, goes. */
static void expel(const struct sanction *sanction)
{
    const struct sessions *sessions = moderation.config.hub->sessions;
    const char *reason = sanction->kind == SANCTION_BAN ? "banned" : "kicked";
    uint64_t address = rate_address_key(str_of(sanction->address));
    for (size_t i = 0; i < sessions->cap; i++) {
        struct session *session = sessions->slots[i];
        if (session && !session->closing && session->protocol != &eio_protocol &&
            is_whom(&session->client, sanction, address))
            close_session(session, sanction, reason);
    }
    if (address || *sanction->name)
        sio_expel(sanction, address);
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

static void take(const struct sanction *sanction, bool act)
{
    if (sanction->changed_ms > moderation.changed_ms)
        moderation.changed_ms = sanction->changed_ms;
    if (sanctions_put(&moderation.sanctions, sanction) && act && sanction->kind == SANCTION_BAN)
        expel(sanction);
}

static void look_again(void)
{
    const struct settings *settings = moderation.config.settings;
    wheel_set(moderation.config.wheel, &moderation.timer,
              bus_is_up(moderation.config.bus) ? settings->audit_ms : settings->audit_down_ms);
}

static void look_now(void);

static void on_looked(struct job *job)
{
    struct look *look = (struct look *)job;
    moderation.looking = false;
    for (size_t i = 0; !job->err && i < look->count; i++)
        take(&look->list[i], true);
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
    readers_add(moderation.config.readers, &look->job);
}

static void on_timer(struct wheel_timer *timer)
{
    (void)timer;
    sanctions_sweep(&moderation.sanctions);
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

static void take_quietly(void *arg, const struct sanction *sanction)
{
    (void)arg;
    take(sanction, false);
}

enum err moderation_load(const struct moderation_config *config, struct store *store)
{
    config->hub->sanctions = &moderation.sanctions;
    return store_sanctions_active(store, take_quietly, NULL);
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
