/* presence_list.c: the member list of a room: read from Redis after a change and sent if it differs from the last one,
 * at a limited rate. */
#include "common/clock.h"
#include "common/container.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/core/presence_entries.h"

#include <stdlib.h>

enum {
    LIST_BYTES_PER_MS = 20000, /* member lists of one room take at most this much of the network */
    LIST_MAX_BYTES = 16 * 1024 * 1024,
    LIST_ENTRIES = 100000, /* of a room that are listed; no frame has room for as many */
    LIST_ASKED = 12000,    /* … for callers of presence_ask: about as many as an answer has room for */
    HEAD_MAX = 1024,       /* longer than any that presence.c writes */
};

static void on_list_timer(struct wheel_timer *timer);

void presence_list_init(struct presence_room *room)
{
    room->timer.fired = on_list_timer;
    buf_init(&room->list.texts, LIST_MAX_BYTES);
}

void presence_list_fini(struct list *list)
{
    buf_fini(&list->texts);
    free(list->listed);
}

bool presence_is_elsewhere(const struct presence_room *room, uint64_t user)
{
    for (size_t i = 0; i < room->list.count; i++)
        if (room->list.listed[i].member.user == user)
            return room->list.listed[i].elsewhere;
    return false;
}

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

bool presence_read_entry(const char *field, struct str value, struct str own_entry, struct listed *listed)
{
    const char *colon = strrchr(field, ':');
    unsigned long encoding, head_len;
    char *end = NULL;
    uint64_t user = colon ? strtoull(colon + 1, &end, 10) : 0;
    if (!user || *end || !text_utf8_valid(value) || !take_number(&value, &encoding) ||
        !take_number(&value, &head_len) || encoding >= ENCODING_COUNT || head_len > value.len)
        return false;
    struct str head = {value.ptr, head_len}, name = {value.ptr + head_len, value.len - head_len};
    if (head.len > HEAD_MAX || name.len > STORE_NAME_MAX || json_vet(head, 1, 1))
        return false; /* it goes into frames as it is */
    struct str entry = {field, (size_t)(colon - field)};
    *listed = (struct listed){
        .member = {.user = user, .head = head, .name = name},
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
    if (list->count)
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

/* ---- reading one, page by page ----
 *
 * Nothing else waits for a large room. Who comes or goes meanwhile may be in it or not: that is a change of its own,
 * after which the list is read again. */

typedef void read_fn(void *arg, struct list *list);

struct reading {
    struct presence *presence;
    uint64_t conversation;
    read_fn *fn;
    void *arg;
    struct listed *listed; /* their texts' pointers are not set: they stand in `raw`, one after the other */
    size_t count, cap, most;
    struct buf raw;
};

static void reading_end(struct reading *reading, bool whole)
{
    struct list list = {.listed = reading->listed, .count = reading->count};
    const char *at = reading->raw.data;
    for (size_t i = 0; i < list.count; i++) {
        struct member *member = &list.listed[i].member;
        member->head.ptr = at;
        member->name.ptr = at += member->head.len;
        at += member->name.len;
    }
    buf_init(&list.texts, LIST_MAX_BYTES);
    list_settle(&list);
    buf_fini(&reading->raw);
    reading->fn(reading->arg, whole ? &list : NULL);
    if (!whole)
        presence_list_fini(&list);
    free(reading);
}

static void add_entry(struct reading *reading, const struct bus_reply *field, const struct bus_reply *value)
{
    struct listed listed;
    if (!presence_read_entry(bus_reply_text(field).ptr, bus_reply_text(value), str_of(reading->presence->entry),
                             &listed)) { /* hiredis adds a NUL */
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    if (reading->count == reading->cap) {
        reading->cap = reading->cap ? reading->cap * 2 : 16;
        reading->listed = mem_realloc(reading->listed, reading->cap * sizeof reading->listed[0]);
    }
    buf_add_str(&reading->raw, listed.member.head);
    buf_add_str(&reading->raw, listed.member.name);
    if (!reading->raw.failed)
        reading->listed[reading->count++] = listed;
}

static void read_page(struct reading *reading, struct str cursor);

static void on_page(void *arg, const struct bus_reply *reply)
{
    struct reading *reading = arg;
    bool shaped = bus_reply_count(reply) == 2;
    const struct bus_reply *entries = shaped ? bus_reply_at(reply, 1) : NULL;
    struct str cursor = shaped ? bus_reply_text(bus_reply_at(reply, 0)) : STR("0");
    for (size_t i = 0; i + 1 < bus_reply_count(entries); i += 2)
        add_entry(reading, bus_reply_at(entries, i), bus_reply_at(entries, i + 1));
    if (!shaped || str_eq(cursor, STR("0")) || reading->raw.failed || reading->count >= reading->most)
        reading_end(reading, shaped); /* nonsense says as little as no answer */
    else
        read_page(reading, cursor);
}

static void read_page(struct reading *reading, struct str cursor)
{
    char key[PRESENCE_KEY_MAX];
    struct bus *bus = reading->presence->bus;
    presence_room_key(key, reading->presence->settings->redis_prefix, reading->conversation);
    struct str args[] = {STR("HSCAN"), str_of(key), cursor, STR("COUNT"), STR("500")};
    bus_command_on(bus, bus_server_of(bus, reading->conversation), on_page, reading, args, 5);
}
_Static_assert(PRESENCE_PAGE == 500, "as read_page says");

/* `fn` gets the list, which is then its own; NULL: Redis is down or talks nonsense. Perhaps before this returns. */
static void list_read(struct presence *presence, uint64_t conversation, size_t most, read_fn *fn, void *arg)
{
    struct reading *reading = mem_zalloc(sizeof *reading);
    *reading = (struct reading){.presence = presence, .conversation = conversation, .most = most, .fn = fn, .arg = arg};
    buf_init(&reading->raw, LIST_MAX_BYTES);
    read_page(reading, STR("0"));
}

/* Without Redis: the members last known on other relays, and our own. */
static struct list list_from_memory(const struct presence_room *room)
{
    size_t at = 0;
    struct list list = {.listed = mem_zalloc((room->list.count + room->presents.count) * sizeof list.listed[0])};
    buf_init(&list.texts, LIST_MAX_BYTES);
    for (size_t i = 0; i < room->list.count; i++)
        if (room->list.listed[i].elsewhere)
            list.listed[list.count++] = room->list.listed[i];
    for (struct present *present; (present = map_next(&room->presents, &at));)
        if (!present->unsure)
            list.listed[list.count++] = (struct listed){
                .member = {present->user, str_of(present->name), str_of(present->head)}, .encoding = present->encoding};
    list_settle(&list);
    return list;
}

static bool same_list(const struct list *a, const struct list *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct member *left = &a->listed[i].member, *right = &b->listed[i].member;
        if (left->user != right->user || !str_eq(left->head, right->head) || !str_eq(left->name, right->name))
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
static int64_t list_pause_ms(const struct presence_room *room)
{
    size_t readers = 0, bytes = room->list.texts.len + room->list.count * 32;
    hub_each(room->presence->hub, room->conversation, count_session, &readers);
    return room->presence->settings->members_interval_ms + (int64_t)(bytes * readers / LIST_BYTES_PER_MS);
}

static void list_show(struct presence_room *room, struct list *fresh)
{
    struct presence *presence = room->presence;
    bool same = same_list(&room->list, fresh);
    struct member *members = mem_zalloc(fresh->count * sizeof *members);
    for (size_t i = 0; i < fresh->count; i++)
        members[i] = fresh->listed[i].member;
    presence_list_fini(&room->list);
    room->list = *fresh;
    if (!same)
        hub_broadcast_members(presence->hub, room->conversation, members, room->list.count);
    for (size_t i = 0; same && i < room->waiting_count; i++)
        hub_send_members(presence->hub, room->waiting[i], room->conversation, members, room->list.count);
    room->waiting_count = 0;
    free(members);
    room->next_list_ms = clock_mono_ms() + list_pause_ms(room);
}

static void on_list(void *arg, struct list *read)
{
    struct presence_room *room = arg;
    struct list fresh = read ? *read : list_from_memory(room);
    room->fetching = false;
    list_show(room, &fresh);
    if (!room->presents.count)
        presence_room_free(room);
    else if (room->again)
        presence_list_due(room);
}

static void list_fetch(struct presence_room *room)
{
    room->fetching = true;
    room->again = false;
    list_read(room->presence, room->conversation, LIST_ENTRIES, on_list, room);
}

static void on_list_timer(struct wheel_timer *timer)
{
    list_fetch(container_of(timer, struct presence_room, timer));
}

void presence_list_due(struct presence_room *room)
{
    int64_t wait = room->next_list_ms - clock_mono_ms();
    if (presence_is_silent(room->conversation))
        return;
    if (room->fetching)
        room->again = true;
    else if (!wheel_is_set(&room->timer))
        wheel_set(room->presence->wheel, &room->timer, wait > 0 ? wait : 0);
}

/* ---- for callers of presence_ask ----
 *
 * However many ask about a room, it is read once at a time: who asks while it is being read gets the next list, which
 * all get who came meanwhile. */

struct asking {
    struct asking *next;
    presence_members_fn *fn;
    void *arg;
};

struct asks {
    struct presence *presence;
    uint64_t conversation;
    struct asking *reading, *waiting; /* callers of the list being read; callers of the next one */
};

static void asks_read(struct asks *asks);

static void on_asked(void *arg, struct list *read)
{
    struct asks *asks = arg;
    const struct presence_room *room = map_get(&asks->presence->rooms, asks->conversation);
    struct list list = {.listed = NULL};
    if (read)
        list = *read;
    else if (room)
        list = list_from_memory(room);
    struct member *members = mem_zalloc(list.count * sizeof *members);
    for (size_t i = 0; i < list.count; i++)
        members[i] = list.listed[i].member;
    while (asks->reading) {
        struct asking asking = *asks->reading;
        free(asks->reading);
        asks->reading = asking.next;
        asking.fn(asking.arg, members, list.count);
    }
    free(members);
    presence_list_fini(&list);
    if (asks->waiting) {
        asks_read(asks);
        return;
    }
    map_take(&asks->presence->asks, asks->conversation);
    free(asks);
}

static void asks_read(struct asks *asks)
{
    asks->reading = asks->waiting;
    asks->waiting = NULL;
    list_read(asks->presence, asks->conversation, LIST_ASKED, on_asked, asks);
}

void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg)
{
    struct asks *asks = map_get(&presence->asks, conversation);
    struct asking *asking = mem_zalloc(sizeof *asking);
    bool fresh = !asks;
    if (fresh) {
        asks = mem_zalloc(sizeof *asks);
        *asks = (struct asks){.presence = presence, .conversation = conversation};
        map_put(&presence->asks, conversation, asks);
    }
    *asking = (struct asking){asks->waiting, fn, arg};
    asks->waiting = asking;
    if (fresh)
        asks_read(asks);
}
