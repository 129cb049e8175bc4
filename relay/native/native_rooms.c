/* native_rooms.c: a connection's conversations.
 *
 *   named ─▶ looked up ─▶ known ─▶ (join) looked up again ─▶ subscription asked for
 *         ─▶ subscription, corked ─▶ joined, catching up ─▶ live
 *
 * Commands about one conversation wait while it is looked up or its subscription is asked for, so they are carried out
 * in order. What follows a subscription is native_catchup.c's. */
#include "common/container.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"
#include "relay/core/presence.h"

#include <stdlib.h>

#define NUMBER_MAX ((INT64_C(1) << 53) - 1)

/* ---- commands that wait ---- */

static struct native_waiting *waiting_new(struct native_room *room, int64_t re, struct json_object *object,
                                          native_room_handler *handle)
{
    struct native_waiting *waiting = mem_zalloc(sizeof *waiting);
    *waiting = (struct native_waiting){.handle = handle, .re = re, .object = json_object_get(object)};
    room->native->waiting++;
    return waiting;
}

static struct native_waiting *take_waiting(struct native_room *room)
{
    struct native_waiting *waiting = STAILQ_FIRST(&room->waiting);
    STAILQ_REMOVE_HEAD(&room->waiting, link);
    room->native->waiting--;
    return waiting;
}

/* ---- which there are ---- */

struct native_room *native_room_of(const struct native *native, uint64_t conversation)
{
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        if (room->membership.conversation == conversation)
            break;
    return room;
}

struct native_room *native_room_named(const struct native *native, struct str id)
{
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        if (str_eq(id, str_of(room->id)) || (room->alias && str_eq(id, str_of(room->alias))))
            break;
    return room;
}

bool native_is_id(struct str id)
{
    _Static_assert((int)ID_MAX <= (int)NATIVE_ID_MAX, "a public one, too");
    return app_id_ok(id);
}

static void waiting_free(struct native_waiting *waiting)
{
    json_object_put(waiting->object);
    free(waiting);
}

static void room_free(struct native_room *room)
{
    struct native *native = room->native;
    SLIST_REMOVE(&native->rooms, room, native_room, link);
    native->room_count--;
    while (!STAILQ_EMPTY(&room->waiting))
        waiting_free(take_waiting(room));
    if (room->present)
        presence_leave(protocol_context.presence, room->membership.conversation, native->user);
    catchup_stop(&room->catchup);
    free(room->membership.space);
    free(room->alias);
    free(room);
}

void native_rooms_free(struct native *native)
{
    while (!SLIST_EMPTY(&native->rooms))
        room_free(SLIST_FIRST(&native->rooms));
}

static bool is_busy(const struct native_room *room)
{
    return room->looking || room->coming || room->mentioning;
}

/* One that is only remembered makes room for another; false: all are in use. */
static bool make_way(struct native *native)
{
    if (native->room_count < (size_t)protocol_context.settings->native_rooms_max)
        return true;
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        if (!room->joined && !is_busy(room) && STAILQ_EMPTY(&room->waiting)) {
            room_free(room);
            return true;
        }
    return false;
}

/* NULL: there are too many. */
static struct native_room *room_new(struct native *native, struct str id)
{
    CG_ASSERT(id.len < NATIVE_ID_MAX);
    if (!make_way(native))
        return NULL;
    struct native_room *room = mem_zalloc(sizeof *room + id.len + 1);
    room->native = native;
    STAILQ_INIT(&room->waiting);
    memcpy(room->id, id.ptr, id.len);
    SLIST_INSERT_HEAD(&native->rooms, room, link);
    native->room_count++;
    return room;
}

static void set_membership(struct native_room *room, const struct store_native_membership *membership)
{
    free(room->membership.space);
    room->membership.conversation = membership->conversation;
    room->membership.seq = membership->seq;
    room->membership.read_seq = membership->read_seq;
    room->membership.kind = membership->kind;
    room->membership.role = membership->role;
    room->membership.space = membership->kind == KIND_SPACE ? mem_strdup(membership->name) : NULL;
}

/* ---- commands that wait ---- */

static void wait_for(struct native_room *room, int64_t re, struct json_object *object, native_room_handler *handle)
{
    struct native_waiting *waiting = waiting_new(room, re, object, handle);
    STAILQ_INSERT_TAIL(&room->waiting, waiting, link);
}

static bool is_banned(const struct native *native, uint64_t conversation)
{
    return protocol_banned(native->user, native->session->client.address, conversation);
}

/* `joining`: the hub is going through the subscriptions, so nobody may leave one. */
static void carry_on(struct native_room *room, bool joining)
{
    while (!STAILQ_EMPTY(&room->waiting) && !is_busy(room) && !native_is_answered(room->native)) {
        if (joining && STAILQ_FIRST(&room->waiting)->handle == native_leave) {
            wheel_set(protocol_context.hub->wheel, &room->native->again, 0);
            return;
        }
        struct native_waiting *waiting = take_waiting(room);
        if (waiting->handle != native_leave && is_banned(room->native, room->membership.conversation))
            native_refuse(room->native, waiting->re, "banned", "you may not be here");
        else
            waiting->handle(room, waiting->re, waiting->object);
        waiting_free(waiting);
    }
}

void native_room_carry_on(struct native_room *room)
{
    carry_on(room, false);
}

/* From wherever an answer goes out, the hub's walk through the subscriptions among them. */
void native_carry_on(struct native *native)
{
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        if (native->waiting && !native->session->closing)
            carry_on(room, true);
}

static void fail_waiting(struct native_room *room, enum err err)
{
    while (!STAILQ_EMPTY(&room->waiting)) {
        struct native_waiting *waiting = take_waiting(room);
        native_fail(room->native, waiting->re, err);
        waiting_free(waiting);
    }
}

/* ---- looking up ---- */

/* Changing the members of a public conversation does not make the client a member of it. */
static bool enters(const struct native_waiting *waiting)
{
    return waiting->handle != native_invite && waiting->handle != native_remove && waiting->handle != native_quit;
}

struct looking {
    struct job job;
    bool enters; /* what is public */
    uint64_t session_id, user;
    char id[NATIVE_ID_MAX];
    struct store_native_membership membership;
    struct store_app_event entered; /* told NULL: nothing came of it */
};

static void work(struct job *job, struct store *store)
{
    struct looking *looking = (struct looking *)job;
    struct str id = str_of(looking->id);
    job->err = store_native_memberships(store, looking->user, &id, 1, &looking->membership);
    /* naming a public conversation makes the user a member */
    if (!job->err && !looking->membership.conversation && looking->enters) {
        job->err = store_native_enter(store, looking->user, id, &looking->entered);
        if (!job->err)
            job->err = store_native_memberships(store, looking->user, &id, 1, &looking->membership);
    }
    if (!job->err && !looking->membership.conversation)
        job->err = ERR_NOT_FOUND;
}

static void settle(struct native_room *room, const struct store_native_membership *membership)
{
    set_membership(room, membership);
    room->fresh = true;
    carry_on(room, false);
    room->fresh = false;
}

/* It is one that the connection knows by another name: what waited for it goes there. */
static void merge(struct native_room *room, struct native_room *known)
{
    STAILQ_CONCAT(&known->waiting, &room->waiting);
    free(known->alias);
    known->alias = mem_strdup(room->id);
    room_free(room);
    carry_on(known, false);
}

/* Those that do not enter, up to the first that does; false: there is none behind them. */
static bool fail_first(struct native_room *room)
{
    bool some = false;
    while (!STAILQ_EMPTY(&room->waiting) && !enters(STAILQ_FIRST(&room->waiting))) {
        struct native_waiting *waiting = take_waiting(room);
        native_fail(room->native, waiting->re, ERR_NOT_FOUND);
        waiting_free(waiting);
        some = true;
    }
    return some && !STAILQ_EMPTY(&room->waiting);
}

static void look_up(struct native_room *room);

static void on_looked_up(struct job *job)
{
    struct looking *looking = (struct looking *)job;
    hub_tell(protocol_context.hub, looking->entered.told, looking->entered.epoch);
    struct native *native = native_find(looking->session_id);
    struct native_room *room = native ? native_room_named(native, str_of(looking->id)) : NULL;
    if (room) {
        room->looking = false;
        if (!job->err &&
            protocol_revoked(native->user, looking->membership.conversation, looking->membership.generation))
            job->err = ERR_DOWN; /* while it was looked up: what is so now has to be asked again */
        if (job->err == ERR_NOT_FOUND && fail_first(room)) {
            look_up(room);
        } else if (job->err) {
            fail_waiting(room, job->err == ERR_NOT_FOUND ? ERR_NOT_FOUND : ERR_DOWN);
            room_free(room);
        } else {
            struct native_room *known = native_room_of(native, looking->membership.conversation);
            if (known && known != room)
                merge(room, known);
            else
                settle(room, &looking->membership);
        }
    }
    free(looking->entered.told);
    free(looking);
}

/* For a room that has no subscription. */
static void look_up(struct native_room *room)
{
    struct looking *looking = mem_zalloc(sizeof *looking);
    looking->job.work = work;
    looking->job.done = on_looked_up;
    looking->session_id = room->native->session->id;
    looking->user = room->native->user;
    looking->enters = enters(STAILQ_FIRST(&room->waiting));
    memcpy(looking->id, room->id, strlen(room->id));
    job_charge(&looking->job, JOB_ASK, looking->user, 2);
    room->looking = !db_pool_try(protocol_context.db_pool, &looking->job);
    if (!room->looking) {
        free(looking);
        fail_waiting(room, ERR_BUSY);
    }
}

void native_room_command(struct native *native, int64_t re, struct json_object *object, native_room_handler *handle)
{
    struct str id;
    if (!json_get_string(object, "room", &id)) {
        native_refuse(native, re, "bad_argument", "room is missing");
        return;
    }
    if (!native_is_id(id)) {
        native_fail(native, re, ERR_NOT_FOUND);
        return;
    }
    struct native_room *room = native_room_named(native, id);
    if (native->waiting >= NATIVE_WAITING_MAX) {
        native_fail(native, re, ERR_BUSY);
    } else if (!room && !(room = room_new(native, id))) {
        native_refuse(native, re, "too_many", "too many conversations on one connection");
    } else if (!room->membership.conversation && !room->looking) {
        wait_for(room, re, object, handle);
        look_up(room);
    } else {
        wait_for(room, re, object, handle);
        carry_on(room, false);
    }
}

/* ---- joining ---- */

bool native_read_cursor(struct json_object *object, struct native_cursor *cursor, bool *presence)
{
    int64_t epoch, seq;
    bool has_epoch = json_has(object, "epoch"), has_seq = json_has(object, "seq");
    struct json_object *flag;
    *cursor = (struct native_cursor){.given = has_seq};
    *presence = false;
    if (json_has(object, "presence")) {
        if (!json_object_object_get_ex(object, "presence", &flag) || !json_object_is_type(flag, json_type_boolean))
            return false;
        *presence = json_object_get_boolean(flag);
    }
    if (has_epoch != has_seq)
        return false;
    if (!has_seq)
        return true;
    if (!json_get_int(object, "epoch", 0, NUMBER_MAX, &epoch) || !json_get_int(object, "seq", 0, NUMBER_MAX, &seq))
        return false;
    cursor->epoch = (uint64_t)epoch;
    cursor->seq = (uint64_t)seq;
    return true;
}

static uint64_t shown_seq(const struct native_room *room)
{
    const struct catchup *catchup = &room->catchup;
    return catchup->given > catchup->target ? catchup->given : catchup->target;
}

void native_add_joined(struct buf *out, const struct native_room *room)
{
    json_add_u64(out, "ch", room->membership.conversation);
    json_add_u64(out, "epoch", protocol_context.hub->epoch);
    json_add_u64(out, "seq", shown_seq(room));
    json_add_u64(out, "read", room->membership.read_seq);
    if (room->trimmed)
        json_add_u64(out, "trimmed", room->trimmed);
    if (room->reset)
        json_add_bool(out, "reset", true);
    else if (room->cursor.given)
        json_add_u64(out, "missed", shown_seq(room) - room->cursor.seq);
}

/* `at`: the room as the client sees it. */
static void answer_join(struct native_room *room, int64_t re, const struct native_room *at)
{
    struct buf out;
    native_begin(&out, 2048, re);
    json_add_text(&out, "room", room->by_alias ? room->alias : room->id);
    native_add_joined(&out, at);
    native_end(room->native, &out);
}

/* May be there before this returns. */
static void ask_to_subscribe(struct native_room *room)
{
    room->coming = true;
    hub_join(protocol_context.hub, room->native->session, room->membership.conversation,
             room->presence ? ENCODING_NATIVE_PRESENCE : ENCODING_NATIVE);
}

void native_join(struct native_room *room, int64_t re, struct json_object *object)
{
    struct native *native = room->native;
    struct native_cursor cursor;
    struct str id;
    bool presence;
    room->by_alias = room->alias && json_get_string(object, "room", &id) && str_eq(id, str_of(room->alias));
    if (!native_read_cursor(object, &cursor, &presence)) {
        native_refuse(native, re, "bad_argument",
                      "epoch and seq are numbers, or neither is there; presence is a boolean");
    } else if (room->joined) {
        struct native_room now = *room; /* only an answer: it goes on as it is */
        now.reset = now.cursor.given = false;
        if (!catchup_is_under_way(&room->catchup))
            now.catchup.given = now.catchup.target =
                hub_seq(hub_subscription(native->session, room->membership.conversation));
        answer_join(room, re, &now);
    } else if (!room->fresh) { /* where it and the user's marker are now */
        struct native_waiting *waiting = waiting_new(room, re, object, native_join);
        STAILQ_INSERT_HEAD(&room->waiting, waiting, link);
        look_up(room);
    } else {
        room->cursor = cursor;
        room->presence = presence;
        room->in_hello = false;
        room->join_re = re;
        ask_to_subscribe(room);
    }
}

/* Those of the look-up that are there ask for their subscriptions. The answer is not given before all have asked. */
void native_join_all(struct native *native, struct native_hello *hello, const struct store_native_wanted *wanted)
{
    struct native_room *rooms[NATIVE_ROOMS_AT_ONCE] = {NULL};
    for (size_t i = 0; i < hello->count; i++) {
        struct native_hello_room *asked = &hello->rooms[i];
        const struct store_native_membership *membership = &wanted[i].membership;
        asked->code = "not_found";
        asked->message = "no such thing, or not one of yours";
        if (!membership->conversation)
            continue;
        asked->code = "banned";
        asked->message = "you may not be here";
        if (is_banned(native, membership->conversation))
            continue;
        asked->code = "unavailable";
        asked->message = "try again later";
        if (protocol_revoked(native->user, membership->conversation, membership->generation))
            continue;
        asked->code = "bad_argument";
        asked->message = "resume names a conversation twice";
        if (native_room_of(native, membership->conversation))
            continue;
        asked->code = "too_many";
        asked->message = "too many conversations on one connection";
        rooms[i] = room_new(native, str_of(asked->id));
        if (!rooms[i])
            continue;
        asked->code = "unavailable";
        asked->message = "try again later";
        set_membership(rooms[i], membership);
        rooms[i]->cursor = asked->cursor;
        rooms[i]->presence = asked->presence;
        rooms[i]->in_hello = true;
        rooms[i]->coming = true;
        native->hello_left++;
    }
    for (size_t i = 0; i < hello->count; i++)
        if (rooms[i])
            ask_to_subscribe(rooms[i]);
    native_hello_settled(native);
}

/* Where the client stands, and where its subscription begins. */
static void place_cursor(struct native_room *room, struct subscription *sub)
{
    const struct native_cursor *cursor = &room->cursor;
    uint64_t here = hub_seq(sub), last = here > room->membership.seq ? here : room->membership.seq;
    bool behind = cursor->seq < here;
    room->reset = cursor->given && (cursor->epoch != protocol_context.hub->epoch || cursor->seq > last ||
                                    (behind && here - cursor->seq > NATIVE_MISSED_MAX) ||
                                    catchup_is_void(hub_trimmed(sub), cursor->seq));
    room->trimmed = hub_trimmed(sub);
    catchup_begin(&room->catchup, &native_catchup_kind, sub, cursor->given && !room->reset ? cursor->seq : here);
    if (room->reset)
        metric_inc(METRIC_NATIVE_RESETS);
}

void native_joined(struct session *session, struct subscription *sub)
{
    struct native *native = native_of(session);
    struct native_room *room = native_room_of(native, hub_conversation(sub));
    if (session->closing)
        return;
    if (!room) { /* the user's inbox */
        native_hello_settled(native);
        return;
    }
    room->coming = false;
    place_cursor(room, sub);
    if (room->in_hello && native->hello) {
        native_hello_settled(native);
        return;
    }
    room->joined = true;
    answer_join(room, room->join_re, room);
    native_go(room);
    native_catch_up(native);
    carry_on(room, true);
}

void native_not_joined(struct session *session, uint64_t conversation, enum err err)
{
    struct native *native = native_of(session);
    struct native_room *room = native_room_of(native, conversation);
    (void)err;
    if (!room || session->closing)
        return;
    room->coming = false;
    if (room->in_hello && native->hello) {
        native_hello_settled(native);
        return;
    }
    native_fail(native, room->join_re, ERR_DOWN);
    carry_on(room, true);
}

/* Present in the way of the conversation's own protocol, which stores or shows the arrival as ever. */
void native_go(struct native_room *room)
{
    struct native *native = room->native;
    enum encoding_id encoding = ENCODING_NATIVE_PRESENCE;
    struct buf head;
    if (!room->presence)
        return;
    buf_init(&head, 4096);
    if (room->membership.kind == KIND_SPACE) {
        encoding = ENCODING_SPACE;
        buf_add_json(&head, str_of(room->membership.space));
    } else {
        encoding = room->membership.kind == KIND_CHATROOM ? ENCODING_CHATROOM : ENCODING_NATIVE_PRESENCE;
        buf_add_text(&head, native->head);
    }
    struct member member = {native->user, str_of(native->name), buf_str(&head)};
    room->present = true;
    presence_enter(protocol_context.presence, room->membership.conversation, encoding, &member, native->session->id);
    buf_fini(&head);
}

void native_leave(struct native_room *room, int64_t re, struct json_object *object)
{
    (void)object;
    if (room->joined)
        hub_leave_one(hub_subscription(room->native->session, room->membership.conversation));
    if (room->present)
        presence_leave(protocol_context.presence, room->membership.conversation, room->native->user);
    room->joined = room->present = false;
    catchup_stop(&room->catchup);
    native_ok(room->native, re);
}

/* ---- put out ---- */

/* Tells the client and ends the subscription; to join again, it must be admitted anew. */
static void kick(struct native_room *room, struct str reason)
{
    struct native *native = room->native;
    struct subscription *sub = hub_subscription(native->session, room->membership.conversation);
    bool of_hello = room->coming && room->in_hello;
    struct buf out;
    buf_init(&out, 128 + 6 * reason.len);
    json_begin_object(&out);
    json_add_text(&out, "ev", "kicked");
    json_add_u64(&out, "ch", room->membership.conversation);
    json_add_string(&out, "reason", reason);
    if (sub)
        hub_leave_one(sub);
    if (native->known)
        native_end(native, &out);
    buf_fini(&out);
    if (room->coming && !of_hello)
        native_fail(native, room->join_re, ERR_NOT_FOUND);
    fail_waiting(room, ERR_NOT_FOUND);
    room_free(room);
    if (of_hello)
        native_hello_settled(native);
}

void native_expelled(struct session *session, uint64_t conversation, const char *reason)
{
    struct native_room *room = native_room_of(native_of(session), conversation);
    if (room)
        kick(room, str_of(reason));
}

void native_on_again(struct wheel_timer *timer)
{
    struct native *native = container_of(timer, struct native, again);
    if (native->session->closing)
        return;
    native_catch_up(native);
    struct native_room *room;
    SLIST_FOREACH(room, &native->rooms, link)
        if (room->membership.conversation)
            carry_on(room, false);
}
