#include "relay/presence.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/presence_keys.h"
#include "relay/bus.h"
#include "relay/presence_scripts.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    REAP_ROOMS = 200,             /* rooms of a dead relay taken at once */
    LIST_BYTES_PER_MS = 20000,    /* member lists of one room take at most this much of the network */
    LIST_MAX_BYTES = 16 * 1024 * 1024,
};

/* A user with an entry on this relay. */
struct present {
    struct presence *presence;
    uint64_t conversation, user;
    enum encoding_id encoding;
    unsigned sockets;
    bool unsure;  /* the entry should be gone from Redis, but nobody confirmed it */
    struct wheel_timer grace;
    char *name, *head;
};

/* Somebody in the room, as Redis last said. */
struct listed {
    struct member member;
    enum encoding_id encoding;
    bool elsewhere; /* has an entry of another relay */
};

struct list {
    struct buf texts; /* what the members' texts point into */
    struct listed *listed;
    size_t count;
};

struct place {
    struct presence *presence;
    uint64_t conversation;
    struct map presents; /* user → struct present */
    struct list list;
    uint64_t *waiting;   /* sessions that have had no list yet */
    size_t waiting_count, waiting_cap;
    struct wheel_timer timer; /* set while a list is due */
    int64_t next_list_ms;
    bool fetching, again;
};

struct presence {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    char entry[PRESENCE_ENTRY_MAX];
    struct map places; /* conversation → struct place */
    struct wheel_timer lease, reap;
    bool resync;    /* the connection was lost since all entries were last said */
    bool finishing; /* presence_finish was called */
    bool ending;    /* and nobody is left to hand our entries to: answers are counted */
    void (*done)(void *arg);
    void *done_arg;
    unsigned outstanding; /* answers that presence_finish waits for */
};

static void list_due(struct place *place);

/* ---- lines and notices ---- */

static void announce(enum message_kind kind, uint64_t conversation, enum encoding_id encoding,
                     const struct member *member)
{
    if (encodings[encoding]->presence)
        encodings[encoding]->presence(kind, conversation, member);
}

/* Who is present has changed: our clients and the other relays want to know. */
static void changed(struct presence *presence, uint64_t conversation)
{
    hub_notify(presence->hub, WIRE_PRESENCE, conversation, 0);
    presence_changed(presence, conversation);
}

/* ---- places and presents ---- */

static void on_list_timer(struct wheel_timer *timer);

static struct place *place_need(struct presence *presence, uint64_t conversation)
{
    struct place *place = map_get(&presence->places, conversation);
    if (place)
        return place;
    place = mem_zalloc(sizeof *place);
    place->presence = presence;
    place->conversation = conversation;
    place->timer.fired = on_list_timer;
    buf_init(&place->list.texts, LIST_MAX_BYTES);
    map_put(&presence->places, conversation, place);
    return place;
}

static void list_fini(struct list *list)
{
    buf_fini(&list->texts);
    free(list->listed);
}

static void place_free(struct place *place)
{
    wheel_cancel(&place->timer);
    map_take(&place->presence->places, place->conversation);
    map_fini(&place->presents);
    list_fini(&place->list);
    free(place->waiting);
    free(place);
}

static void present_free(struct present *present)
{
    struct place *place = map_get(&present->presence->places, present->conversation);
    map_take(&place->presents, present->user);
    wheel_cancel(&present->grace);
    free(present->name);
    free(present->head);
    free(present);
    if (!place->presents.count && !place->fetching)
        place_free(place);
}

static struct present *present_of(struct presence *presence, uint64_t conversation, uint64_t user)
{
    struct place *place = map_get(&presence->places, conversation);
    return place ? map_get(&place->presents, user) : NULL;
}

/* What only this relay can tell while Redis is down. */
static bool is_elsewhere(struct presence *presence, uint64_t conversation, uint64_t user)
{
    struct place *place = map_get(&presence->places, conversation);
    for (size_t i = 0; place && i < place->list.count; i++)
        if (place->list.listed[i].member.user == user)
            return place->list.listed[i].elsewhere;
    return false;
}

/* ---- coming and going ---- */

/* A command in flight about one user. It carries ids: the present may be gone when the answer comes. */
struct step {
    struct presence *presence;
    uint64_t conversation, user, session_id;
    enum encoding_id encoding;
    bool announce;
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
    announce(kind, step->conversation, step->encoding, &member);
}

static void tell_entered(struct presence *presence, uint64_t session_id)
{
    struct session *session = sessions_find(presence->hub->sessions, session_id);
    if (session && !session->closing)
        session->protocol->entered(session);
}

static void on_entered(void *arg, const struct bus_reply *reply)
{
    struct step *step = arg;
    struct presence *presence = step->presence;
    bool first = reply ? bus_reply_number(reply) == 1
                       : !is_elsewhere(presence, step->conversation, step->user);
    if (first && step->announce)
        announce_step(step, MESSAGE_JOIN);
    tell_entered(presence, step->session_id);
    changed(presence, step->conversation);
    step_free(step);
}

/* `session_id` 0: it is said again, nobody waits for it. */
static void say_enter(struct present *present, bool announce_it, uint64_t session_id)
{
    struct presence *presence = present->presence;
    const char *prefix = presence->settings->redis_prefix;
    char room[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX];
    char admit[PRESENCE_KEY_MAX], field[PRESENCE_KEY_MAX], conversation[24];
    struct buf value;
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
    struct str args[] = {STR("EVAL"),   STR(SCRIPT_ENTER), STR("4"),
                         str_of(room),  str_of(who),       str_of(rooms),
                         str_of(admit), str_of(field),     buf_str(&value),
                         str_of(presence->entry), str_of(conversation)};
    struct step *step = step_new(present, announce_it);
    step->session_id = session_id;
    bus_command(presence->bus, on_entered, step, args, sizeof args / sizeof args[0]);
    buf_fini(&value);
}

static void settle_outstanding(struct presence *presence)
{
    CG_ASSERT(presence->outstanding);
    if (--presence->outstanding == 0)
        presence->done(presence->done_arg);
}

static void on_left(void *arg, const struct bus_reply *reply)
{
    struct step *step = arg;
    struct presence *presence = step->presence;
    struct present *present = present_of(presence, step->conversation, step->user);
    bool last = reply ? bus_reply_number(reply) == 1
                      : !is_elsewhere(presence, step->conversation, step->user);
    if (last && step->announce)
        announce_step(step, MESSAGE_LEAVE);
    if (present && !present->sockets && present->unsure && reply)
        present_free(present);
    changed(presence, step->conversation);
    step_free(step);
    if (presence->ending)
        settle_outstanding(presence);
}

/* Whether the room has no entry of ours but this one, or leaves that are not confirmed. */
static bool is_last_here(const struct present *leaving)
{
    struct place *place = map_get(&leaving->presence->places, leaving->conversation);
    size_t at = 0;
    for (struct present *other; (other = map_next(&place->presents, &at));)
        if (other != leaving && !other->unsure)
            return false;
    return true;
}

static void say_leave(struct present *present, bool announce_it)
{
    struct presence *presence = present->presence;
    const char *prefix = presence->settings->redis_prefix;
    char room[PRESENCE_KEY_MAX], who[PRESENCE_KEY_MAX], rooms[PRESENCE_KEY_MAX];
    char field[PRESENCE_KEY_MAX], conversation[24];
    presence_room_key(room, prefix, present->conversation);
    presence_who_key(who, prefix, present->conversation, present->user);
    presence_relay_key(rooms, prefix, "rooms", str_of(presence->entry));
    snprintf(field, sizeof field, "%s:%llu", presence->entry, (unsigned long long)present->user);
    snprintf(conversation, sizeof conversation, "%llu", (unsigned long long)present->conversation);
    struct str args[] = {STR("EVAL"),          STR(SCRIPT_LEAVE),       STR("3"),
                         str_of(room),         str_of(who),             str_of(rooms),
                         str_of(field),        str_of(presence->entry), str_of(conversation),
                         is_last_here(present) ? STR("1") : STR("0")};
    present->unsure = true; /* until the answer; if none comes, it is said again with the next lease */
    bus_command(presence->bus, on_left, step_new(present, announce_it), args,
                sizeof args / sizeof args[0]);
}

static void on_grace(struct wheel_timer *timer)
{
    struct present *present =
        (struct present *)(void *)((char *)timer - offsetof(struct present, grace));
    if (!present->presence->finishing)
        say_leave(present, true);
}

static void add_waiting(struct place *place, uint64_t session_id)
{
    if (place->waiting_count == place->waiting_cap) {
        place->waiting_cap = place->waiting_cap ? place->waiting_cap * 2 : 4;
        place->waiting = mem_realloc(place->waiting, place->waiting_cap * sizeof place->waiting[0]);
    }
    place->waiting[place->waiting_count++] = session_id;
}

void presence_enter(struct presence *presence, uint64_t conversation, enum encoding_id encoding,
                    const struct member *member, uint64_t session_id)
{
    struct place *place = place_need(presence, conversation);
    struct present *present = map_get(&place->presents, member->user);
    bool fresh = !present;
    if (fresh) {
        present = mem_zalloc(sizeof *present);
        present->presence = presence;
        present->conversation = conversation;
        present->user = member->user;
        present->encoding = encoding;
        present->grace.fired = on_grace;
        map_put(&place->presents, member->user, present);
    }
    bool repainted = fresh || !str_eq(str_of(present->head), member->head);
    if (repainted) {
        free(present->name);
        free(present->head);
        present->name = mem_strndup(member->name.ptr, member->name.len);
        present->head = mem_strndup(member->head.ptr, member->head.len);
    }
    bool returned = present->unsure; /* its leave is on its way or lost: come again */
    present->unsure = false;
    present->sockets++;
    wheel_cancel(&present->grace);
    add_waiting(place, session_id);
    if (repainted || returned) {
        say_enter(present, fresh || returned, session_id);
    } else {
        list_due(place);
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

/* ---- the member list ---- */

/* Reads a number and the '|' after it from the front of *text. */
static bool take_number(struct str *text, unsigned long *number)
{
    size_t digits = 0;
    for (*number = 0; digits < text->len && digits < 9; digits++) {
        if (text->ptr[digits] < '0' || text->ptr[digits] > '9')
            break;
        *number = *number * 10 + (unsigned long)(text->ptr[digits] - '0');
    }
    if (!digits || digits == text->len || text->ptr[digits] != '|')
        return false;
    text->ptr += digits + 1;
    text->len -= digits + 1;
    return true;
}

/* One entry of a room's HASH; `field` ends with a NUL. */
static bool list_add(struct list *list, const char *field, struct str value, struct str own_entry)
{
    const char *colon = strrchr(field, ':');
    unsigned long encoding, head_len;
    if (!colon || !take_number(&value, &encoding) || !take_number(&value, &head_len) ||
        encoding >= ENCODING_COUNT || head_len > value.len)
        return false;
    struct str entry = {field, (size_t)(colon - field)};
    list->listed[list->count++] = (struct listed){
        .member = {.user = strtoull(colon + 1, NULL, 10),
                   .head = {value.ptr, head_len},
                   .name = {value.ptr + head_len, value.len - head_len}},
        .encoding = (enum encoding_id)encoding,
        .elsewhere = !str_eq(entry, own_entry),
    };
    return true;
}

static int by_user(const void *a, const void *b)
{
    const struct listed *left = a, *right = b;
    if (left->member.user != right->member.user)
        return left->member.user < right->member.user ? -1 : 1;
    return (int)left->elsewhere - (int)right->elsewhere;
}

/* Sorts by user, who may have entries on several relays, and gives the list texts of its own. */
static void list_settle(struct list *list)
{
    size_t kept = 0, at = 0;
    qsort(list->listed, list->count, sizeof list->listed[0], by_user);
    for (size_t i = 0; i < list->count; i++) {
        struct listed *listed = &list->listed[i];
        if (kept && list->listed[kept - 1].member.user == listed->member.user) {
            list->listed[kept - 1].elsewhere |= listed->elsewhere;
            continue;
        }
        list->listed[kept++] = *listed;
        buf_add_str(&list->texts, listed->member.head);
        buf_add_str(&list->texts, listed->member.name);
    }
    list->count = list->texts.failed ? 0 : kept;
    for (size_t i = 0; i < list->count; i++) {
        struct member *member = &list->listed[i].member;
        member->head.ptr = list->texts.data + at;
        member->name.ptr = member->head.ptr + member->head.len;
        at += member->head.len + member->name.len;
    }
}

static struct list list_from_reply(const struct presence *presence, const struct bus_reply *reply)
{
    size_t count = bus_reply_count(reply) / 2;
    struct list list = {.listed = mem_zalloc(count * sizeof list.listed[0])};
    buf_init(&list.texts, LIST_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        const char *field = bus_reply_text(bus_reply_at(reply, 2 * i)).ptr; /* hiredis adds a NUL */
        struct str value = bus_reply_text(bus_reply_at(reply, 2 * i + 1));
        if (!list_add(&list, field, value, str_of(presence->entry)))
            metric_inc(METRIC_BUS_MALFORMED);
    }
    list_settle(&list);
    return list;
}

/* Without Redis: whom it last said to be elsewhere, and whom we have ourselves. */
static struct list list_from_memory(const struct place *place)
{
    size_t at = 0;
    struct list list = {
        .listed = mem_zalloc((place->list.count + place->presents.count) * sizeof list.listed[0])};
    buf_init(&list.texts, LIST_MAX_BYTES);
    for (size_t i = 0; i < place->list.count; i++)
        if (place->list.listed[i].elsewhere)
            list.listed[list.count++] = place->list.listed[i];
    for (struct present *present; (present = map_next(&place->presents, &at));)
        if (!present->unsure)
            list.listed[list.count++] = (struct listed){
                .member = {present->user, str_of(present->name), str_of(present->head)},
                .encoding = present->encoding};
    list_settle(&list);
    return list;
}

static bool same_list(const struct list *a, const struct list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct member *left = &a->listed[i].member, *right = &b->listed[i].member;
        if (left->user != right->user || !str_eq(left->head, right->head) ||
            !str_eq(left->name, right->name))
            return false;
    }
    return true;
}

static void count_session(void *arg, struct session *session)
{
    (void)session;
    ++*(size_t *)arg;
}

/* Large lists for many readers come less often. */
static int64_t list_pause_ms(const struct place *place)
{
    size_t readers = 0, bytes = place->list.texts.len + place->list.count * 32;
    hub_each(place->presence->hub, place->conversation, count_session, &readers);
    return place->presence->settings->members_interval_ms +
           (int64_t)(bytes * readers / LIST_BYTES_PER_MS);
}

static void list_show(struct place *place, struct list *fresh)
{
    struct presence *presence = place->presence;
    bool same = same_list(&place->list, fresh);
    struct member *members = mem_zalloc(fresh->count * sizeof *members);
    for (size_t i = 0; i < fresh->count; i++)
        members[i] = fresh->listed[i].member;
    list_fini(&place->list);
    place->list = *fresh;
    if (!same)
        hub_broadcast_members(presence->hub, place->conversation, members, place->list.count);
    for (size_t i = 0; same && i < place->waiting_count; i++)
        hub_send_members(presence->hub, place->waiting[i], place->conversation, members,
                         place->list.count);
    place->waiting_count = 0;
    free(members);
    place->next_list_ms = clock_mono_ms() + list_pause_ms(place);
}

static void on_list(void *arg, const struct bus_reply *reply)
{
    struct place *place = arg;
    struct list fresh = reply ? list_from_reply(place->presence, reply) : list_from_memory(place);
    place->fetching = false;
    list_show(place, &fresh);
    if (!place->presents.count)
        place_free(place);
    else if (place->again)
        list_due(place);
}

static void list_fetch(struct place *place)
{
    char key[PRESENCE_KEY_MAX];
    presence_room_key(key, place->presence->settings->redis_prefix, place->conversation);
    struct str args[] = {STR("HGETALL"), str_of(key)};
    place->fetching = true;
    place->again = false;
    bus_command(place->presence->bus, on_list, place, args, 2);
}

static void on_list_timer(struct wheel_timer *timer)
{
    list_fetch((struct place *)(void *)((char *)timer - offsetof(struct place, timer)));
}

static void list_due(struct place *place)
{
    int64_t wait = place->next_list_ms - clock_mono_ms();
    if (place->fetching)
        place->again = true;
    else if (!wheel_is_set(&place->timer))
        wheel_set(place->presence->wheel, &place->timer, wait > 0 ? wait : 0);
}

void presence_changed(struct presence *presence, uint64_t conversation)
{
    struct place *place = map_get(&presence->places, conversation);
    if (place)
        list_due(place);
}

/* ---- leases, and the relays that lost theirs ---- */

static void say_all(struct presence *presence, bool announce_them)
{
    size_t at = 0;
    for (struct place *place; (place = map_next(&presence->places, &at));) {
        size_t user_at = 0;
        for (struct present *present; (present = map_next(&place->presents, &user_at));) {
            if (!present->unsure)
                say_enter(present, announce_them, 0);
            else if (!wheel_is_set(&present->grace))
                say_leave(present, false); /* it was announced when it happened */
        }
    }
}

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
    say_all(presence, reaped);
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
        struct list list = {.listed = &gone};
        struct str user = bus_reply_text(bus_reply_at(reply, i));
        char field[32];
        snprintf(field, sizeof field, "gone:%.*s", (int)user.len, user.ptr);
        if (!list_add(&list, field, bus_reply_text(bus_reply_at(reply, i + 1)), STR("")))
            continue;
        metric_inc(METRIC_PRESENCE_REAPED);
        announce(MESSAGE_LEAVE, grave->conversation, gone.encoding, &gone.member);
    }
    changed(presence, grave->conversation);
    if (presence->ending)
        settle_outstanding(presence);
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
        settle_outstanding(presence);
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

void presence_bus_state(struct presence *presence, bool up)
{
    if (presence->finishing)
        return;
    if (up) {
        presence->resync = true; /* commands were lost with the connection */
        renew(presence);
        wheel_set(presence->wheel, &presence->lease, presence->settings->lease_ms / 3);
    }
    size_t at = 0;
    for (struct place *place; (place = map_next(&presence->places, &at));)
        list_due(place);
}

/* ---- beginning and end ---- */

struct presence *presence_new(const struct settings *settings, struct wheel *wheel, struct hub *hub,
                              struct bus *bus, uint64_t incarnation)
{
    struct presence *presence = mem_zalloc(sizeof *presence);
    presence->settings = settings;
    presence->wheel = wheel;
    presence->hub = hub;
    presence->bus = bus;
    presence_entry(presence->entry, settings->name, incarnation);
    presence->lease.fired = on_lease_timer;
    presence->reap.fired = on_reap_timer;
    wheel_set(wheel, &presence->reap, settings->lease_ms / 4);
    return presence;
}

void presence_free(struct presence *presence)
{
    size_t at = 0;
    wheel_cancel(&presence->lease);
    wheel_cancel(&presence->reap);
    for (struct place *place; (at = 0, place = map_next(&presence->places, &at));) {
        CG_ASSERT(!place->fetching);
        size_t user_at = 0;
        struct present *present = map_next(&place->presents, &user_at);
        if (present)
            present_free(present); /* the last one takes the place with it */
        else
            place_free(place);
    }
    map_fini(&presence->places);
    free(presence);
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
                say_leave(present, !present->unsure);
            }
        }
        presence->outstanding++;
        find_dead(presence);
    }
    settle_outstanding(presence);
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
