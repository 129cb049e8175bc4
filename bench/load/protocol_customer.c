/* protocol_customer.c: customer sessions: two parties, and with each message the list of the latest 200 for both. */
#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

static unsigned other_party(unsigned index)
{
    return index < world.room_count ? index + world.room_count : index - world.room_count;
}

static void ask_account(unsigned index, struct bytes *out)
{
    char body[256];
    const char *label = world.options->label;
    snprintf(body, sizeof body, "{\"account\":\"%s-%u\",\"app_sid\":\"%s\",\"username\":\"%s %u\"}", label, index,
             label, label, index);
    post_write(out, "/users/register", "", body);
}

static bool take_account(unsigned index, struct text body)
{
    return id_take(world.clients[index].user, body, "account");
}

static const struct setup setups[] = {{false, ask_account, take_account}, {0}};

static void request(struct client *client, struct bytes *out)
{
    char path[256];
    snprintf(path, sizeof path, "/chat/v1/message?friendphone=%s&userphone=%s&app_sid=%s",
             world.clients[other_party(client->index)].user, client->user, world.options->label);
    handshake_write(out, path, "");
}

static void await_list(struct client *client)
{
    (void)client; /* the first list says that it is in */
}

static void text(struct client *client, struct text frame)
{
    bool list = text_begins(frame, "{\"code\":1,");
    if (!check_messages(client, frame))
        world.other_frames++;
    if (!list) {
        client_broken(client, FAULT_REFUSED, frame);
        return;
    }
    client_opened(client);
    client_settled(client);
}

static void say(struct client *speaker, uint32_t number, uint64_t due_ns)
{
    const char *sid = world.options->label, *friend = world.clients[other_party(speaker->index)].user;
    struct bytes *out = client_begin(speaker);
    bytes_addf(out,
               "{\"friendInfo\":{\"account\":\"%s\",\"username\":\"\",\"avatar\":\"\",\"app_sid\":\"%s\"},"
               "\"userInfo\":{\"account\":\"%s\",\"username\":\"\",\"avatar\":\"\",\"app_sid\":\"%s\"},"
               "\"chat_type\":0,\"chat_content\":\"",
               friend, sid, speaker->user, sid);
    content_write(out, speaker->room, number, due_ns);
    bytes_add(out, "\"}", 2);
    client_end(speaker);
}

const struct protocol customer_protocol = {
    .name = "customer",
    .setups = setups,
    .ack = ACK_ECHO,
    .seq = SEQ_NONE,
    .echo = true,
    .pairs = true,
    .lists = true,
    .request = request,
    .parse = ws_parse,
    .shaken = await_list,
    .text = text,
    .say = say,
};
