/* sio_socket.c: one client in one namespace, from CONNECT to its end, and the functions for applications (app.h). */
#include "common/id.h"
#include "common/io_notice.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/presence.h"
#include "relay/core/protocol.h"
#include "relay/redis/bus.h"
#include "relay/socketio/sio_client.h"

#include <stdlib.h>

/* ---- life ---- */

struct sio_socket *sio_socket_new(struct sio_client *client, struct sio_namespace *nsp)
{
    struct sio_socket *socket = mem_zalloc(sizeof *socket + nsp->app->state_size);
    socket->serial = ++sio.last_serial;
    socket->sid = socket->own_sid;
    socket->client = client;
    socket->nsp = nsp;
    SLIST_INSERT_HEAD(&client->sockets, socket, link);
    client->socket_count++;
    map_put(&sio.by_serial, socket->serial, socket);
    return socket;
}

struct sio_socket *sio_socket_find(uint64_t serial)
{
    return map_get(&sio.by_serial, serial);
}

struct sio_record sio_socket_record(const struct sio_socket *socket, struct str rooms[IO_ROOMS_PER_SOCKET])
{
    return (struct sio_record){
        .nsp = socket->nsp->name,
        .sid = str_of(socket->sid),
        .pid = str_of(socket->pid),
        .name = str_of(socket->name),
        .rooms = rooms,
        .room_count = sio_rooms(socket, rooms),
        .payer = eio_address(socket->client->conn),
    };
}

void sio_socket_name(struct sio_socket *socket, struct str name)
{
    free(socket->name);
    socket->name = name.len ? mem_strndup(name.ptr, name.len) : NULL;
}

static void add_ids(const struct sio_socket *socket, struct buf *out)
{
    json_begin_object(out);
    json_add_text(out, "sid", socket->sid);
    if (*socket->pid)
        json_add_text(out, "pid", socket->pid);
    json_end_object(out);
}

static void answer_connect(struct sio_socket *socket)
{
    struct buf out;
    buf_init(&out, 1024);
    sio_packet_add_head(&out, SIO_CONNECT, 0, socket->nsp->name, -1);
    if (!eio_is_v3(socket->client->conn)) /* else its client knows its id */
        add_ids(socket, &out);
    eio_send(socket->client->conn, false, buf_str(&out));
    buf_fini(&out);
}

static void send_missed(struct sio_socket *socket, struct message *const *missed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!sio_namespace_was_for(socket, missed[i]))
            continue;
        buf_clear(&sio.scratch);
        sio_namespace_encode(socket->nsp, missed[i], &sio.scratch);
        if (!sio.scratch.failed)
            eio_send(socket->client->conn, false, buf_str(&sio.scratch));
    }
}

void sio_socket_go_live(struct sio_socket *socket, bool recovered, struct message *const *missed, size_t missed_count,
                        struct str auth)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct sio_record record = sio_socket_record(socket, rooms);
    socket->state = SIO_LIVE;
    sio_namespace_add(socket);
    answer_connect(socket);
    send_missed(socket, missed, missed_count);
    if (!recovered)
        sio_registry_add(&record);
    metric_inc(recovered ? METRIC_IO_RECOVERED : METRIC_IO_CONNECTED);
    eio_admit(socket->client->conn);
    socket->nsp->app->connected(socket, auth, recovered);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* 6 bits a character. */
static void random_text(char *out, size_t len)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < len; i++, bits >>= 6) {
        if (i % 10 == 0)
            bits = id_random();
        out[i] = alphabet[bits & 63];
    }
    out[len] = '\0';
}

enum { BEGAN_CHARS = 8 };

/* The pid carries the number where the socket began, in front of 16 characters that nobody guesses: so every relay knows
 * it, and no offset can ask for what came before. */
static void make_pid(struct sio_socket *socket)
{
    random_text(socket->pid, IO_PID_LEN);
    for (size_t i = 0; i < BEGAN_CHARS; i++)
        socket->pid[i] = alphabet[socket->begin_seq >> 6 * (BEGAN_CHARS - 1 - i) & 63];
}

uint64_t sio_socket_began(const char *pid)
{
    uint64_t seq = 0;
    for (size_t i = 0; i < BEGAN_CHARS; i++) {
        const char *at = pid[i] ? strchr(alphabet, pid[i]) : NULL;
        if (!at)
            return UINT64_MAX;
        seq = seq << 6 | (uint64_t)(at - alphabet);
    }
    return seq;
}

/* What a client of Socket.IO's version 2 takes for its id. */
static void take_sid_of_connection(struct sio_socket *socket)
{
    bool is_main = str_eq(socket->nsp->name, STR("/"));
    struct str sid = eio_sid(socket->client->conn);
    struct buf text;
    buf_init(&text, IO_SID_MAX);
    if (!is_main) {
        buf_add_str(&text, socket->nsp->name);
        buf_add_char(&text, '#');
    }
    buf_add_str(&text, sid);
    CG_ASSERT(!text.failed);
    socket->sid = mem_strndup(text.data, text.len);
    buf_fini(&text);
}

void sio_socket_begin(struct sio_socket *socket, struct str auth)
{
    socket->begin_seq = socket->nsp->seq;
    if (eio_is_v3(socket->client->conn)) {
        take_sid_of_connection(socket);
    } else {
        random_text(socket->own_sid, IO_SID_LEN);
        if (socket->nsp->app->recoverable && sio.settings->io_recovery_ms)
            make_pid(socket);
    }
    sio_socket_go_live(socket, false, NULL, 0, auth);
}

void sio_socket_give_user(struct sio_socket *socket, uint64_t user, uint32_t generation)
{
    socket->user = user;
    socket->generation = generation;
    sio.user_count++;
    presence_online(protocol_context.presence, user);
}

void sio_socket_end(struct sio_socket *socket, enum sio_end how)
{
    enum sio_state state = socket->state;
    if (state == SIO_GONE)
        return;
    SLIST_REMOVE(&socket->client->sockets, socket, sio_socket, link);
    socket->client->socket_count--;
    map_take(&sio.by_serial, socket->serial);
    sio.user_count -= socket->user != 0;
    if (socket->user)
        presence_offline(protocol_context.presence, socket->user);
    socket->state = SIO_GONE;
    SLIST_INSERT_HEAD(&sio.graveyard, socket, link);
    sio_recovery_free(socket->recovery);
    socket->recovery = NULL;
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct sio_record record = sio_socket_record(socket, rooms);
    if (*socket->sid && how != SIO_END_TAKEN) /* also one that was not recovered to its end */
        sio_registry_drop(&record, how == SIO_END_CUT && *socket->pid);
    if (state == SIO_LIVE) {
        socket->nsp->app->disconnected(socket);
        sio_namespace_remove(socket);
    }
    while (socket->room_count)
        sio_room_exit(socket, socket->rooms[0]->name);
    if (how == SIO_END_TAKEN && SLIST_EMPTY(&socket->client->sockets))
        eio_close(socket->client->conn, "forced close");
}

void sio_socket_free(struct sio_socket *socket)
{
    free(socket->name);
    if (socket->sid != socket->own_sid)
        free(socket->sid);
    free(socket->rooms);
    free(socket->since);
    sio_pasts_free(socket);
    free(socket->asks);
    free(socket);
}

void sio_after(struct wheel_timer *timer, int64_t delay_ms)
{
    wheel_set(sio.wheel, timer, delay_ms);
}

void sio_disconnect(struct sio_socket *socket)
{
    struct buf out;
    if (socket->state != SIO_LIVE)
        return;
    buf_init(&out, SIO_NAMESPACE_MAX + 16);
    sio_packet_add_head(&out, SIO_DISCONNECT, 0, socket->nsp->name, -1);
    eio_send(socket->client->conn, false, buf_str(&out));
    buf_fini(&out);
    sio_socket_end(socket, SIO_END_FINAL);
}

/* ---- what it is ---- */

void *sio_state(struct sio_socket *socket)
{
    return socket->state_of_app;
}

struct str sio_id(const struct sio_socket *socket)
{
    return str_of(socket->sid);
}

struct str sio_nsp(const struct sio_socket *socket)
{
    return socket->nsp->name;
}

struct str sio_name(const struct sio_socket *socket)
{
    return str_of(socket->name);
}

size_t sio_rooms(const struct sio_socket *socket, struct str out[IO_ROOMS_PER_SOCKET])
{
    for (size_t i = 0; i < socket->room_count; i++)
        out[i] = socket->rooms[i]->name;
    return socket->room_count;
}

/* ---- packets to it ---- */

/* Sends one packet and its attachments; `offset`: events of a recoverable namespace carry where the client is. */
static void send_packet(struct sio_socket *socket, enum sio_type type, int64_t ack_id, struct str array,
                        const struct str *attachments, size_t count)
{
    char offset[SIO_OFFSET_MAX];
    bool event = type == SIO_EVENT || type == SIO_BINARY_EVENT;
    if (socket->state != SIO_LIVE)
        return;
    buf_clear(&sio.scratch);
    sio_packet_add_head(&sio.scratch, type, (unsigned)count, socket->nsp->name, ack_id);
    buf_add_str(&sio.scratch, array);
    if (event && *socket->pid && !sio.scratch.failed) {
        sio_offset(socket->nsp->seq > socket->from_seq ? socket->nsp->seq : socket->from_seq, offset);
        sio_add_offset(offset, &sio.scratch);
    }
    if (sio.scratch.failed) {
        metric_inc(METRIC_IO_UNSHOWN);
        log_error("io.packet_too_large", "bytes=%zu", array.len);
        return;
    }
    eio_send(socket->client->conn, false, buf_str(&sio.scratch));
    for (size_t i = 0; i < count; i++)
        eio_send(socket->client->conn, true, attachments[i]);
}

void sio_emit(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count)
{
    send_packet(socket, attachment_count ? SIO_BINARY_EVENT : SIO_EVENT, -1, array, attachments, attachment_count);
}

int64_t sio_ask(struct sio_socket *socket, struct str array, const struct str *attachments, size_t attachment_count)
{
    if (socket->ask_count == SIO_ASKS_MAX || socket->state != SIO_LIVE)
        return -1;
    int64_t id = socket->last_ask++;
    if (!socket->asks)
        socket->asks = mem_zalloc(SIO_ASKS_MAX * sizeof socket->asks[0]);
    socket->asks[socket->ask_count++] = id;
    send_packet(socket, attachment_count ? SIO_BINARY_EVENT : SIO_EVENT, id, array, attachments, attachment_count);
    return id;
}

void sio_ack(struct sio_socket *socket, int64_t ack_id, struct str array, const struct str *attachments,
             size_t attachment_count)
{
    if (ack_id >= 0)
        send_packet(socket, attachment_count ? SIO_BINARY_ACK : SIO_ACK, ack_id, array, attachments, attachment_count);
}

/* ---- rooms ---- */

static bool redis_has_room(const struct sio_socket *socket)
{
    return sio_registry_has_room(eio_address(socket->client->conn));
}

enum err sio_join(struct sio_socket *socket, struct str room)
{
    if (socket->state == SIO_LIVE && !sio_in(socket, room) && !redis_has_room(socket))
        return ERR_BUSY;
    return sio_socket_join(socket, room);
}

enum err sio_socket_join(struct sio_socket *socket, struct str room)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    if (socket->state != SIO_LIVE || sio_in(socket, room))
        return ERR_OK;
    if (!room.len || room.len > IO_ROOM_MAX || !sio_room_enter(socket, room, socket->nsp->seq))
        return ERR_TOO_BIG;
    struct sio_record record = sio_socket_record(socket, rooms);
    sio_registry_join(&record, room);
    sio_registry_since(&record, &room, &socket->nsp->seq, 1);
    return ERR_OK;
}

void sio_leave(struct sio_socket *socket, struct str room)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    if (socket->state != SIO_LIVE || !sio_in(socket, room))
        return;
    char *name = mem_strndup(room.ptr, room.len); /* `room` may be the room's own */
    sio_room_exit(socket, (struct str){name, room.len});
    struct sio_record record = sio_socket_record(socket, rooms);
    sio_registry_leave(&record, (struct str){name, room.len});
    free(name);
}

/* ---- messages ---- */

static bool is_muted(const struct sio_socket *socket)
{
    const struct sanctions *sanctions = sio.hub->sanctions;
    uint64_t conversation = socket->nsp->conversation;
    return sanctions_on(sanctions, SANCTION_MUTE, socket->user, eio_address(socket->client->conn), conversation) ||
           sanctions_on_name(sanctions, SANCTION_MUTE, sio_name(socket), conversation);
}

/* The journal's answer. */
static void on_posted(struct post_id id, const struct store_post *post)
{
    struct eio *conn = eio_find(id.session_id);
    struct posting posting;
    if (!conn || !postings_answered(&sio_client_of(conn)->postings, id.number, &posting))
        return;
    struct sio_socket *socket = sio_socket_find(posting.owner);
    if (socket)
        socket->nsp->app->posted(socket, post->err, &post->message, posting.re);
}

enum err sio_post(struct sio_socket *socket, const struct message *given, int64_t ack_id)
{
    struct sio_client *client = socket->client;
    if (is_muted(socket)) {
        metric_inc(METRIC_MODERATION_REFUSED);
        return ERR_DENIED;
    }
    struct message message = {
        .conversation = socket->nsp->conversation,
        .kind = given->kind,
        .sender = socket->user,
        .sender_name = given->sender_name,
        .content = given->content,
        .audience = given->audience,
    };
    struct post_id id = {eio_id(client->conn), postings_add(&client->postings, socket->serial, ack_id), on_posted};
    struct posting refused;
    enum err err = id.number ? hub_post(sio.hub, id, &message) : ERR_BUSY;
    if (err)
        postings_take(&client->postings, id.number, &refused);
    return err;
}

void sio_show(struct str name, struct str audience, struct str array)
{
    struct sio_namespace *nsp = sio_namespace_find(name);
    struct io_notice notice = {IO_NOTICE_EMIT, audience, array};
    struct buf out;
    if (!nsp)
        return;
    buf_init(&out, audience.len + array.len + 64);
    io_notice_add(&out, &notice);
    sio_namespace_show(nsp, audience, array);
    hub_notify_io(sio.hub, nsp->conversation, buf_str(&out));
    buf_fini(&out);
}

/* ---- names ---- */

/* A question to Redis about a socket. */
struct question {
    uint64_t serial;
    int64_t ack_id;
    sio_named_fn *named;
    sio_found_fn *found;
    char *name, *text;
    size_t text_len;
};

static void question_free(struct question *question)
{
    free(question->name);
    free(question->text);
    free(question);
}

static bool is_banned(const struct sio_socket *socket, struct str name)
{
    return sanctions_on_name(sio.hub->sanctions, SANCTION_BAN, name, socket->nsp->conversation);
}

static void on_claimed(void *arg, enum err err)
{
    struct question *question = arg;
    struct sio_socket *socket = sio_socket_find(question->serial);
    if (socket && err == ERR_DOWN) /* what this relay knows decides */
        err = sio_namespace_named(socket->nsp, str_of(question->name)) ? ERR_DUPLICATE : ERR_OK;
    if (socket && !err)
        sio_socket_name(socket, str_of(question->name));
    if (socket && !err && is_banned(socket, str_of(question->name)))
        eio_expel(socket->client->conn, true); /* since it asked */
    else if (socket)
        question->named(socket, str_of(question->name), err);
    question_free(question);
}

void sio_claim(struct sio_socket *socket, struct str name, sio_named_fn *done)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    if (!redis_has_room(socket)) {
        done(socket, name, ERR_BUSY);
        return;
    }
    if (is_banned(socket, name)) {
        metric_inc(METRIC_MODERATION_REFUSED);
        done(socket, name, ERR_DENIED);
        return;
    }
    struct sio_record record = sio_socket_record(socket, rooms);
    struct question *question = mem_zalloc(sizeof *question);
    question->serial = socket->serial;
    question->named = done;
    question->name = mem_strndup(name.ptr, name.len);
    sio_registry_claim_name(&record, name, on_claimed, question);
}

static void on_found(void *arg, enum err err, struct str sid)
{
    struct question *question = arg;
    struct sio_socket *socket = sio_socket_find(question->serial);
    if (socket && err == ERR_DOWN) {
        struct sio_socket *local = sio_namespace_named(socket->nsp, str_of(question->name));
        err = local ? ERR_OK : ERR_NOT_FOUND;
        sid = local ? sio_id(local) : STR("");
    }
    if (socket)
        question->found(socket, err, sid, (struct str){question->text, question->text_len}, question->ack_id);
    question_free(question);
}

void sio_find(struct sio_socket *socket, struct str name, struct str text, int64_t ack_id, sio_found_fn *done)
{
    if (!redis_has_room(socket)) {
        done(socket, ERR_BUSY, STR(""), text, ack_id);
        return;
    }
    struct question *question = mem_zalloc(sizeof *question);
    question->serial = socket->serial;
    question->ack_id = ack_id;
    question->found = done;
    question->name = mem_strndup(name.ptr, name.len);
    question->text = mem_strndup(text.ptr, text.len);
    question->text_len = text.len;
    sio_registry_find_name(socket->nsp->name, name, eio_address(socket->client->conn), on_found, question);
}
