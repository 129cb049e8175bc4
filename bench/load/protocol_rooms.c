/* protocol_rooms.c: the chatroom without WebSockets: Server-Sent Events, iframe streaming, long polls. What is said
 * goes by POST; users and rooms are the chatroom's. */
#include "bench/load/answer.h"
#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/posts.h"

#include <stdio.h>
#include <string.h>

enum { HELD_S = 55 }; /* the longest that a poll may ask for */

/* ---- saying ---- */

static void ask(const struct client *speaker, uint32_t number, uint64_t due_ns, struct bytes *out)
{
    char path[128];
    struct bytes body = {0};
    bytes_addf(&body, "{\"nickId\":\"%s\",\"content\":\"", speaker->user);
    content_write(&body, speaker->room, number, due_ns);
    bytes_add(&body, "\"}", sizeof "\"}");
    snprintf(path, sizeof path, "/rooms/%s/send", world.rooms[speaker->room].id);
    post_write(out, path, "", body.data);
    bytes_free(&body);
}

static bool taken(struct text body)
{
    return text_begins(body, "{\"success\":true");
}

static const struct posts posts = {ask, taken, true};

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    posts_say(&posts, speaker, number, due_ns);
}

/* ---- answers without an end ---- */

static void on_event(struct client *client, struct text event)
{
    static const char member[] = "{\"user_name\":";
    const char *end = event.ptr + event.len, *at = event.ptr;
    if (check_messages(client, event))
        return;
    world.other_frames++;
    if (!text_find(event, "event: members") && !text_find(event, "\"type\":\"members\"")) {
        check_other_seq(client, event);
        return;
    }
    client_opened(client);
    unsigned count = 0;
    while (!client->settled && (at = memmem(at, (size_t)(end - at), member, sizeof member - 1))) {
        at += sizeof member - 1;
        if (++count == world.rooms[client->room].members)
            client_settled(client);
    }
}

/* Whole events, each with `ending` behind it; the rest stays. */
static size_t take_events(struct client *client, struct text bytes, const char *ending)
{
    size_t used = 0;
    for (;;) {
        struct text rest = {bytes.ptr + used, bytes.len - used};
        const char *end = text_find(rest, ending);
        if (!end || client->state == CLIENT_CLOSED)
            return used;
        size_t len = (size_t)(end - rest.ptr) + strlen(ending);
        used += len;
        on_event(client, (struct text){rest.ptr, len});
    }
}

/* Pieces of any size, put together again. */
static size_t take_chunks(struct client *client, struct text bytes, const char *ending)
{
    size_t used = 0;
    for (;;) {
        struct text chunk, rest = {bytes.ptr + used, bytes.len - used};
        long size = rest.len ? answer_read_chunk(rest, &chunk) : 0;
        if (size < 0 || (size && !chunk.len))
            client_broken(client, size ? FAULT_CLOSED : FAULT_PROTOCOL, rest);
        if (size <= 0 || !chunk.len)
            return used;
        used += (size_t)size;
        bytes_add(&client->body, chunk.ptr, chunk.len);
        size_t taken_len = take_events(client, (struct text){client->body.data, client->body.len}, ending);
        if (client->state == CLIENT_CLOSED)
            return used;
        bytes_drop(&client->body, taken_len);
    }
}

static size_t take_stream(struct client *client, struct text bytes, const char *ending)
{
    long head = 0;
    if (client->state == CLIENT_HANDSHAKE) {
        struct answer answer;
        size_t body_len;
        head = answer_read_head(bytes, &answer, &body_len);
        if (head < 0 || (head && answer.status != 200))
            client_refused(client, bytes);
        if (head <= 0 || client->state == CLIENT_CLOSED)
            return 0;
        client->chunked = answer.chunked;
        client->state = CLIENT_OPENING;
    }
    struct text rest = {bytes.ptr + head, bytes.len - (size_t)head};
    return (size_t)head + (client->chunked ? take_chunks : take_events)(client, rest, ending);
}

static size_t parse_events(struct client *client, struct text bytes)
{
    return take_stream(client, bytes, "\n\n");
}

static size_t parse_stream(struct client *client, struct text bytes)
{
    return take_stream(client, bytes, "\n");
}

static void write_get(const struct client *client, const char *what, struct bytes *out)
{
    char path[256];
    snprintf(path, sizeof path, "/rooms/%s/%snickId=%s", world.rooms[client->room].id, what, client->user);
    get_write(out, path);
}

static void request_events(struct client *client, struct bytes *out)
{
    write_get(client, "events?", out);
}

static void request_stream(struct client *client, struct bytes *out)
{
    write_get(client, "stream?", out);
}

/* ---- polls ---- */

/* The first one only asks where the room is. */
static void request_poll(struct client *client, struct bytes *out)
{
    write_get(client, "poll?wait=0&", out);
}

static size_t parse_poll(struct client *client, struct text bytes)
{
    char what[96];
    struct answer answer;
    struct bytes out = {0};
    long used = answer_read(bytes, &answer);
    if (used < 0 || (used && (answer.status != 200 || answer.last)))
        client_broken(client, FAULT_REFUSED, bytes);
    if (used <= 0 || client->state == CLIENT_CLOSED)
        return 0;
    if (client->state == CLIENT_OPEN && !check_messages(client, answer.body)) {
        world.other_frames++;
        check_other_seq(client, answer.body);
    }
    client_opened(client);
    client_settled(client);
    struct text next = text_field(answer.body, "next");
    snprintf(what, sizeof what, "poll?after=%llu&wait=%d&", (unsigned long long)text_number(next), HELD_S);
    write_get(client, what, &out);
    client_send_raw(client, (struct text){out.data, out.len});
    bytes_free(&out);
    return (size_t)used;
}

const struct protocol events_protocol = {
    .name = "events",
    .setups = chatroom_setups,
    .ack = ACK_OWN,
    .seq = SEQ_DENSE,
    .echo = true,
    .request = request_events,
    .parse = parse_events,
    .say = say,
};

const struct protocol stream_protocol = {
    .name = "stream",
    .setups = chatroom_setups,
    .ack = ACK_OWN,
    .seq = SEQ_NONE, /* each stands twice in an event: our own numbers do */
    .echo = true,
    .request = request_stream,
    .parse = parse_stream,
    .say = say,
};

const struct protocol poll_protocol = {
    .name = "poll",
    .setups = chatroom_setups,
    .ack = ACK_OWN,
    .seq = SEQ_NONE, /* each stands twice in an event: our own numbers do */
    .echo = true,
    .request = request_poll,
    .parse = parse_poll,
    .say = say,
};
