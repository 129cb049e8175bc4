/* protocol_polling.c: the chat room over Socket.IO by Engine.IO's long polling. One connection alternates between polls
 * and what the protocol wants posted; what speakers say goes over connections of its own, as in browsers. */
#include "bench/load/answer.h"
#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/packets.h"
#include "bench/load/posts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "/socket.io/?EIO=4&transport=polling"

enum { SEPARATOR = 0x1e };

/* client->step: what the answer that is awaited is to. */
enum { OPENING, POLLED, POSTED };

static void session_path(const struct client *client, char path[TOKEN_CAP + 64])
{
    snprintf(path, TOKEN_CAP + 64, PATH "&sid=%.*s", TOKEN_CAP, client->token);
}

static void request(struct client *client, struct bytes *out)
{
    free(client->token);
    client->token = NULL;
    client->step = OPENING;
    client->state = CLIENT_OPENING;
    get_write(out, PATH);
}

/* What is to be said gathers in client->body while the packets of an answer are looked at. */
static void gather(struct client *client, struct text packet)
{
    char separator = SEPARATOR;
    if (client->body.len)
        bytes_add(&client->body, &separator, 1);
    bytes_add(&client->body, packet.ptr, packet.len);
}

static void take_packets(struct client *client, struct text payload)
{
    while (client->state != CLIENT_CLOSED && payload.len) {
        const char *end = memchr(payload.ptr, SEPARATOR, payload.len);
        size_t len = end ? (size_t)(end - payload.ptr) : payload.len;
        packet_in(client, (struct text){payload.ptr, len}, gather);
        len += end != NULL;
        payload = (struct text){payload.ptr + len, payload.len - len};
    }
}

static void go_on(struct client *client)
{
    char path[TOKEN_CAP + 64];
    struct bytes out = {0};
    session_path(client, path);
    if (client->body.len) {
        client->step = POSTED;
        bytes_add(&client->body, "", 1);
        post_write(&out, path, "", client->body.data);
        client->body.len = 0;
    } else {
        client->step = POLLED;
        get_write(&out, path);
    }
    client_send_raw(client, (struct text){out.data, out.len});
    bytes_free(&out);
}

static bool take_session(struct client *client, struct text body)
{
    struct text sid = text_field(body, "sid");
    if (!sid.len || sid.len >= TOKEN_CAP)
        return false;
    client->token = strndup(sid.ptr, sid.len);
    return true;
}

static size_t parse(struct client *client, struct text bytes)
{
    struct answer answer;
    long used = answer_read(bytes, &answer);
    bool wrong = used < 0 || (used && answer.status != 200);
    if (wrong || (used && client->step == OPENING && !take_session(client, answer.body)))
        client_broken(client, FAULT_REFUSED, bytes);
    if (used <= 0 || client->state == CLIENT_CLOSED)
        return 0;
    if (client->step != POSTED)
        take_packets(client, answer.body);
    if (client->state == CLIENT_CLOSED)
        return 0;
    go_on(client);
    return (size_t)used;
}

static void ask(const struct client *speaker, uint32_t number, uint64_t due_ns, struct bytes *out)
{
    char path[TOKEN_CAP + 64];
    struct bytes body = {0};
    session_path(speaker, path);
    packet_say(&body, speaker->room, number, due_ns);
    bytes_add(&body, "", 1);
    post_write(out, path, "", body.data);
    bytes_free(&body);
}

static bool taken(struct text body)
{
    return text_begins(body, "ok");
}

static const struct posts posts = {ask, taken, false};

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    posts_say(&posts, speaker, number, due_ns);
}

const struct protocol polling_protocol = {
    .name = "socketio-polling",
    .ack = ACK_ECHO,
    .seq = SEQ_MAYBE,
    .echo = true,
    .prepare = packet_name_rooms,
    .request = request,
    .parse = parse,
    .say = say,
};
