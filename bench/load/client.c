#include "bench/load/client.h"

#include "bench/load/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 << 10,
    TRIES_MAX = 8,
    OUT_MAX = 64 << 20,       /* bytes that may wait for a server that does not read */
    CLIENTS_A_SOURCE = 20000, /* to one port from one address: there are 28,000 ports */
};

static const uint64_t pause_ns = 200 * NS_PER_MS; /* times the number of tries */

/* Clients that have something to send, and those that try again at a time. */
static struct {
    struct client **dirty;
    unsigned dirty_count;
    struct {
        struct client *client;
        uint64_t at_ns;
    } *again;
    unsigned again_count;
} queues;

static void on_ready(struct source *source, uint32_t events);

static void wait_for(struct client *client, bool out)
{
    client->wants_out = out;
    loop_change(client->fd, out ? EPOLLIN | EPOLLOUT : EPOLLIN, &client->source);
}

/* ---- the end ---- */

static void close_socket(struct client *client)
{
    if (client->state == CLIENT_OPEN)
        world.open--;
    if (client->settled)
        world.settled--;
    loop_forget(&client->source);
    close(client->fd);
    client->fd = -1;
    client->state = CLIENT_CLOSED;
    client->settled = client->wants_out = client->chunked = false;
    client->step = 0;
    client->carry.len = client->out.len = client->body.len = 0;
}

void client_cut(struct client *client)
{
    if (client->state != CLIENT_CLOSED)
        close_socket(client);
}

static void try_again(struct client *client, struct text why)
{
    if (++client->tries > TRIES_MAX)
        die("client %u cannot connect: %.*s", client->index, why.len < 300 ? (int)why.len : 300, why.ptr);
    world.retries++;
    if (!queues.again)
        queues.again = zalloc(world.client_count, sizeof *queues.again);
    queues.again[queues.again_count].client = client;
    queues.again[queues.again_count++].at_ns = now_ns() + client->tries * pause_ns;
}

void client_retry_all(void)
{
    uint64_t now = queues.again_count ? now_ns() : 0;
    for (unsigned i = 0; i < queues.again_count;) {
        struct client *client = queues.again[i].client;
        if (queues.again[i].at_ns > now) {
            i++;
            continue;
        }
        queues.again[i] = queues.again[--queues.again_count];
        client_connect(client);
    }
}

void client_refused(struct client *client, struct text why)
{
    char text[256]; /* `why` may lie in a buffer of the client's */
    size_t len = why.len < sizeof text ? why.len : sizeof text;
    memcpy(text, why.ptr, len);
    close_socket(client);
    try_again(client, (struct text){text, len});
}

void client_broken(struct client *client, enum fault fault, struct text what)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state != CLIENT_OPEN) {
        client_refused(client, what);
        return;
    }
    world_fault(fault, client, what);
    close_socket(client);
}

/* ---- the way in ---- */

static void begin_handshake(struct client *client)
{
    client->state = CLIENT_HANDSHAKE;
    world.protocol->request(client, &client->out);
    ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);
    if (n > 0)
        bytes_drop(&client->out, (size_t)n);
    if (client->out.len || client->wants_out)
        wait_for(client, client->out.len > 0);
}

int client_port(const struct client *client)
{
    const struct options *options = world.options;
    unsigned member = client->index / world.room_count;
    return options->to[(client->room + member) % options->to_count];
}

void client_connect(struct client *client)
{
    const struct options *options = world.options;
    unsigned turn = client->index / options->to_count;
    unsigned source = world.client_count / options->to_count > CLIENTS_A_SOURCE ? 2 + turn / CLIENTS_A_SOURCE : 0;
    bool done;
    client->source.ready = on_ready;
    client->fd = dial(client_port(client), source, &done);
    if (client->fd < 0) {
        try_again(client, text_of(strerror(errno)));
        return;
    }
    client->state = CLIENT_CONNECTING;
    client->wants_out = !done;
    loop_add(client->fd, done ? EPOLLIN : EPOLLIN | EPOLLOUT, &client->source);
    if (done)
        begin_handshake(client);
}

void client_opened(struct client *client)
{
    if (client->state == CLIENT_OPEN)
        return;
    client->state = CLIENT_OPEN;
    client->tries = 0;
    world.open++;
}

void client_settled(struct client *client)
{
    if (client->settled)
        return;
    client->settled = true;
    world.settled++;
}

/* ---- out ---- */

static void flush(struct client *client)
{
    if (client->state == CLIENT_CLOSED || client->wants_out || !client->out.len)
        return;
    ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        client_broken(client, FAULT_CLOSED, text_of(strerror(errno)));
        return;
    }
    if (n > 0)
        bytes_drop(&client->out, (size_t)n);
    if (client->out.len)
        wait_for(client, true);
}

void client_flush_all(void)
{
    for (unsigned i = 0; i < queues.dirty_count; i++)
        flush(queues.dirty[i]);
    queues.dirty_count = 0;
}

/* Before anything is appended to an empty buffer. */
static void mark_dirty(struct client *client)
{
    if (client->out.len)
        return;
    if (!queues.dirty)
        queues.dirty = zalloc(2 * world.client_count, sizeof *queues.dirty);
    if (queues.dirty_count == 2 * world.client_count)
        client_flush_all();
    queues.dirty[queues.dirty_count++] = client;
}

struct bytes *client_begin(struct client *client)
{
    mark_dirty(client);
    bytes_room(&client->out, WS_HEAD_MAX);
    client->out_start = client->out.len += WS_HEAD_MAX;
    return &client->out;
}

void client_end(struct client *client)
{
    ws_frame_finish(&client->out, client->out_start, WS_TEXT);
    if (client->out.len > OUT_MAX)
        client_broken(client, FAULT_OVERDUE, text_of("the server does not read"));
}

void client_send(struct client *client, enum ws_opcode opcode, struct text payload)
{
    struct bytes *out = client_begin(client);
    bytes_add(out, payload.ptr, payload.len);
    ws_frame_finish(out, client->out_start, opcode);
}

void client_send_raw(struct client *client, struct text bytes)
{
    mark_dirty(client);
    bytes_add(&client->out, bytes.ptr, bytes.len);
}

/* ---- in ---- */

/* What is kept of a frame that is not whole is put in front of what is read next, so parsers see whole frames. */
static void on_readable(struct client *client)
{
    static struct bytes inbox;
    size_t kept = client->carry.len;
    inbox.len = 0;
    bytes_add(&inbox, client->carry.data, kept);
    ssize_t n = recv(client->fd, bytes_room(&inbox, READ_BYTES), READ_BYTES, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        client_broken(client, FAULT_CLOSED, text_of(n ? strerror(errno) : "without a word"));
        return;
    }
    world.now_ns = world.last_frame_ns = now_ns();
    size_t len = kept + (size_t)n, used = world.protocol->parse(client, (struct text){inbox.data, len});
    if (client->state == CLIENT_CLOSED)
        return;
    client->carry.len = 0;
    bytes_add(&client->carry, inbox.data + used, len - used);
    if (len - used > CLIENT_FRAME_MAX)
        client_broken(client, FAULT_PROTOCOL, text_of("a frame is too long"));
}

static void on_connected(struct client *client)
{
    int error = dial_error(client->fd);
    if (error)
        client_refused(client, text_of(strerror(error)));
    else
        begin_handshake(client);
}

static void on_ready(struct source *source, uint32_t events)
{
    struct client *client = (struct client *)source;
    if (client->state == CLIENT_CONNECTING) {
        on_connected(client);
        return;
    }
    if (events & EPOLLOUT && client->wants_out) {
        client->wants_out = false;
        flush(client);
        if (client->state != CLIENT_CLOSED && !client->wants_out)
            wait_for(client, false);
    }
    if (client->state != CLIENT_CLOSED && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        on_readable(client);
}
