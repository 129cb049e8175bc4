/* presence_lease.c: this relay's lease, the relays that lost theirs, and the end. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/presence_parts.h"
#include "relay/presence_scripts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    REAP_ROOMS = 200,              /* rooms of a dead relay taken at once */
    KEEP_BYTES = 16 * 1024 * 1024, /* ids of our users of one room */
};

/* A room that a question to a server is about. */
struct asked_room {
    struct registry *registry;
    uint64_t conversation; /* 0: what stands there is no number; it is taken away, and nobody is told */
    bool counted;          /* presence_finish waits for the answer */
};

static struct asked_room *asked_room_new(struct registry *registry, struct str conversation)
{
    struct asked_room *room = mem_zalloc(sizeof *room);
    *room = (struct asked_room){registry, strtoull(conversation.ptr, NULL, 10), registry->ending};
    return room;
}

static size_t server_of(const struct registry *registry)
{
    return (size_t)(registry - registry->presence->registries);
}

static void command(struct registry *registry, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    bus_command_on(registry->presence->bus, server_of(registry), fn, arg, args, count);
}

/* ---- entries that Redis should no longer have ----
 *
 * A server that takes over from another may not have heard of the last leaves. So after all is said again, it is asked
 * in which rooms it has us, and told whom we have there. */

static void on_kept(void *arg, const struct bus_reply *reply)
{
    struct asked_room *room = arg;
    int64_t gone = bus_reply_number(reply);
    if (gone && room->conversation) {
        log_info("presence.forgotten", "room=%llu users=%lld", (unsigned long long)room->conversation, (long long)gone);
        presence_tell(room->registry->presence, room->conversation);
    }
    free(room);
}

/* ",1,2,": users are told apart by the commas. */
static void add_users(struct presence *presence, uint64_t conversation, struct buf *out)
{
    struct place *place = map_get(&presence->places, conversation);
    size_t at = 0;
    buf_add_char(out, ',');
    for (struct present *present; place && (present = map_next(&place->presents, &at));) {
        if (present->unsure)
            continue;
        buf_add_u64(out, present->user);
        buf_add_char(out, ',');
    }
}

static void keep(struct registry *registry, struct str conversation)
{
    struct presence *presence = registry->presence;
    const char *prefix = presence->settings->redis_prefix;
    char room_key[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    struct asked_room *room = asked_room_new(registry, conversation);
    struct buf users;
    buf_init(&users, KEEP_BYTES);
    add_users(presence, room->conversation, &users);
    if (users.failed) {
        free(room); /* more users than anybody could list: left to themselves */
        buf_fini(&users);
        return;
    }
    presence_room_key(room_key, prefix, room->conversation);
    presence_relay_key(rooms, prefix, "rooms", str_of(presence->entry));
    snprintf(who, sizeof who, "%s:who:%llu:", prefix, (unsigned long long)room->conversation);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_KEEP),        STR("2"),     str_of(room_key),
                         str_of(rooms), str_of(presence->entry), conversation, str_of(who),
                         buf_str(&users)};
    command(registry, on_kept, room, args, sizeof args / sizeof args[0]);
    buf_fini(&users);
}

static void on_own_rooms(void *arg, const struct bus_reply *reply)
{
    struct registry *registry = arg;
    for (size_t i = 0; i < bus_reply_count(reply) && !registry->presence->finishing; i++)
        keep(registry, bus_reply_text(bus_reply_at(reply, i)));
}

static void find_own_rooms(struct registry *registry)
{
    const struct presence *presence = registry->presence;
    char rooms[PRESENCE_KEY_MAX];
    presence_relay_key(rooms, presence->settings->redis_prefix, "rooms", str_of(presence->entry));
    struct str args[] = {STR("SMEMBERS"), str_of(rooms)};
    command(registry, on_own_rooms, registry, args, 2);
}

/* ---- our own lease ---- */

static void on_renewed(void *arg, const struct bus_reply *reply)
{
    struct registry *registry = arg;
    struct presence *presence = registry->presence;
    if (!reply || bus_reply_count(reply) != 2 || presence->finishing)
        return;
    bool had = bus_reply_number(bus_reply_at(reply, 0)) == 1;
    bool reaped = bus_reply_number(bus_reply_at(reply, 1)) == 1;
    if (had && !reaped && !registry->resync)
        return;
    registry->resync = false;
    log_info("presence.registered", "entry=%s server=%zu reaped=%d rooms=%zu", presence->entry,
             server_of(registry), reaped, presence->places.count);
    presence_say_all(registry, reaped);
    find_own_rooms(registry);
}

static void renew(struct registry *registry)
{
    const struct presence *presence = registry->presence;
    const char *prefix = presence->settings->redis_prefix;
    char lease[PRESENCE_KEY_MAX], relays[PRESENCE_KEY_MAX], reaped[PRESENCE_KEY_MAX], ms[24];
    presence_lease_key(lease, prefix, str_of(presence->entry));
    presence_relay_key(reaped, prefix, "reaped", str_of(presence->entry));
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    snprintf(ms, sizeof ms, "%lld", (long long)presence->settings->lease_ms);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_RENEW), STR("3"),  str_of(lease),
                         str_of(relays), str_of(reaped),    str_of(ms), str_of(presence->entry)};
    command(registry, on_renewed, registry, args, sizeof args / sizeof args[0]);
}

static void on_lease_timer(struct wheel_timer *timer)
{
    struct presence *presence =
        (struct presence *)(void *)((char *)timer - offsetof(struct presence, lease));
    if (presence->finishing)
        return;
    for (size_t i = 0; i < bus_servers(presence->bus); i++)
        renew(&presence->registries[i]);
    wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
}

/* ---- relays that lost theirs ---- */

static void on_reaped(void *arg, const struct bus_reply *reply)
{
    struct asked_room *room = arg;
    struct registry *registry = room->registry;
    struct presence *presence = registry->presence;
    for (size_t i = 0; i + 1 < bus_reply_count(reply); i += 2) {
        struct listed gone;
        struct str user = bus_reply_text(bus_reply_at(reply, i));
        char field[32];
        snprintf(field, sizeof field, "gone:%.*s", (int)user.len, user.ptr);
        if (!room->conversation ||
            !presence_read_entry(field, bus_reply_text(bus_reply_at(reply, i + 1)), STR(""), &gone)) {
            metric_inc(METRIC_BUS_MALFORMED);
            continue;
        }
        metric_inc(METRIC_PRESENCE_REAPED);
        presence_announce(MESSAGE_LEAVE, room->conversation, gone.encoding, &gone.member);
    }
    if (room->conversation)
        presence_tell(presence, room->conversation);
    if (room->counted)
        presence_settle(presence);
    free(room);
}

static void reap_room(struct registry *registry, struct str entry, struct str conversation)
{
    struct presence *presence = registry->presence;
    const char *prefix = presence->settings->redis_prefix;
    char room_key[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX], lease[PRESENCE_KEY_MAX];
    char reaped[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    struct asked_room *room = asked_room_new(registry, conversation);
    presence_room_key(room_key, prefix, room->conversation);
    presence_relay_key(rooms, prefix, "rooms", entry);
    presence_lease_key(lease, prefix, entry);
    presence_relay_key(reaped, prefix, "reaped", entry);
    snprintf(who, sizeof who, "%s:who:%llu:", prefix, (unsigned long long)room->conversation);
    struct str args[] = {STR("EVAL"),   STR(SCRIPT_REAP), STR("4"),       str_of(room_key),
                         str_of(rooms), str_of(lease),    str_of(reaped), entry,
                         conversation,  str_of(who),      registry->ending ? STR("1") : STR("0")};
    if (room->counted)
        presence->outstanding++;
    command(registry, on_reaped, room, args, sizeof args / sizeof args[0]);
}

static void on_dead_found(void *arg, const struct bus_reply *reply)
{
    struct registry *registry = arg;
    struct presence *presence = registry->presence;
    size_t count = bus_reply_count(reply);
    for (size_t i = 0; i + 1 < count; i += 2)
        reap_room(registry, bus_reply_text(bus_reply_at(reply, i)),
                  bus_reply_text(bus_reply_at(reply, i + 1)));
    if (count)
        log_info("presence.reaping", "rooms=%zu", count / 2);
    if (registry->ending)
        presence_settle(presence);
    else if (count >= 2 * REAP_ROOMS)
        wheel_set(presence->wheel, &presence->reap, 0); /* there are more */
}

static void find_dead(struct registry *registry)
{
    const struct presence *presence = registry->presence;
    const char *prefix = presence->settings->redis_prefix;
    char relays[PRESENCE_KEY_MAX], limit[24];
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    snprintf(limit, sizeof limit, "%d", registry->ending ? 1000000 : REAP_ROOMS);
    struct str args[] = {STR("EVAL"),   STR(SCRIPT_FIND_DEAD),  STR("1"),
                         str_of(relays), str_of(prefix), str_of(presence->entry),
                         registry->ending ? STR("1") : STR("0"), str_of(limit)};
    command(registry, on_dead_found, registry, args, sizeof args / sizeof args[0]);
}

static void on_reap_timer(struct wheel_timer *timer)
{
    struct presence *presence =
        (struct presence *)(void *)((char *)timer - offsetof(struct presence, reap));
    if (presence->finishing)
        return;
    wheel_set(presence->wheel, &presence->reap, presence->settings->lease_ms / 4);
    for (size_t i = 0; i < bus_servers(presence->bus); i++)
        if (clock_mono_ms() >= presence->registries[i].reap_from_ms)
            find_dead(&presence->registries[i]);
}

void presence_lease_init(struct presence *presence)
{
    for (size_t i = 0; i < bus_servers(presence->bus); i++)
        presence->registries[i].presence = presence;
    presence->lease.fired = on_lease_timer;
    presence->reap.fired = on_reap_timer;
    wheel_set(presence->wheel, &presence->reap, presence->settings->lease_ms / 4);
}

void presence_lease_renew(struct presence *presence, size_t server)
{
    struct registry *registry = &presence->registries[server];
    registry->resync = true; /* commands were lost with the connection */
    /* If the server was away from all, no lease was renewed: the others are given time to come back, too. */
    registry->reap_from_ms = clock_mono_ms() + presence->settings->lease_ms;
    renew(registry);
    if (!wheel_is_set(&presence->lease))
        wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
}

/* ---- the end ---- */

void presence_settle(struct presence *presence)
{
    CG_ASSERT(presence->outstanding);
    if (--presence->outstanding == 0)
        presence->done(presence->done_arg);
}

static void leave_all(struct registry *registry)
{
    struct presence *presence = registry->presence;
    size_t at = 0;
    for (struct place *place; (place = map_next(&presence->places, &at));) {
        if (presence_registry(presence, place->conversation) != registry)
            continue;
        size_t user_at = 0;
        for (struct present *present; (present = map_next(&place->presents, &user_at));) {
            wheel_cancel(&present->grace);
            presence_say_leave(present, !present->unsure);
        }
    }
}

static void on_lease_given_up(void *arg, const struct bus_reply *reply)
{
    (void)reply; /* else it runs out */
    presence_settle(arg);
}

/* After the last leave: nobody waits for what is left of it, and operators do not see a relay that is gone. */
static void give_up_lease(struct registry *registry)
{
    struct presence *presence = registry->presence;
    char lease[PRESENCE_KEY_MAX];
    presence_lease_key(lease, presence->settings->redis_prefix, str_of(presence->entry));
    struct str args[] = {STR("DEL"), str_of(lease)};
    presence->outstanding++;
    command(registry, on_lease_given_up, presence, args, sizeof args / sizeof args[0]);
}

static void on_handed_on(void *arg, const struct bus_reply *reply)
{
    struct registry *registry = arg;
    /* Redis answers in order: what was asked before is answered, so what is counted comes after. */
    if (reply && bus_reply_number(reply) == 0) {
        registry->ending = true;
        leave_all(registry);
        give_up_lease(registry);
        registry->presence->outstanding++;
        find_dead(registry);
    }
    presence_settle(registry->presence);
}

static void hand_on(struct registry *registry)
{
    const struct presence *presence = registry->presence;
    const char *prefix = presence->settings->redis_prefix;
    char relays[PRESENCE_KEY_MAX], lease[PRESENCE_KEY_MAX], ms[24];
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    presence_lease_key(lease, prefix, str_of(presence->entry));
    snprintf(ms, sizeof ms, "%lld", (long long)presence->settings->grace_ms + 1);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_HAND_ON),  STR("2"),
                         str_of(relays), str_of(lease),        str_of(prefix),
                         str_of(presence->entry), str_of(ms)};
    command(registry, on_handed_on, registry, args, sizeof args / sizeof args[0]);
}

void presence_finish(struct presence *presence, void (*done)(void *arg), void *arg)
{
    size_t servers = bus_servers(presence->bus);
    presence->finishing = true;
    presence->done = done;
    presence->done_arg = arg;
    presence->outstanding = (unsigned)servers;
    for (size_t i = 0; i < servers; i++)
        hand_on(&presence->registries[i]);
}
