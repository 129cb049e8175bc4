/* presence_lease.c: this relay's lease, the relays that lost theirs, and the end. */
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/presence_parts.h"
#include "relay/presence_scripts.h"

#include <stdio.h>
#include <stdlib.h>

enum { REAP_ROOMS = 200 }; /* rooms of a dead relay taken at once */

/* ---- our own lease ---- */

static void on_renewed(void *arg, const struct bus_reply *reply)
{
    struct presence *presence = arg;
    if (!reply || bus_reply_count(reply) != 2 || presence->finishing)
        return;
    bool had = bus_reply_number(bus_reply_at(reply, 0)) == 1;
    bool reaped = bus_reply_number(bus_reply_at(reply, 1)) == 1;
    if (had && !reaped && !presence->resync)
        return;
    presence->resync = false;
    log_info("presence.registered", "entry=%s reaped=%d rooms=%zu", presence->entry, reaped,
             presence->places.count);
    presence_say_all(presence, reaped);
}

static void renew(struct presence *presence)
{
    const char *prefix = presence->settings->redis_prefix;
    char lease[PRESENCE_KEY_MAX], relays[PRESENCE_KEY_MAX], reaped[PRESENCE_KEY_MAX], ms[24];
    presence_lease_key(lease, prefix, str_of(presence->entry));
    presence_relay_key(reaped, prefix, "reaped", str_of(presence->entry));
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    snprintf(ms, sizeof ms, "%lld", (long long)presence->settings->lease_ms);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_RENEW), STR("3"),  str_of(lease),
                         str_of(relays), str_of(reaped),    str_of(ms), str_of(presence->entry)};
    bus_command(presence->bus, on_renewed, presence, args, sizeof args / sizeof args[0]);
}

static void on_lease_timer(struct wheel_timer *timer)
{
    struct presence *presence =
        (struct presence *)(void *)((char *)timer - offsetof(struct presence, lease));
    if (presence->finishing)
        return;
    renew(presence);
    wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
}

/* ---- relays that lost theirs ---- */

/* A room of a relay that is gone. */
struct grave {
    struct presence *presence;
    uint64_t conversation;
};

static void on_reaped(void *arg, const struct bus_reply *reply)
{
    struct grave *grave = arg;
    struct presence *presence = grave->presence;
    for (size_t i = 0; i + 1 < bus_reply_count(reply); i += 2) {
        struct listed gone;
        struct str user = bus_reply_text(bus_reply_at(reply, i));
        char field[32];
        snprintf(field, sizeof field, "gone:%.*s", (int)user.len, user.ptr);
        if (!presence_read_entry(field, bus_reply_text(bus_reply_at(reply, i + 1)), STR(""), &gone))
            continue;
        metric_inc(METRIC_PRESENCE_REAPED);
        presence_announce(MESSAGE_LEAVE, grave->conversation, gone.encoding, &gone.member);
    }
    presence_tell(presence, grave->conversation);
    if (presence->ending)
        presence_settle(presence);
    free(grave);
}

static void reap_room(struct presence *presence, struct str entry, struct str conversation)
{
    const char *prefix = presence->settings->redis_prefix;
    char room[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX], lease[PRESENCE_KEY_MAX];
    char reaped[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX];
    struct grave *grave = mem_zalloc(sizeof *grave);
    *grave = (struct grave){presence, strtoull(conversation.ptr, NULL, 10)};
    presence_room_key(room, prefix, grave->conversation);
    presence_relay_key(rooms, prefix, "rooms", entry);
    presence_lease_key(lease, prefix, entry);
    presence_relay_key(reaped, prefix, "reaped", entry);
    snprintf(who, sizeof who, "%s:who:%llu:", prefix, (unsigned long long)grave->conversation);
    struct str args[] = {STR("EVAL"),   STR(SCRIPT_REAP), STR("4"),       str_of(room),
                         str_of(rooms), str_of(lease),    str_of(reaped), entry,
                         conversation,  str_of(who),      presence->ending ? STR("1") : STR("0")};
    if (presence->ending)
        presence->outstanding++;
    bus_command(presence->bus, on_reaped, grave, args, sizeof args / sizeof args[0]);
}

static void on_dead_found(void *arg, const struct bus_reply *reply)
{
    struct presence *presence = arg;
    size_t count = bus_reply_count(reply);
    for (size_t i = 0; i + 1 < count; i += 2)
        reap_room(presence, bus_reply_text(bus_reply_at(reply, i)),
                  bus_reply_text(bus_reply_at(reply, i + 1)));
    if (count)
        log_info("presence.reaping", "rooms=%zu", count / 2);
    if (presence->ending)
        presence_settle(presence);
    else if (count >= 2 * REAP_ROOMS)
        wheel_set(presence->wheel, &presence->reap, 0); /* there are more */
}

static void find_dead(struct presence *presence)
{
    const char *prefix = presence->settings->redis_prefix;
    char relays[PRESENCE_KEY_MAX], limit[24];
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    snprintf(limit, sizeof limit, "%d", presence->ending ? 1000000 : REAP_ROOMS);
    struct str args[] = {STR("EVAL"),   STR(SCRIPT_FIND_DEAD),  STR("1"),
                         str_of(relays), str_of(prefix), str_of(presence->entry),
                         presence->ending ? STR("1") : STR("0"), str_of(limit)};
    bus_command(presence->bus, on_dead_found, presence, args, sizeof args / sizeof args[0]);
}

static void on_reap_timer(struct wheel_timer *timer)
{
    struct presence *presence =
        (struct presence *)(void *)((char *)timer - offsetof(struct presence, reap));
    if (presence->finishing)
        return;
    wheel_set(presence->wheel, &presence->reap, presence->settings->lease_ms / 4);
    find_dead(presence);
}

void presence_lease_init(struct presence *presence)
{
    presence->lease.fired = on_lease_timer;
    presence->reap.fired = on_reap_timer;
    wheel_set(presence->wheel, &presence->reap, presence->settings->lease_ms / 4);
}

void presence_lease_renew(struct presence *presence)
{
    presence->resync = true; /* commands were lost with the connection */
    renew(presence);
    wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
}

/* ---- the end ---- */

void presence_settle(struct presence *presence)
{
    CG_ASSERT(presence->outstanding);
    if (--presence->outstanding == 0)
        presence->done(presence->done_arg);
}

static void on_handed_on(void *arg, const struct bus_reply *reply)
{
    struct presence *presence = arg;
    /* Redis answers in order: what was asked before is answered, so what is counted comes after. */
    if (reply && bus_reply_number(reply) == 0) {
        size_t at = 0;
        presence->ending = true;
        for (struct place *place; (place = map_next(&presence->places, &at));) {
            size_t user_at = 0;
            for (struct present *present; (present = map_next(&place->presents, &user_at));) {
                wheel_cancel(&present->grace);
                presence->outstanding++;
                presence_say_leave(present, !present->unsure);
            }
        }
        presence->outstanding++;
        find_dead(presence);
    }
    presence_settle(presence);
}

void presence_finish(struct presence *presence, void (*done)(void *arg), void *arg)
{
    const char *prefix = presence->settings->redis_prefix;
    char relays[PRESENCE_KEY_MAX], lease[PRESENCE_KEY_MAX], ms[24];
    presence->finishing = true;
    presence->done = done;
    presence->done_arg = arg;
    presence->outstanding = 1;
    snprintf(relays, sizeof relays, "%s:relays", prefix);
    presence_lease_key(lease, prefix, str_of(presence->entry));
    snprintf(ms, sizeof ms, "%lld", (long long)presence->settings->grace_ms + 1);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_HAND_ON),  STR("2"),
                         str_of(relays), str_of(lease),        str_of(prefix),
                         str_of(presence->entry), str_of(ms)};
    bus_command(presence->bus, on_handed_on, presence, args, sizeof args / sizeof args[0]);
}
