/* sio_namespace.c: a namespace on this relay: its sockets, rooms and audiences. It listens to the namespace's
 * conversation, so every relay delivers the same messages in the same order. */
#include "common/container.h"
#include "common/io_notice.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store.h"
#include "common/store/store_io.h"
#include "relay/db/db_pool.h"
#include "relay/socketio/sio_client.h"

#include <stdio.h>
#include <stdlib.h>

enum { HISTORY_RETRY_MS = 1000, HISTORY_BYTES = 16 << 20 };

struct sio_namespace *sio_namespace_find(struct str name)
{
    for (size_t i = 0; i < sio.namespace_count; i++)
        if (str_eq(sio.namespaces[i].name, name))
            return &sio.namespaces[i];
    return NULL;
}

static uint64_t hash(struct str text)
{
    return str_hash(text, sio.hash_seed);
}

/* ---- sockets ---- */

struct sio_socket *sio_namespace_socket(const struct sio_namespace *nsp, struct str sid)
{
    struct sio_socket *socket = map_get(&nsp->sockets, hash(sid));
    return socket && str_eq(str_of(socket->sid), sid) ? socket : NULL;
}

struct sio_socket *sio_namespace_named(const struct sio_namespace *nsp, struct str name)
{
    size_t at = 0;
    for (struct sio_socket *socket; (socket = map_next(&nsp->sockets, &at));)
        if (socket->name && str_eq(str_of(socket->name), name))
            return socket;
    return NULL;
}

void sio_namespace_add(struct sio_socket *socket)
{
    map_put(&socket->nsp->sockets, hash(str_of(socket->sid)), socket);
    metric_add(METRIC_IO_SOCKETS, 1);
}

void sio_namespace_remove(struct sio_socket *socket)
{
    map_take(&socket->nsp->sockets, hash(str_of(socket->sid)));
    metric_add(METRIC_IO_SOCKETS, -1);
}

/* ---- rooms ---- */

static struct sio_room *room_find(const struct sio_namespace *nsp, struct str name)
{
    for (struct map_link *link = map_get(&nsp->rooms, hash(name)); link; link = link->next) {
        struct sio_room *room = container_of(link, struct sio_room, link);
        if (str_eq(room->name, name))
            return room;
    }
    return NULL;
}

static struct sio_room *room_new(struct sio_namespace *nsp, struct str name)
{
    struct sio_room *room = mem_zalloc(sizeof *room);
    room->name = (struct str){mem_strndup(name.ptr, name.len), name.len};
    map_chain_add(&nsp->rooms, hash(name), &room->link);
    return room;
}

static void room_free(struct sio_namespace *nsp, struct sio_room *room)
{
    map_chain_remove(&nsp->rooms, hash(room->name), &room->link);
    free((void *)(uintptr_t)room->name.ptr);
    free(room->sockets);
    free(room);
}

bool sio_in(const struct sio_socket *socket, struct str name)
{
    for (size_t i = 0; i < socket->room_count; i++)
        if (str_eq(socket->rooms[i]->name, name))
            return true;
    return false;
}

bool sio_room_enter(struct sio_socket *socket, struct str name, uint64_t since)
{
    if (sio_in(socket, name))
        return true;
    if (socket->room_count >= sio.settings->io_rooms_max)
        return false;
    struct sio_room *room = room_find(socket->nsp, name);
    if (!room)
        room = room_new(socket->nsp, name);
    if (room->count == room->cap) {
        room->cap = room->cap ? room->cap * 2 : 4;
        room->sockets = mem_realloc(room->sockets, room->cap * sizeof(struct sio_socket *));
    }
    room->sockets[room->count++] = socket;
    if (socket->room_count == socket->room_cap) {
        socket->room_cap = socket->room_cap ? (uint8_t)(socket->room_cap * 2) : 2;
        socket->rooms = mem_realloc(socket->rooms, socket->room_cap * sizeof socket->rooms[0]);
        socket->since = mem_realloc(socket->since, socket->room_cap * sizeof socket->since[0]);
    }
    socket->since[socket->room_count] = since;
    socket->rooms[socket->room_count++] = room;
    return true;
}

/* What it heard there stays in its history, of the latest rooms. */
static void remember(struct sio_socket *socket, struct str name, uint64_t from)
{
    struct sio_past **at = &socket->pasts, *past;
    if (!socket->nsp->app->history || from >= socket->nsp->seq)
        return;
    past = mem_zalloc(sizeof *past + name.len);
    *past = (struct sio_past){socket->pasts, from, socket->nsp->seq, name.len};
    memcpy(past->name, name.ptr, name.len);
    socket->pasts = past;
    for (size_t i = 0; *at && i < SIO_PASTS_MAX; i++)
        at = &(*at)->next;
    free(*at);
    *at = NULL;
}

void sio_pasts_free(struct sio_socket *socket)
{
    while (socket->pasts) {
        struct sio_past *next = socket->pasts->next;
        free(socket->pasts);
        socket->pasts = next;
    }
}

void sio_room_exit(struct sio_socket *socket, struct str name)
{
    for (size_t i = 0; i < socket->room_count; i++) {
        struct sio_room *room = socket->rooms[i];
        if (!str_eq(room->name, name))
            continue;
        if (socket->state == SIO_LIVE)
            remember(socket, name, socket->since[i]);
        socket->rooms[i] = socket->rooms[--socket->room_count];
        socket->since[i] = socket->since[socket->room_count];
        size_t at = 0;
        while (room->sockets[at] != socket)
            at++;
        room->sockets[at] = room->sockets[--room->count];
        if (!room->count)
            room_free(socket->nsp, room);
        return;
    }
}

/* ---- recent messages ---- */

static void recent_drop(struct sio_recent *recent, size_t count)
{
    if (!count)
        return;
    for (size_t i = 0; i < count; i++) {
        recent->bytes -= message_size(recent->messages[i]);
        free(recent->messages[i]);
    }
    recent->count -= count;
    memmove(recent->messages, recent->messages + count, recent->count * sizeof recent->messages[0]);
}

/* Drops a quarter at once when full, so that moving the rest costs little. */
static void recent_add(struct sio_recent *recent, const struct message *message)
{
    if (!recent->max)
        return;
    if (!recent->messages)
        recent->messages = mem_zalloc((recent->max + recent->max / 4 + 1) * sizeof recent->messages[0]);
    recent->messages[recent->count++] = message_dup(message);
    recent->bytes += message_size(message);
    size_t over = 0;
    if (recent->count > recent->max + recent->max / 4)
        over = recent->count - recent->max;
    recent_drop(recent, over);
    while (recent->count > 1 && recent->bytes > recent->max_bytes)
        recent_drop(recent, (recent->count + 3) / 4);
}

/* What is gone from the database is shown to nobody any more. */
static void recent_trim(struct sio_recent *recent, uint64_t trimmed)
{
    size_t count = 0;
    while (count < recent->count && recent->messages[count]->seq <= trimmed)
        count++;
    recent_drop(recent, count);
}

static void recent_fini(struct sio_recent *recent)
{
    recent_drop(recent, recent->count);
    free(recent->messages);
    recent->messages = NULL;
}

/* ---- who gets what ---- */

bool sio_namespace_is_for(const struct sio_socket *socket, struct str text)
{
    struct audience audience;
    if (audience_parse(text, &audience))
        return false;
    bool in = audience.everybody;
    for (size_t i = 0; i < audience.count; i++) {
        struct audience_name *name = &audience.names[i];
        bool named = str_eq(name->name, str_of(socket->sid)) || (name->kind != 's' && sio_in(socket, name->name));
        if (named && name->kind == 'x')
            return false;
        in |= named;
    }
    return in;
}

/* In the room when that was said. */
static bool was_in(const struct sio_socket *socket, struct str room, uint64_t seq)
{
    for (size_t i = 0; i < socket->room_count; i++)
        if (socket->since[i] < seq && str_eq(socket->rooms[i]->name, room))
            return true;
    for (const struct sio_past *past = socket->pasts; past; past = past->next)
        if (past->from < seq && seq <= past->to && str_eq((struct str){past->name, past->len}, room))
            return true;
    return false;
}

bool sio_namespace_was_for(const struct sio_socket *socket, const struct message *message)
{
    struct audience audience;
    if (message->seq <= socket->begin_seq || audience_parse(message->audience, &audience))
        return false;
    bool in = audience.everybody;
    for (size_t i = 0; i < audience.count; i++) {
        struct audience_name *name = &audience.names[i];
        bool named =
            str_eq(name->name, str_of(socket->sid)) || (name->kind != 's' && was_in(socket, name->name, message->seq));
        if (named && name->kind == 'x')
            return false;
        in |= named;
    }
    return in;
}

typedef void each_fn(struct sio_socket *socket, struct str packet);

static void reach(struct sio_socket *socket, uint64_t mark, struct str argument, each_fn *fn)
{
    if (socket->mark == mark || socket->state != SIO_LIVE)
        return; /* reached already, or excepted; one that is being recovered gets it then */
    socket->mark = mark;
    fn(socket, argument);
}

static void mark_excepted(struct sio_namespace *nsp, struct str name)
{
    struct sio_socket *socket = sio_namespace_socket(nsp, name);
    struct sio_room *room = room_find(nsp, name);
    if (socket)
        socket->mark = nsp->mark;
    for (size_t i = 0; room && i < room->count; i++)
        room->sockets[i]->mark = nsp->mark;
}

/* Calls `fn` once for each socket of the audience that is here. It may send, join, leave and close: lists are
 * walked from their ends, and nothing is freed before the loop sleeps. */
static void each(struct sio_namespace *nsp, const struct audience *audience, struct str argument, each_fn *fn)
{
    uint64_t mark = ++nsp->mark;
    for (size_t i = 0; i < audience->count; i++)
        if (audience->names[i].kind == 'x')
            mark_excepted(nsp, audience->names[i].name);
    size_t at = 0;
    for (struct sio_socket *socket; audience->everybody && (socket = map_next(&nsp->sockets, &at));)
        reach(socket, mark, argument, fn);
    for (size_t i = 0; i < audience->count; i++) {
        struct str name = audience->names[i].name;
        struct sio_socket *socket = audience->names[i].kind == 's' ? sio_namespace_socket(nsp, name) : NULL;
        struct sio_room *room = audience->names[i].kind == 'r' ? room_find(nsp, name) : NULL;
        if (socket)
            reach(socket, mark, argument, fn);
        for (size_t s = 0; room && s < room->count; s++)
            reach(room->sockets[s], mark, argument, fn);
    }
}

/* ---- messages ---- */

void sio_offset(uint64_t seq, char out[SIO_OFFSET_MAX])
{
    snprintf(out, SIO_OFFSET_MAX, "%llu-%llu", (unsigned long long)sio.hub->epoch, (unsigned long long)seq);
}

void sio_add_offset(const char *offset, struct buf *out)
{
    out->len--; /* the bracket */
    json_add_text(out, NULL, offset);
    json_end_array(out);
}

/* A JSON array, with the offset as one more element if the namespace's clients can be recovered: the official client
 * takes the last argument of every event for its offset if it is a string, so every event has to have one. */
static void add_array(struct sio_namespace *nsp, struct str array, uint64_t seq, struct buf *out)
{
    char offset[SIO_OFFSET_MAX];
    buf_add_str(out, array);
    nsp->offset_len = 0;
    if (!nsp->app->recoverable || !sio.settings->io_recovery_ms || out->failed)
        return;
    sio_offset(seq, offset);
    size_t len = out->len - 1; /* without the bracket */
    sio_add_offset(offset, out);
    nsp->offset_len = out->len - len;
}

/* The event that sio.scratch holds. Clients that cannot be recovered know of no offsets: what they are shown ends with
 * the bracket before, for as long as that takes. */
static void give(const struct sio_socket *socket)
{
    struct buf *packet = &sio.scratch;
    if (*socket->pid || !socket->nsp->offset_len) {
        eio_send(socket->client->conn, false, buf_str(packet));
        return;
    }
    size_t len = packet->len - socket->nsp->offset_len;
    packet->data[len] = ']';
    eio_send(socket->client->conn, false, (struct str){packet->data, len + 1});
    packet->data[len] = ',';
}

void sio_namespace_encode(struct sio_namespace *nsp, const struct message *message, struct buf *out)
{
    struct buf array;
    buf_init(&array, sio.scratch.max);
    if (message->kind == MESSAGE_EVENT)
        buf_add_str(&array, message->content);
    else
        nsp->app->encode(message, &array);
    sio_packet_add_head(out, SIO_EVENT, 0, nsp->name, -1);
    add_array(nsp, buf_str(&array), message->seq, out);
    out->failed |= array.failed;
    buf_fini(&array);
}

static void give_message(struct sio_socket *socket, struct str none)
{
    (void)none;
    if (socket->nsp->seq > socket->from_seq)
        give(socket);
}

static void on_message(void *arg, const struct message *message)
{
    struct sio_namespace *nsp = arg;
    struct audience audience;
    nsp->seq = message->seq;
    recent_add(&nsp->recent, message);
    if (message->kind == MESSAGE_TEXT)
        recent_add(message->audience.len ? &nsp->said_in_rooms : &nsp->history, message);
    if (!nsp->sockets.count)
        return;
    buf_clear(&sio.scratch);
    sio_namespace_encode(nsp, message, &sio.scratch);
    if (sio.scratch.failed || audience_parse(message->audience, &audience)) {
        metric_inc(METRIC_IO_UNSHOWN);
        log_error("io.message_unshown", "conversation=%llu seq=%llu", (unsigned long long)message->conversation,
                  (unsigned long long)message->seq);
        return;
    }
    each(nsp, &audience, STR(""), give_message);
}

static void give_event(struct sio_socket *socket, struct str none)
{
    (void)none;
    give(socket);
}

void sio_namespace_show(struct sio_namespace *nsp, struct str text, struct str array)
{
    struct audience audience;
    if (audience_parse(text, &audience))
        return;
    buf_clear(&sio.scratch);
    sio_packet_add_head(&sio.scratch, SIO_EVENT, 0, nsp->name, -1);
    add_array(nsp, array, nsp->seq, &sio.scratch);
    if (!sio.scratch.failed)
        each(nsp, &audience, STR(""), give_event);
}

/* ---- notices of other relays and of admin calls ---- */

static void make_join(struct sio_socket *socket, struct str room)
{
    if (sio_socket_join(socket, room))
        log_info("io.join_refused", "why=too_many_rooms");
}

static void make_end(struct sio_socket *socket, struct str none)
{
    (void)none;
    sio_disconnect(socket);
}

static void on_taken(struct sio_namespace *nsp, struct str sid)
{
    struct sio_socket *socket = sio_namespace_socket(nsp, sid);
    if (socket)
        sio_socket_end(socket, SIO_END_TAKEN);
}

/* What `fn` does may empty rooms and end sockets: so who is meant is noted first. */
static void each_noted(struct sio_namespace *nsp, struct str audience, struct str body, each_fn *fn)
{
    size_t at = 0, count = 0;
    uint64_t *serials = mem_zalloc(nsp->sockets.count * sizeof serials[0] + 1);
    for (struct sio_socket *socket; (socket = map_next(&nsp->sockets, &at));)
        if (sio_namespace_is_for(socket, audience))
            serials[count++] = socket->serial;
    for (size_t i = 0; i < count; i++) {
        struct sio_socket *socket = sio_socket_find(serials[i]);
        if (socket)
            fn(socket, body);
    }
    free(serials);
}

static void on_notice(void *arg, struct str payload)
{
    struct sio_namespace *nsp = arg;
    struct io_notice notice;
    if (io_notice_get(payload, &notice)) {
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    switch (notice.kind) {
    case IO_NOTICE_EMIT: sio_namespace_show(nsp, notice.audience, notice.body); break;
    case IO_NOTICE_JOIN: each_noted(nsp, notice.audience, notice.body, make_join); break;
    case IO_NOTICE_LEAVE: each_noted(nsp, notice.audience, notice.body, sio_leave); break;
    case IO_NOTICE_DISCONNECT: each_noted(nsp, notice.audience, notice.body, make_end); break;
    case IO_NOTICE_TAKEN: on_taken(nsp, notice.body); break;
    }
}

/* ---- history ---- */

struct reading {
    struct job job;
    struct sio_namespace *nsp;
    uint64_t number;           /* nsp->reading_number, if it is not void */
    struct sio_recent read[2]; /* for everybody, and for some */
};

static void collect(void *arg, const struct message *message)
{
    recent_add(arg, message);
}

static void read_history(struct job *job, struct store *store)
{
    struct reading *reading = (struct reading *)job;
    for (int some = 0; some < 2 && !job->err; some++)
        job->err = store_io_recent(store, reading->nsp->conversation, some, (unsigned)reading->read[some].max, collect,
                                   &reading->read[some]);
}

/* What was read comes before what was heard meanwhile. */
static void put_before(struct sio_recent *read, struct sio_recent *heard)
{
    /* as many as `count` are there: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    uint64_t last = read->count ? read->messages[read->count - 1]->seq : 0;
    for (size_t i = 0; i < heard->count; i++)
        if (heard->messages[i]->seq > last)
            recent_add(read, heard->messages[i]);
    recent_fini(heard);
    *heard = *read;
}

static void on_history(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct sio_namespace *nsp = reading->nsp;
    bool is_void = reading->number != nsp->reading_number; /* it is read again, or was */
    if (is_void || job->err) {
        recent_fini(&reading->read[0]);
        recent_fini(&reading->read[1]);
    }
    if (!is_void && job->err) {
        log_warn("io.history_failed", "namespace=\"%.*s\" err=%s", (int)nsp->name.len, nsp->name.ptr,
                 err_name(job->err));
        wheel_set(sio.wheel, &nsp->retry, HISTORY_RETRY_MS);
    } else if (!is_void) {
        put_before(&reading->read[0], &nsp->history);
        put_before(&reading->read[1], &nsp->said_in_rooms);
        recent_trim(&nsp->history, nsp->trimmed);
        recent_trim(&nsp->said_in_rooms, nsp->trimmed);
        nsp->live = true;
    }
    free(reading);
}

static void begin_history(struct sio_namespace *nsp)
{
    if (!nsp->history.max) {
        nsp->live = true;
        return;
    }
    struct reading *reading = mem_zalloc(sizeof *reading);
    reading->job.work = read_history;
    reading->job.done = on_history;
    reading->nsp = nsp;
    reading->number = nsp->reading_number;
    reading->read[0] = (struct sio_recent){.max = nsp->history.max, .max_bytes = nsp->history.max_bytes};
    reading->read[1] = (struct sio_recent){.max = nsp->said_in_rooms.max, .max_bytes = nsp->said_in_rooms.max_bytes};
    db_pool_add(sio.db_pool, &reading->job);
}

static void on_retry(struct wheel_timer *timer)
{
    begin_history(container_of(timer, struct sio_namespace, retry));
}

/* Numbers of before mean nothing any more. */
static void begin_anew(struct sio_socket *socket)
{
    socket->from_seq = 0;
    socket->begin_seq = socket->nsp->seq;
    sio_pasts_free(socket);
    for (size_t i = 0; i < socket->room_count; i++)
        socket->since[i] = socket->nsp->seq;
}

static void drop_messages(struct sio_namespace *nsp)
{
    nsp->live = false;
    nsp->reading_number++;
    wheel_cancel(&nsp->retry);
    recent_fini(&nsp->recent);
    recent_fini(&nsp->history);
    recent_fini(&nsp->said_in_rooms);
}

void sio_namespace_forget(struct sio_namespace *nsp)
{
    nsp->seq = nsp->trimmed = 0;
    drop_messages(nsp);
}

static void on_ready(void *arg, uint64_t seq)
{
    struct sio_namespace *nsp = arg;
    size_t at = 0;
    sio_namespace_forget(nsp);
    nsp->seq = seq;
    for (struct sio_socket *socket; (socket = map_next(&nsp->sockets, &at));)
        begin_anew(socket);
    begin_history(nsp);
}

static void on_gone(void *arg, uint64_t trimmed, bool more)
{
    struct sio_namespace *nsp = arg;
    nsp->trimmed = trimmed;
    if (more) {
        drop_messages(nsp);
        begin_history(nsp);
        return;
    }
    recent_trim(&nsp->recent, trimmed);
    recent_trim(&nsp->history, trimmed);
    recent_trim(&nsp->said_in_rooms, trimmed);
}

void sio_history(struct sio_socket *socket, void (*fn)(void *arg, const struct message *message), void *arg)
{
    const struct sio_recent *all = &socket->nsp->history, *some = &socket->nsp->said_in_rooms;
    const struct message *latest[SIO_HISTORY_MAX];
    size_t count = 0, i = all->count, k = socket->room_count || socket->pasts ? some->count : 0;
    while (count < all->max && (i || k)) { /* from the latest back, whichever of the two is later */
        if (k && (!i || some->messages[k - 1]->seq > all->messages[i - 1]->seq)) {
            if (sio_namespace_was_for(socket, some->messages[--k]))
                latest[count++] = some->messages[k];
        } else {
            latest[count++] = all->messages[--i];
        }
    }
    while (count)
        fn(arg, latest[--count]);
}

/* ---- beginning and end ---- */

void sio_namespace_init(struct sio_namespace *nsp, struct str name, const struct app *app, uint64_t conversation)
{
    CG_ASSERT(app->history <= SIO_HISTORY_MAX);
    *nsp = (struct sio_namespace){
        .name = name,
        .app = app,
        .conversation = conversation,
        .recent = {.max = app->recoverable ? SIO_RECENT_MAX : 0, .max_bytes = SIO_RECENT_BYTES},
        .history = {.max = app->history, .max_bytes = HISTORY_BYTES},
        .said_in_rooms = {.max = app->history ? SIO_RECENT_MAX : 0, .max_bytes = SIO_RECENT_BYTES},
        .listener = {on_ready, on_message, on_notice, on_gone, nsp},
        .retry = {.fired = on_retry},
    };
    hub_listen(sio.hub, conversation, &nsp->listener);
}

void sio_namespace_fini(struct sio_namespace *nsp)
{
    wheel_cancel(&nsp->retry);
    CG_ASSERT(!nsp->sockets.count && !nsp->rooms.count);
    map_fini(&nsp->sockets);
    map_fini(&nsp->rooms);
    recent_fini(&nsp->recent);
    recent_fini(&nsp->history);
    recent_fini(&nsp->said_in_rooms);
}
