/* sio_recovery.c: connection state recovery. A client that lost its connection names the last number that it has, and
 * gets the following messages from the namespace's recent ones, or from the database. If the socket is no longer
 * known, or more than the bound is missing, the client gets a new socket instead (`recovered` is false).
 *
 *   CONNECT ─▶ Redis: whose was it ─▶ recent messages, or the pool ─▶ live */
#include "common/clock.h"
#include "common/container.h"
#include "common/log.h"
#include "common/io_notice.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "relay/core/catchup.h"
#include "relay/core/reader.h"
#include "relay/socketio/sio_client.h"

#include <errno.h>
#include <stdlib.h>

struct sio_recovery {
    struct sio_socket *socket;
    struct reader reader;
    uint64_t epoch;          /* in which it began: */
    uint64_t offset;         /* a number of it */
    uint64_t forgotten;      /* hub->forgotten when the first of `missed` was fetched */
    struct message **missed; /* owned */
    size_t count, cap, bytes;
    size_t auth_len;
    char auth[];
};

bool sio_recovery_offset(struct str text, uint64_t *seq)
{
    char copy[SIO_OFFSET_MAX], *end;
    if (!text.len || text.len >= sizeof copy || text.ptr[0] < '0' || text.ptr[0] > '9')
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    uint64_t epoch = strtoull(copy, &end, 10);
    if (*end != '-' || end[1] < '0' || end[1] > '9' || epoch != sio.hub->epoch)
        return false;
    *seq = strtoull(end + 1, &end, 10);
    return !*end && !errno && *seq < INT64_MAX;
}

void sio_recovery_free(struct sio_recovery *recovery)
{
    if (!recovery)
        return;
    reader_stop(&recovery->reader);
    for (size_t i = 0; i < recovery->count; i++)
        free(recovery->missed[i]);
    free(recovery->missed);
    free(recovery);
}

static void add_missed(struct sio_recovery *recovery, const struct message *message)
{
    if (recovery->count == recovery->cap) {
        recovery->cap = recovery->cap ? recovery->cap * 2 : 16;
        recovery->missed = mem_realloc(recovery->missed, recovery->cap * sizeof recovery->missed[0]);
    }
    recovery->missed[recovery->count++] = message_dup(message);
    recovery->bytes += message_size(message);
}

/* Up to where it has everything, with what was fetched so far. */
static uint64_t reached(const struct sio_recovery *recovery)
{
    return recovery->count ? recovery->missed[recovery->count - 1]->seq : recovery->offset;
}

static bool too_much(const struct sio_recovery *recovery)
{
    return recovery->count > SIO_MISSED_MAX || recovery->bytes > (size_t)sio.settings->outbox_bytes / 2;
}

/* ---- both outcomes ---- */

static void go_live(struct sio_socket *socket, bool recovered)
{
    struct sio_recovery *recovery = socket->recovery;
    socket->recovery = NULL;
    if (recovered)
        socket->from_seq = reached(recovery);
    struct str auth = {recovery->auth, recovery->auth_len};
    if (recovered)
        sio_socket_go_live(socket, true, recovery->missed, recovery->count, auth);
    else
        sio_socket_begin(socket, auth);
    sio_recovery_free(recovery);
}

/* What was taken over is let go: nobody can come back for it after this. */
static void give_up(struct sio_socket *socket, const char *why)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct sio_record record = sio_socket_record(socket, rooms);
    log_info("io.not_recovered", "conn=%llu why=%s", (unsigned long long)eio_id(socket->client->conn), why);
    sio_registry_drop(&record, false);
    sio_socket_name(socket, STR(""));
    while (socket->room_count)
        sio_room_exit(socket, socket->rooms[0]->name);
    go_live(socket, false);
}

/* Another epoch has begun: its numbers are void. It was asked to come back, and is not let in before. */
static bool is_void(struct sio_socket *socket)
{
    if (socket->recovery->epoch == sio.hub->epoch)
        return false;
    eio_close(socket->client->conn, "server busy");
    return true;
}

/* ---- what was missed ---- */

/* Messages are dropped from the recent ones at the front only: what it holds has no holes. */
static bool add_recent(struct sio_socket *socket)
{
    const struct sio_recent *recent = &socket->nsp->recent;
    uint64_t after = reached(socket->recovery);
    if (after >= socket->nsp->seq)
        return true;
    if (!recent->count || recent->messages[0]->seq > after + 1)
        return false;
    for (size_t i = 0; i < recent->count && !too_much(socket->recovery); i++)
        if (recent->messages[i]->seq > after)
            add_missed(socket->recovery, recent->messages[i]);
    return true;
}

static void fetch(struct sio_socket *socket);

/* As relays tell each other of it: what is made of it is the loop's. */
static void encode(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    wire_add_message(out, message);
}

static enum err add_page(struct sio_recovery *recovery, const struct page *page)
{
    struct wire_header header = {.conversation = page->range.conversation};
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < page->count; i++) {
        struct str row = page_row(page, i);
        struct message message;
        err = wire_get_message(&row, &header, &message);
        if (!err)
            add_missed(recovery, &message);
    }
    return err;
}

static void on_read(struct reader *reader, struct page *page, enum err err)
{
    struct sio_recovery *recovery = container_of(reader, struct sio_recovery, reader);
    struct sio_socket *socket = recovery->socket;
    if (is_void(socket))
        return;
    uint64_t after = reached(recovery);
    bool hole = page->count ? page->first != after + 1 : after < socket->nsp->seq;
    if (!err && !hole)
        err = add_page(recovery, page);
    if (err)
        give_up(socket, err_name(err));
    else if (hole)
        give_up(socket, "hole"); /* what was shown is no longer there */
    else if (page->more)
        give_up(socket, "too_much_missed");
    else
        fetch(socket); /* what was stored meanwhile */
}

static void fetch(struct sio_socket *socket)
{
    struct sio_recovery *recovery = socket->recovery;
    if (catchup_is_void(socket->nsp->trimmed, recovery->offset) || recovery->forgotten != sio.hub->forgotten) {
        give_up(socket, "gone"); /* some of what it missed, or of what was fetched for it */
        return;
    }
    bool whole = add_recent(socket);
    if (too_much(recovery)) {
        give_up(socket, "too_much_missed");
        return;
    }
    if (whole) {
        go_live(socket, true);
        return;
    }
    struct store_range range = {
        .conversation = socket->nsp->conversation,
        .after = reached(recovery),
        .before = INT64_MAX,
        .limit = SIO_MISSED_MAX + 1,
    };
    size_t most = (size_t)sio.settings->outbox_bytes / 2; /* as too_much has it; one message may be as large */
    struct page *page = reader_plan(&recovery->reader, &range, most, most, 0);
    page->encode = encode;
    uint64_t payer = limits_payer_address(eio_address(socket->client->conn));
    if (reader_ask(&recovery->reader, sio.hub, payer, on_read))
        give_up(socket, "busy");
}

/* ---- whose it was ---- */

static void tell_taken(const struct sio_namespace *nsp, struct str sid)
{
    struct io_notice notice = {IO_NOTICE_TAKEN, STR(""), sid};
    struct buf out;
    buf_init(&out, 256);
    io_notice_add(&out, &notice);
    hub_notify_io(sio.hub, nsp->conversation, buf_str(&out));
    buf_fini(&out);
}

struct asking {
    uint64_t serial;
};

/* What was said before the socket began was never for it. False: its beginning is none among the present numbers. */
static bool clamp(struct sio_socket *socket)
{
    uint64_t *offset = &socket->recovery->offset;
    if (*offset >= socket->begin_seq)
        return true;
    *offset = socket->begin_seq;
    return socket->begin_seq <= socket->nsp->seq;
}

/* Where it is not known since when it is in the room, since it began. */
static bool enter(struct sio_socket *socket, struct str room)
{
    uint64_t since = sio_registry_was_since(room);
    return sio_room_enter(socket, room, since == UINT64_MAX ? socket->begin_seq : since);
}

static void on_record(void *arg, enum err err, const struct sio_record *record)
{
    struct asking *asking = arg;
    struct sio_socket *socket = sio_socket_find(asking->serial);
    free(asking);
    if (!socket || is_void(socket)) {
        if (!err)
            sio_registry_drop(record, true); /* gone again: it may still come back */
        return;
    }
    if (err) {
        go_live(socket, false);
        return;
    }
    struct sio_namespace *nsp = socket->nsp;
    struct sio_socket *stale = sio_namespace_socket(nsp, record->sid);
    if (stale)
        sio_socket_end(stale, SIO_END_TAKEN); /* a connection here that is not yet known to be dead */
    tell_taken(nsp, record->sid);
    memcpy(socket->own_sid, record->sid.ptr, IO_SID_LEN);
    memcpy(socket->pid, record->pid.ptr, IO_PID_LEN);
    socket->begin_seq = sio_socket_began(socket->pid);
    sio_socket_name(socket, record->name);
    for (size_t i = 0; i < record->room_count; i++)
        if (!enter(socket, record->rooms[i]))
            log_warn("io.room_not_recovered", "conn=%llu", (unsigned long long)eio_id(socket->client->conn));
    if (sanctions_on_name(sio.hub->sanctions, SANCTION_BAN, record->name, nsp->conversation))
        give_up(socket, "banned");
    else if (!clamp(socket))
        give_up(socket, "other_numbers");
    else {
        socket->recovery->forgotten = sio.hub->forgotten;
        fetch(socket);
    }
}

void sio_recovery_begin(struct sio_socket *socket, struct str pid, uint64_t offset, struct str auth)
{
    struct sio_recovery *recovery = mem_zalloc(sizeof *recovery + auth.len);
    struct asking *asking = mem_zalloc(sizeof *asking);
    recovery->socket = socket;
    recovery->epoch = sio.hub->epoch;
    recovery->offset = offset;
    recovery->auth_len = auth.len;
    memcpy(recovery->auth, auth.ptr, auth.len);
    socket->recovery = recovery;
    asking->serial = socket->serial;
    sio_registry_recover(socket->nsp->name, pid, eio_address(socket->client->conn), on_record, asking);
}
