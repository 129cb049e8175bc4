#include "bench/load/check.h"

#include "bench/load/protocol.h"
#include "bench/load/stamp.h"

#include <string.h>

#define MARK "\"t="
#define SEQ  "\"seq\":"

/* LEAST_AROUND: bytes that a protocol puts around a content, at the least. */
enum { MARK_LEN = 3, SEQ_LEN = 6, LEAST_AROUND = 60 };

/* `what` at `hint` if it is there, else wherever it is; the hint learns. */
static const char *find(struct text text, const char *what, size_t len, unsigned *hint)
{
    if (text.len >= *hint + len && !memcmp(text.ptr + *hint, what, len))
        return text.ptr + *hint;
    const char *at = memmem(text.ptr, text.len, what, len);
    if (at)
        *hint = (unsigned)(at - text.ptr);
    return at;
}

static void note_seq(struct client *client, uint64_t seq, struct text text)
{
    bool wrong = world.protocol->seq == SEQ_DENSE ? seq != client->seq + 1 : seq <= client->seq;
    if (client->seq && wrong)
        world_fault(FAULT_SEQ, client, text);
    if (seq > client->seq)
        client->seq = seq;
}

static uint64_t number_at(const char *digits, const char *end)
{
    return text_number((struct text){digits, (size_t)(end - digits)});
}

/* Every number that stands in the text, in its order. */
static void note_all_seqs(struct client *client, struct text text)
{
    const char *end = text.ptr + text.len, *at = text.ptr;
    while (at < end && (at = memmem(at, (size_t)(end - at), SEQ, SEQ_LEN))) {
        at += SEQ_LEN;
        note_seq(client, number_at(at, end), text);
    }
}

static void note_only_seq(struct client *client, struct text text)
{
    const char *at = find(text, SEQ, SEQ_LEN, &client->seq_at);
    if (at)
        note_seq(client, number_at(at + SEQ_LEN, text.ptr + text.len), text);
    else if (world.protocol->seq != SEQ_MAYBE)
        world_fault(FAULT_SEQ, client, text);
}

void check_other_seq(struct client *client, struct text text)
{
    if (world.protocol->seq == SEQ_DENSE)
        note_all_seqs(client, text);
}

/* The first message after a time away, of which nobody says when it ended. */
static void note_first(struct client *client, uint32_t number)
{
    uint32_t passed = number > client->next ? number - client->next : 0;
    uint32_t skipped = passed < client->may_skip ? passed : client->may_skip;
    client->skipped += skipped;
    client->next += skipped;
    client->may_skip = 0;
}

static void note_number(struct client *client, uint32_t number, struct text text)
{
    if (client->may_skip)
        note_first(client, number);
    if (number == client->next) {
        client->next++;
    } else if (number > client->next) { /* lost, unless they come yet */
        client->missing += number - client->next;
        client->next = number + 1;
    } else if (client->missing) {
        client->missing--;
        world_fault(FAULT_ORDER, client, text);
    } else {
        world_fault(FAULT_REPEATED, client, text);
    }
}

static void note_message(struct client *client, const struct stamp *stamp, struct text text)
{
    if (stamp->room != client->room || !client->hears) {
        world_fault(FAULT_FOREIGN, client, text);
        return;
    }
    if (world.protocol->lists && stamp->number < client->next)
        return; /* it stands in every list from now on */
    world.tally.delivered++;
    note_number(client, stamp->number, text);
    if (stamp->due_ns >= world.measured_from_ns)
        hist_add(&world.latency, world.now_ns - stamp->due_ns);
    enum ack ack = world.protocol->ack;
    if (ack == ACK_HEARD || (ack == ACK_ECHO && client_speaks(client)))
        world_acknowledge(client->room, stamp->due_ns);
}

/* What stands behind the stamp is as it was said, and the string ends there. */
static bool is_whole(const char *content, const char *end)
{
    static char padding[CONTENT_MAX];
    size_t len = world.options->bytes;
    if (!padding[0])
        memset(padding, '0', sizeof padding);
    return (size_t)(end - content) > len && content[len] == '"' &&
           !memcmp(content + STAMP_LEN, padding, len - STAMP_LEN);
}

/* The first message of the text. How many bytes have been looked at, 0 if there is none; *count grows if it is this
 * run's. */
static size_t check_first(struct client *client, struct text text, unsigned *hint, unsigned *count)
{
    struct stamp stamp;
    const char *end = text.ptr + text.len, *mark = find(text, MARK, MARK_LEN, hint);
    if (!mark || end - mark <= STAMP_LEN)
        return 0;
    const char *content = mark + 1;
    size_t used = (size_t)(content - text.ptr) + STAMP_LEN;
    if (!stamp_read(content, &stamp)) {
        world_fault(FAULT_DAMAGED, client, text);
    } else if (stamp.run == world.run) { /* else somebody else's, or out of a history */
        ++*count;
        if (is_whole(content, end))
            note_message(client, &stamp, text);
        else
            world_fault(FAULT_DAMAGED, client, text);
    }
    return used;
}

unsigned check_messages(struct client *client, struct text text)
{
    unsigned count = 0, anywhere = 0;
    struct text rest = text;
    if (text.len < 2 * ((size_t)world.options->bytes + LEAST_AROUND)) { /* there is no room for two */
        check_first(client, text, &client->stamp_at, &count);
        if (count && world.protocol->seq != SEQ_NONE)
            note_only_seq(client, text);
        return count;
    }
    for (size_t used; (used = check_first(client, rest, &anywhere, &count));)
        rest = (struct text){rest.ptr + used, rest.len - used};
    if (count && world.protocol->seq != SEQ_NONE)
        note_all_seqs(client, text);
    return count;
}
