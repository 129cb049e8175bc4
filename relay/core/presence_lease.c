/* presence_lease.c: this relay's lease, reaping relays whose lease has expired, and shutdown. */
#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/presence_entries.h"
#include "relay/core/presence_scripts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    REAP_ROOMS = 100, /* rooms of a dead relay taken at once */
};

/* A room that is gone through page by page. */
struct asked_room {
    struct registry *registry;
    uint64_t conversation; /* 0: the entry is no number; it is removed without an announcement */
    bool counted;          /* presence_finish waits for the last answer */
    size_t gone;           /* entries that were taken away */
    char *entry, *name;    /* whose, and the room as it stands there */
};

static struct asked_room *asked_room_new(struct registry *registry, struct str entry, struct str conversation)
{
    struct asked_room *room = mem_zalloc(sizeof *room);
    *room = (struct asked_room){.registry = registry, .counted = registry->ending};
    room->conversation = strtoull(conversation.ptr, NULL, 10);
    room->entry = mem_strndup(entry.ptr, entry.len);
    room->name = mem_strndup(conversation.ptr, conversation.len);
    return room;
}

static void asked_room_free(struct asked_room *room)
{
    free(room->entry);
    free(room->name);
    free(room);
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
 * which rooms have entries of ours, and for which users, page by page; users that are not here are removed one by one.
 * Commands keep their order, so who enters after that was found out enters after it in Redis, too. */

static void tidy_page(struct registry *registry, struct str cursor);
static void look_through(struct asked_room *room, struct str cursor);

static void tidied(struct registry *registry)
{
    CG_ASSERT(registry->tidying);
    if (--registry->tidying)
        return;
    bool again = registry->tidy_again;
    if (!again && strcmp(registry->tidy_cursor, "0") == 0)
        return;
    char cursor[PRESENCE_CURSOR_MAX];
    memcpy(cursor, again ? "0" : registry->tidy_cursor, again ? 2 : sizeof cursor);
    registry->tidy_again = false;
    tidy_page(registry, str_of(cursor));
}

static void look_at(struct asked_room *room, const char *field)
{
    struct presence *presence = room->registry->presence;
    const char *entry = presence->entry;
    size_t len = strlen(entry);
    if (!field || strncmp(field, entry, len) != 0 || field[len] != ':')
        return;
    uint64_t user = strtoull(field + len + 1, NULL, 10);
    if (presence_is_sure(presence, room->conversation, user))
        return;
    presence_say_forgotten(presence, room->conversation, user);
    room->gone++;
}

static void ignore(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    (void)reply;
}

static void looked_through(struct asked_room *room)
{
    struct registry *registry = room->registry;
    struct presence *presence = registry->presence;
    if (presence_is_empty(presence, room->conversation)) {
        char rooms[PRESENCE_KEY_MAX];
        presence_relay_key(rooms, presence->settings->redis_prefix, "rooms", str_of(presence->entry));
        struct str args[] = {STR("SREM"), str_of(rooms), str_of(room->name)};
        command(registry, ignore, NULL, args, 3);
    }
    if (room->gone && room->conversation) {
        log_info("presence.forgotten", "room=%llu users=%zu", (unsigned long long)room->conversation, room->gone);
        presence_tell(presence, room->conversation);
    }
    asked_room_free(room);
    tidied(registry);
}

static void on_entries(void *arg, const struct bus_reply *reply)
{
    struct asked_room *room = arg;
    bool stop = bus_reply_count(reply) != 2 || room->registry->presence->finishing;
    const struct bus_reply *entries = stop ? NULL : bus_reply_at(reply, 1);
    for (size_t i = 0; i + 1 < bus_reply_count(entries); i += 2)
        look_at(room, bus_reply_text(bus_reply_at(entries, i)).ptr);
    if (stop) {
        struct registry *registry = room->registry;
        asked_room_free(room);
        tidied(registry);
    } else if (str_eq(bus_reply_text(bus_reply_at(reply, 0)), STR("0"))) {
        looked_through(room);
    } else {
        look_through(room, bus_reply_text(bus_reply_at(reply, 0)));
    }
}

static void look_through(struct asked_room *room, struct str cursor)
{
    char key[PRESENCE_KEY_MAX], count[24];
    presence_room_key(key, room->registry->presence->settings->redis_prefix, room->conversation);
    snprintf(count, sizeof count, "%d", PRESENCE_PAGE);
    struct str args[] = {STR("HSCAN"), str_of(key), cursor, STR("COUNT"), str_of(count)};
    command(room->registry, on_entries, room, args, 5);
}

static void on_own_rooms(void *arg, const struct bus_reply *reply)
{
    struct registry *registry = arg;
    bool stop = bus_reply_count(reply) != 2 || registry->presence->finishing;
    const struct bus_reply *rooms = stop ? NULL : bus_reply_at(reply, 1);
    struct str cursor = stop ? STR("0") : bus_reply_text(bus_reply_at(reply, 0));
    snprintf(registry->tidy_cursor, sizeof registry->tidy_cursor, "%.*s", (int)cursor.len, cursor.ptr);
    for (size_t i = 0; i < bus_reply_count(rooms); i++) {
        registry->tidying++;
        look_through(asked_room_new(registry, STR(""), bus_reply_text(bus_reply_at(rooms, i))), STR("0"));
    }
    tidied(registry);
}

static void tidy_page(struct registry *registry, struct str cursor)
{
    const struct presence *presence = registry->presence;
    char rooms[PRESENCE_KEY_MAX], count[24];
    presence_relay_key(rooms, presence->settings->redis_prefix, "rooms", str_of(presence->entry));
    snprintf(count, sizeof count, "%d", REAP_ROOMS);
    struct str args[] = {STR("SSCAN"), str_of(rooms), cursor, STR("COUNT"), str_of(count)};
    registry->tidying++;
    command(registry, on_own_rooms, registry, args, 5);
}

static void find_own_rooms(struct registry *registry)
{
    if (registry->tidying)
        registry->tidy_again = true;
    else
        tidy_page(registry, STR("0"));
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
    log_info("presence.registered", "entry=%s server=%zu reaped=%d rooms=%zu", presence->entry, server_of(registry),
             reaped, presence->rooms.count);
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
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_RENEW), STR("3"),   str_of(lease),
                         str_of(relays), str_of(reaped),    str_of(ms), str_of(presence->entry)};
    command(registry, on_renewed, registry, args, sizeof args / sizeof args[0]);
}

static void on_lease_timer(struct wheel_timer *timer)
{
    struct presence *presence = container_of(timer, struct presence, lease);
    if (presence->finishing)
        return;
    for (size_t i = 0; i < bus_servers(presence->bus); i++)
        renew(&presence->registries[i]);
    wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
}

/* ---- relays that lost theirs ---- */

static void find_dead(struct registry *registry);
static void reap_page(struct asked_room *room, struct str cursor);

/* The last page of a room: when it was the last room, the next ones are looked for. */
static void reaped(struct asked_room *room)
{
    struct registry *registry = room->registry;
    struct presence *presence = registry->presence;
    bool counted = room->counted;
    if (room->conversation)
        presence_tell(presence, room->conversation);
    asked_room_free(room);
    if (--registry->reaping == 0 && registry->more_dead && (registry->ending || !presence->finishing)) {
        registry->more_dead = false;
        find_dead(registry);
    }
    if (counted)
        presence_settle(presence);
}

static void announce_gone(const struct asked_room *room, struct str user, struct str value)
{
    struct listed gone;
    char field[32];
    snprintf(field, sizeof field, "gone:%.*s", (int)user.len, user.ptr);
    if (!room->conversation || !presence_read_entry(field, value, STR(""), &gone)) {
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    metric_inc(METRIC_PRESENCE_REAPED);
    presence_announce(room->registry->presence, MESSAGE_LEAVE, room->conversation, gone.encoding, &gone.member);
}

static void on_reaped(void *arg, const struct bus_reply *reply)
{
    struct asked_room *room = arg;
    struct str cursor = bus_reply_count(reply) ? bus_reply_text(bus_reply_at(reply, 0)) : STR("0");
    for (size_t i = 1; i + 1 < bus_reply_count(reply); i += 2)
        announce_gone(room, bus_reply_text(bus_reply_at(reply, i)), bus_reply_text(bus_reply_at(reply, i + 1)));
    if (str_eq(cursor, STR("0")))
        reaped(room);
    else
        reap_page(room, cursor);
}

static void reap_page(struct asked_room *room, struct str cursor)
{
    struct registry *registry = room->registry;
    struct str entry = str_of(room->entry);
    const char *prefix = registry->presence->settings->redis_prefix;
    char room_key[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX], lease[PRESENCE_KEY_MAX];
    char reaped_key[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX], here[PRESENCE_KEY_MAX], count[24];
    presence_here(registry->presence, room->conversation, here);
    presence_room_key(room_key, prefix, room->conversation);
    presence_relay_key(rooms, prefix, "rooms", entry);
    presence_lease_key(lease, prefix, entry);
    presence_relay_key(reaped_key, prefix, "reaped", entry);
    snprintf(who, sizeof who, "%s:who:%llu:", prefix, (unsigned long long)room->conversation);
    snprintf(count, sizeof count, "%d", PRESENCE_PAGE);
    struct str args[] = {STR("EVAL"),
                         STR(SCRIPT_REAP),
                         STR("4"),
                         str_of(room_key),
                         str_of(rooms),
                         str_of(lease),
                         str_of(reaped_key),
                         entry,
                         str_of(room->name),
                         str_of(who),
                         registry->ending ? STR("1") : STR("0"),
                         cursor,
                         str_of(count),
                         str_of(here)};
    command(registry, on_reaped, room, args, sizeof args / sizeof args[0]);
}

static void on_dead_found(void *arg, const struct bus_reply *reply)
{
    struct asked_room *question = arg;
    struct registry *registry = question->registry;
    struct presence *presence = registry->presence;
    size_t count = bus_reply_count(reply);
    registry->more_dead = count / 2 >= REAP_ROOMS;
    registry->reaping++; /* this answer itself: all are asked for before the first can be the last */
    for (size_t i = 0; i + 1 < count; i += 2) {
        struct asked_room *room = asked_room_new(registry, bus_reply_text(bus_reply_at(reply, i)),
                                                 bus_reply_text(bus_reply_at(reply, i + 1)));
        registry->reaping++;
        presence->outstanding += room->counted;
        reap_page(room, STR("0"));
    }
    if (count)
        log_info("presence.reaping", "rooms=%zu", count / 2);
    reaped(question);
}

static void find_dead(struct registry *registry)
{
    const char *prefix = registry->presence->settings->redis_prefix;
    char relays[PRESENCE_KEY_MAX], limit[24];
    struct asked_room *question = asked_room_new(registry, STR(""), STR("0"));
    registry->presence->outstanding += question->counted;
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    snprintf(limit, sizeof limit, "%d", REAP_ROOMS);
    struct str args[] = {STR("EVAL"),
                         STR(SCRIPT_FIND_DEAD),
                         STR("1"),
                         str_of(relays),
                         str_of(prefix),
                         str_of(registry->presence->entry),
                         registry->ending ? STR("1") : STR("0"),
                         str_of(limit)};
    command(registry, on_dead_found, question, args, sizeof args / sizeof args[0]);
}

static void on_reap_timer(struct wheel_timer *timer)
{
    struct presence *presence = container_of(timer, struct presence, reap);
    if (presence->finishing)
        return;
    wheel_set(presence->wheel, &presence->reap, presence->settings->lease_ms / 4);
    for (size_t i = 0; i < bus_servers(presence->bus); i++)
        if (clock_mono_ms() >= presence->registries[i].reap_from_ms)
            find_dead(&presence->registries[i]);
}

void presence_lease_init(struct presence *presence)
{
    for (size_t i = 0; i < bus_servers(presence->bus); i++) {
        presence->registries[i].presence = presence;
        presence_say_init(&presence->registries[i]);
    }
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
    for (struct presence_room *room; (room = map_next(&presence->rooms, &at));) {
        if (presence_registry(presence, room->conversation) != registry)
            continue;
        size_t user_at = 0;
        for (struct present *present; (present = map_next(&room->presents, &user_at));) {
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
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_HAND_ON),     STR("2"),  str_of(relays), str_of(lease),
                         str_of(prefix), str_of(presence->entry), str_of(ms)};
    command(registry, on_handed_on, registry, args, sizeof args / sizeof args[0]);
}

void presence_finish(struct presence *presence, void (*done)(void *arg), void *arg)
{
    size_t servers = bus_servers(presence->bus);
    presence->finishing = true;
    presence->done = done;
    presence->done_arg = arg;
    presence->outstanding = (unsigned)servers;
    for (size_t i = 0; i < servers; i++) {
        presence_say_stop(&presence->registries[i]); /* all of them leave now */
        hand_on(&presence->registries[i]);
    }
}
