/* presence.c: users entering and leaving rooms on this relay, and their entries in Redis. */
#include "relay/core/presence.h"

#include "common/container.h"
#include "common/mem.h"
#include "relay/core/presence_entries.h"
#include "relay/core/presence_scripts.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void presence_here(const struct presence *presence, uint64_t conversation, char out[PRESENCE_KEY_MAX])
{
    *out = '\0';
    if (!presence_is_silent(conversation))
        presence_here_key(out, presence->settings->redis_prefix, conversation);
}

/* ---- lines and notices ---- */

void presence_announce(struct presence *presence, enum message_kind kind, uint64_t conversation,
                       enum encoding_id encoding, const struct member *member)
{
    const struct encoding *shown = presence->hub->encodings[encoding];
    if (shown->presence && !presence_is_silent(conversation))
        shown->presence(kind, conversation, member);
}

/* Presence has changed: tells our clients and the other relays. */
void presence_tell(struct presence *presence, uint64_t conversation)
{
    if (presence_is_silent(conversation))
        return;
    hub_notify(presence->hub, WIRE_PRESENCE, conversation, 0);
    presence_changed(presence, conversation);
}

/* ---- rooms and presents ---- */

static struct presence_room *room_need(struct presence *presence, uint64_t conversation)
{
    struct presence_room *room = map_get(&presence->rooms, conversation);
    if (room)
        return room;
    room = mem_zalloc(sizeof *room);
    room->presence = presence;
    room->conversation = conversation;
    presence_list_init(room);
    map_put(&presence->rooms, conversation, room);
    return room;
}

void presence_room_free(struct presence_room *room)
{
    wheel_cancel(&room->timer);
    map_take(&room->presence->rooms, room->conversation);
    map_fini(&room->presents);
    presence_list_fini(&room->list);
    free(room->waiting);
    free(room);
}

static void present_free(struct present *present)
{
    struct presence_room *room = map_get(&present->presence->rooms, present->conversation);
    map_take(&room->presents, present->user);
    room->sure -= !present->unsure;
    wheel_cancel(&present->grace);
    free(present->name);
    free(present);
    if (!room->presents.count && !room->fetching)
        presence_room_free(room);
}

static struct present *present_of(struct presence *presence, uint64_t conversation, uint64_t user)
{
    struct presence_room *room = map_get(&presence->rooms, conversation);
    return room ? map_get(&room->presents, user) : NULL;
}

/* ---- coming and going ---- */

/* A command in flight about one user. It carries ids: the present may be gone when the answer comes. */
struct step {
    struct presence *presence;
    uint64_t conversation, user, session_id;
    enum encoding_id encoding;
    bool announce;
    bool counted; /* presence_finish waits for the answer */
    char *name, *head;
};

static struct step *step_new(const struct present *present, bool announce_it)
{
    struct step *step = mem_zalloc(sizeof *step);
    *step = (struct step){
        .presence = present->presence,
        .conversation = present->conversation,
        .user = present->user,
        .encoding = present->encoding,
        .announce = announce_it,
        .name = mem_strdup(present->name),
        .head = mem_strdup(present->head),
    };
    return step;
}

static void step_free(struct step *step)
{
    free(step->name);
    free(step->head);
    free(step);
}

static void announce_step(const struct step *step, enum message_kind kind)
{
    struct member member = {step->user, str_of(step->name), str_of(step->head)};
    presence_announce(step->presence, kind, step->conversation, step->encoding, &member);
}

/* What only this relay can tell while Redis is down. */
static bool was_elsewhere(const struct step *step)
{
    struct presence_room *room = map_get(&step->presence->rooms, step->conversation);
    return room && presence_is_elsewhere(room, step->user);
}

static void tell_entered(struct presence *presence, uint64_t session_id)
{
    struct session *session = session_id ? sessions_find(presence->hub->sessions, session_id) : NULL;
    if (session && !session->closing)
        session->protocol->entered(session);
}

static void on_entered(void *arg, const struct bus_reply *reply)
{
    struct step *step = arg;
    struct presence *presence = step->presence;
    bool first = reply ? bus_reply_number(reply) == 1 : !was_elsewhere(step);
    if (first && step->announce)
        announce_step(step, MESSAGE_JOIN);
    tell_entered(presence, step->session_id);
    presence_tell(presence, step->conversation);
    step_free(step);
}

/* `session_id` 0: nobody waits for it. */
static void say_enter(struct present *present, bool announce_it, uint64_t session_id)
{
    struct presence *presence = present->presence;
    const char *prefix = presence->settings->redis_prefix;
    char room[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX];
    char admit[PRESENCE_KEY_MAX], field[PRESENCE_KEY_MAX], here[PRESENCE_KEY_MAX], conversation[24], user[24];
    struct buf value;
    presence_here(presence, present->conversation, here);
    snprintf(user, sizeof user, "%020llu", (unsigned long long)present->user);
    presence_room_key(room, prefix, present->conversation);
    presence_who_key(who, prefix, present->conversation, present->user);
    presence_relay_key(rooms, prefix, "rooms", str_of(presence->entry));
    presence_admit_key(admit, prefix, present->conversation, present->user);
    snprintf(field, sizeof field, "%s:%llu", presence->entry, (unsigned long long)present->user);
    snprintf(conversation, sizeof conversation, "%llu", (unsigned long long)present->conversation);
    buf_init(&value, 1024);
    buf_addf(&value, "%d|%zu|", (int)present->encoding, strlen(present->head));
    buf_add_text(&value, present->head);
    buf_add_text(&value, present->name);
    CG_ASSERT(!value.failed);
    struct str args[] = {
        STR("EVAL"),          STR(SCRIPT_ENTER), STR("4"),      str_of(room),    str_of(who),
        str_of(rooms),        str_of(admit),     str_of(field), buf_str(&value), str_of(presence->entry),
        str_of(conversation), str_of(here),      str_of(user)};
    struct step *step = step_new(present, announce_it);
    step->session_id = session_id;
    bus_command_on(presence->bus, bus_server_of(presence->bus, present->conversation), on_entered, step, args,
                   sizeof args / sizeof args[0]);
    buf_fini(&value);
}

static void on_left(void *arg, const struct bus_reply *reply)
{
    struct step *step = arg;
    struct presence *presence = step->presence;
    struct present *present = present_of(presence, step->conversation, step->user);
    bool last = reply ? bus_reply_number(reply) == 1 : !was_elsewhere(step);
    if (last && step->announce)
        announce_step(step, MESSAGE_LEAVE);
    CG_ASSERT(present && present->leaving);
    if (--present->leaving == 0 && !present->sockets && present->unsure && reply)
        present_free(present);
    presence_tell(presence, step->conversation);
    bool counted = step->counted;
    step_free(step);
    if (counted)
        presence_settle(presence);
}

bool presence_is_empty(struct presence *presence, uint64_t conversation)
{
    const struct presence_room *room = map_get(&presence->rooms, conversation);
    return !room || !room->sure;
}

bool presence_is_sure(struct presence *presence, uint64_t conversation, uint64_t user)
{
    const struct present *present = present_of(presence, conversation, user);
    return present && !present->unsure;
}

static void ask_leave(struct presence *presence, uint64_t conversation, uint64_t user, bus_reply_fn *fn, void *arg)
{
    const char *prefix = presence->settings->redis_prefix;
    char room[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX];
    char field[PRESENCE_KEY_MAX], here[PRESENCE_KEY_MAX], number[24], padded[24];
    presence_here(presence, conversation, here);
    snprintf(padded, sizeof padded, "%020llu", (unsigned long long)user);
    presence_room_key(room, prefix, conversation);
    presence_who_key(who, prefix, conversation, user);
    presence_relay_key(rooms, prefix, "rooms", str_of(presence->entry));
    snprintf(field, sizeof field, "%s:%llu", presence->entry, (unsigned long long)user);
    snprintf(number, sizeof number, "%llu", (unsigned long long)conversation);
    struct str args[] = {STR("EVAL"),    STR(SCRIPT_LEAVE),
                         STR("3"),       str_of(room),
                         str_of(who),    str_of(rooms),
                         str_of(field),  str_of(presence->entry),
                         str_of(number), presence_is_empty(presence, conversation) ? STR("1") : STR("0"),
                         str_of(here),   str_of(padded)};
    bus_command_on(presence->bus, bus_server_of(presence->bus, conversation), fn, arg, args,
                   sizeof args / sizeof args[0]);
}

static void ignore(void *arg, const struct bus_reply *reply)
{
    (void)arg;
    (void)reply;
}

void presence_say_forgotten(struct presence *presence, uint64_t conversation, uint64_t user)
{
    ask_leave(presence, conversation, user, ignore, NULL);
}

void presence_say_leave(struct present *present, bool announce_it)
{
    struct presence *presence = present->presence;
    struct presence_room *room = map_get(&presence->rooms, present->conversation);
    room->sure -= !present->unsure;
    present->leaving++;
    present->unsure = true; /* until the answer; if none comes, it is said again with the next lease */
    struct step *step = step_new(present, announce_it);
    step->counted = presence_registry(presence, present->conversation)->ending;
    if (step->counted)
        presence->outstanding++;
    ask_leave(presence, present->conversation, present->user, on_left, step);
}

static void on_grace(struct wheel_timer *timer)
{
    struct present *present = container_of(timer, struct present, grace);
    if (!present->presence->finishing)
        presence_say_leave(present, true);
}

static void add_waiting(struct presence_room *room, uint64_t session_id)
{
    if (room->waiting_count == room->waiting_cap) {
        room->waiting_cap = room->waiting_cap ? room->waiting_cap * 2 : 4;
        room->waiting = mem_realloc(room->waiting, room->waiting_cap * sizeof room->waiting[0]);
    }
    room->waiting[room->waiting_count++] = session_id;
}

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    struct presence_room *room = room_need(presence, conversation);
    struct present *present = map_get(&room->presents, member->user);
    bool fresh = !present;
    if (fresh) {
        present = mem_zalloc(sizeof *present);
        present->presence = presence;
        present->conversation = conversation;
        present->user = member->user;
        present->encoding = encoding;
        present->grace.fired = on_grace;
        map_put(&room->presents, member->user, present);
        room->sure++;
    }
    /* in another epoch the number may be somebody else's, while the one who had it lingers here */
    bool repainted =
        fresh || !str_eq(str_of(present->head), member->head) || !str_eq(str_of(present->name), member->name);
    if (repainted) {
        free(present->name);
        present->name =
            mem_strndup_two(member->name.ptr, member->name.len, member->head.ptr, member->head.len, &present->head);
    }
    bool returned = present->unsure; /* its leave is in flight or lost: register it again */
    room->sure += returned;
    present->unsure = false;
    present->sockets++;
    wheel_cancel(&present->grace);
    if (session_id)
        add_waiting(room, session_id);
    if (repainted || returned) {
        say_enter(present, fresh || returned, session_id);
    } else {
        presence_list_due(room);
        tell_entered(presence, session_id);
    }
}

void presence_leave(struct presence *presence, uint64_t conversation, uint64_t user)
{
    struct present *present = present_of(presence, conversation, user);
    CG_ASSERT(present && present->sockets);
    if (--present->sockets)
        return;
    if (presence->settings->grace_ms)
        wheel_set(presence->wheel, &present->grace, presence->settings->grace_ms);
    else
        on_grace(&present->grace);
}

void presence_online(struct presence *presence, uint64_t user)
{
    const struct member nameless = {.user = user, .name = STR(""), .head = STR("0")};
    presence_enter(presence, WIRE_INBOX(user), ENCODING_NATIVE_PRESENCE, &nameless, 0);
}

void presence_offline(struct presence *presence, uint64_t user)
{
    presence_leave(presence, WIRE_INBOX(user), user);
}

struct registry *presence_registry(struct presence *presence, uint64_t conversation)
{
    return &presence->registries[bus_server_of(presence->bus, conversation)];
}

/* ---- saying all again ---- */

void presence_say_stop(struct registry *registry)
{
    wheel_cancel(&registry->say);
    free(registry->to_say);
    registry->to_say = NULL;
    registry->to_say_count = registry->said = 0;
}

/* Who has come since then has said so; who has gone, too. */
static void say_some(struct wheel_timer *timer)
{
    struct registry *registry = container_of(timer, struct registry, say);
    struct presence *presence = registry->presence;
    for (size_t i = 0; i < PRESENCE_PAGE && registry->said < registry->to_say_count; i++) {
        const struct presence_who *who = &registry->to_say[registry->said++];
        struct present *present = present_of(presence, who->conversation, who->user);
        if (present && !present->unsure)
            say_enter(present, registry->announce, 0);
        else if (present && !wheel_is_set(&present->grace))
            presence_say_leave(present, false); /* it was announced when it happened */
    }
    if (registry->said < registry->to_say_count)
        wheel_set(presence->wheel, &registry->say, 0);
    else
        presence_say_stop(registry);
}

void presence_say_init(struct registry *registry)
{
    registry->say.fired = say_some;
}

void presence_say_all(struct registry *registry, bool announce_them)
{
    struct presence *presence = registry->presence;
    size_t cap = 0, at = 0;
    presence_say_stop(registry);
    for (struct presence_room *room; (room = map_next(&presence->rooms, &at));) {
        if (presence_registry(presence, room->conversation) != registry)
            continue;
        size_t user_at = 0;
        for (struct present *present; (present = map_next(&room->presents, &user_at));) {
            if (registry->to_say_count == cap) {
                cap = cap ? 2 * cap : 64;
                registry->to_say = mem_realloc(registry->to_say, cap * sizeof registry->to_say[0]);
            }
            registry->to_say[registry->to_say_count++] = (struct presence_who){present->conversation, present->user};
        }
    }
    registry->announce = announce_them;
    say_some(&registry->say);
}

void presence_changed(struct presence *presence, uint64_t conversation)
{
    struct presence_room *room = map_get(&presence->rooms, conversation);
    if (room)
        presence_list_due(room);
}

void presence_bus_state(struct presence *presence, size_t server, bool up)
{
    if (presence->finishing)
        return;
    if (up)
        presence_lease_renew(presence, server);
    size_t at = 0;
    for (struct presence_room *room; (room = map_next(&presence->rooms, &at));)
        if (bus_server_of(presence->bus, room->conversation) == server)
            presence_list_due(room);
}

/* ---- beginning and end ---- */

struct presence *presence_new(const struct settings *settings, struct wheel *wheel, struct hub *hub, struct bus *bus,
                              uint64_t incarnation)
{
    struct presence *presence = mem_zalloc(sizeof *presence);
    presence->settings = settings;
    presence->wheel = wheel;
    presence->hub = hub;
    presence->bus = bus;
    presence_entry(presence->entry, settings->name, incarnation);
    presence_lease_init(presence);
    return presence;
}

void presence_free(struct presence *presence)
{
    size_t at = 0;
    wheel_cancel(&presence->lease);
    wheel_cancel(&presence->reap);
    for (size_t i = 0; i < REDIS_SERVERS_MAX; i++)
        presence_say_stop(&presence->registries[i]);
    for (struct presence_room *room; (at = 0, room = map_next(&presence->rooms, &at));) {
        CG_ASSERT(!room->fetching);
        size_t user_at = 0;
        struct present *present = map_next(&room->presents, &user_at);
        if (present)
            present_free(present); /* the last one takes the room with it */
        else
            presence_room_free(room);
    }
    map_fini(&presence->rooms);
    CG_ASSERT(!presence->asks.count);
    map_fini(&presence->asks);
    free(presence);
}
