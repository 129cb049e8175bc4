/* presence_list.c: the member list of a room: read from Redis after a change, compared with the last one,
 * sent if it differs, and not too often. */
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/presence_parts.h"

#include <stdlib.h>

enum {
    LIST_BYTES_PER_MS = 20000, /* member lists of one room take at most this much of the network */
    LIST_MAX_BYTES = 16 * 1024 * 1024,
    HEAD_MAX = 1024, /* longer than any that presence.c writes */
};

static void on_list_timer(struct wheel_timer *timer);

void presence_list_init(struct place *place)
{
    place->timer.fired = on_list_timer;
    buf_init(&place->list.texts, LIST_MAX_BYTES);
}

void presence_list_fini(struct list *list)
{
    buf_fini(&list->texts);
    free(list->listed);
}

bool presence_is_elsewhere(const struct place *place, uint64_t user)
{
    for (size_t i = 0; i < place->list.count; i++)
        if (place->list.listed[i].member.user == user)
            return place->list.listed[i].elsewhere;
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

bool presence_read_entry(const char *field, struct str value, struct str own_entry,
                         struct listed *listed)
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
        if (presence_read_entry(field, value, str_of(presence->entry), &list.listed[list.count]))
            list.count++;
        else
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
    presence_list_fini(&place->list);
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
        presence_place_free(place);
    else if (place->again)
        presence_list_due(place);
}

static void list_fetch(struct place *place)
{
    char key[PRESENCE_KEY_MAX];
    presence_room_key(key, place->presence->settings->redis_prefix, place->conversation);
    struct str args[] = {STR("HGETALL"), str_of(key)};
    place->fetching = true;
    place->again = false;
    struct bus *bus = place->presence->bus;
    bus_command_on(bus, bus_server_of(bus, place->conversation), on_list, place, args, 2);
}

static void on_list_timer(struct wheel_timer *timer)
{
    list_fetch((struct place *)(void *)((char *)timer - offsetof(struct place, timer)));
}

void presence_list_due(struct place *place)
{
    int64_t wait = place->next_list_ms - clock_mono_ms();
    if (place->fetching)
        place->again = true;
    else if (!wheel_is_set(&place->timer))
        wheel_set(place->presence->wheel, &place->timer, wait > 0 ? wait : 0);
}

/* ---- for who asks ---- */

struct asking {
    struct presence *presence;
    uint64_t conversation;
    presence_members_fn *fn;
    void *arg;
};

static void on_asked(void *arg, const struct bus_reply *reply)
{
    struct asking *asking = arg;
    const struct place *place = map_get(&asking->presence->places, asking->conversation);
    struct list list = {.listed = NULL};
    if (reply)
        list = list_from_reply(asking->presence, reply);
    else if (place)
        list = list_from_memory(place);
    struct member *members = mem_zalloc(list.count * sizeof *members);
    for (size_t i = 0; i < list.count; i++)
        members[i] = list.listed[i].member;
    asking->fn(asking->arg, members, list.count);
    free(members);
    presence_list_fini(&list);
    free(asking);
}

void presence_ask(struct presence *presence, uint64_t conversation, presence_members_fn *fn, void *arg)
{
    char key[PRESENCE_KEY_MAX];
    struct asking *asking = mem_zalloc(sizeof *asking);
    *asking = (struct asking){presence, conversation, fn, arg};
    presence_room_key(key, presence->settings->redis_prefix, conversation);
    struct str args[] = {STR("HGETALL"), str_of(key)};
    bus_command_on(presence->bus, bus_server_of(presence->bus, conversation), on_asked, asking, args, 2);
}
