#include "bench/load/talk.h"

#include "bench/load/client.h"
#include "bench/load/protocol.h"

#include <stdio.h>

static const uint64_t stuck_ns = 30 * NS_PER_S; /* nobody came in for so long: nobody will */
static const uint64_t unsettled_ns = 10 * NS_PER_S;
static const uint64_t quiet_ns = 300 * NS_PER_MS; /* longer than the least time between two lists of members */
static const uint64_t grace_ns = 3 * NS_PER_S;    /* for what is missing at the end */
static const uint64_t turn_ns = 50 * NS_PER_MS;

/* The open loop: when it began, how often it has beaten, whose turn it is. */
static uint64_t beat_from_ns, beats;
static unsigned beat_room;

static uint64_t turn(uint64_t until_ns)
{
    client_flush_all();
    client_retry_all();
    loop_turn(until_ns);
    return now_ns();
}

void talk_connect(unsigned at_once)
{
    unsigned next = 0, begun = world.open, seen = world.open;
    uint64_t now = now_ns(), since = now;
    while (world.open < world.client_count) {
        for (; next < world.client_count && begun - world.open < at_once; next++)
            if (world.clients[next].state == CLIENT_CLOSED) {
                client_connect(&world.clients[next]);
                begun++;
            }
        now = turn(now + turn_ns);
        if (world.open != seen) {
            seen = world.open;
            since = now;
        } else if (now - since > stuck_ns) {
            die("only %u of %u clients came in", world.open, world.client_count);
        }
    }
}

void talk_settle(void)
{
    unsigned seen = world.settled;
    uint64_t now = now_ns(), since = now;
    while (world.settled < world.client_count && now - since < unsettled_ns) {
        now = turn(now + turn_ns);
        if (world.settled != seen) {
            seen = world.settled;
            since = now;
        }
    }
    if (world.settled < world.client_count)
        fprintf(stderr, "bench-load: only %u of %u clients heard of all others in their room\n", world.settled,
                world.client_count);
    for (since = now; now - since < unsettled_ns && now - world.last_frame_ns < quiet_ns;)
        now = turn(now + turn_ns);
    for (unsigned i = 0; i < world.client_count; i++)
        bytes_free(&world.clients[i].carry); /* long lists of members; messages are short */
}

static bool say(unsigned room, uint64_t due_ns)
{
    struct client *speaker = world_speaker(room);
    if (speaker->state != CLIENT_OPEN)
        return false;
    world.protocol->say(speaker, world.rooms[room].sent++, due_ns);
    world.tally.sent++;
    return true;
}

static uint64_t beat_ns(uint64_t beat)
{
    return beat_from_ns + (uint64_t)((double)beat / world.options->rate * 1e9);
}

static void keep_beat(uint64_t now)
{
    if (!beat_from_ns)
        beat_from_ns = now;
    for (; beat_ns(beats) <= now; beats++) {
        say(beat_room, beat_ns(beats));
        beat_room = beat_room + 1 < world.room_count ? beat_room + 1 : 0;
    }
}

static void fill_window(unsigned room, uint64_t now)
{
    while (world.rooms[room].sent - world.rooms[room].acknowledged < world.options->window)
        if (!say(room, now))
            break;
}

static void fill_windows(uint64_t now)
{
    for (unsigned i = 0; i < world.ready_count; i++) {
        world.rooms[world.ready[i]].ready = false;
        fill_window(world.ready[i], now);
    }
    world.ready_count = 0;
}

void talk_for(double seconds)
{
    const struct options *options = world.options;
    uint64_t now = now_ns(), end = now + (uint64_t)(seconds * 1e9);
    for (unsigned room = 0; options->window && room < world.room_count; room++)
        fill_window(room, now);
    while (now < end) {
        uint64_t wake = end;
        if (options->rate > 0) {
            keep_beat(now);
            wake = beat_ns(beats) < end ? beat_ns(beats) : end;
        }
        if (options->window)
            fill_windows(now);
        now = turn(wake);
    }
}

void talk_once(unsigned count)
{
    uint64_t now = now_ns();
    for (unsigned i = 0; i < count; i++)
        for (unsigned room = 0; room < world.room_count; room++)
            say(room, now);
}

void talk_drain(void)
{
    uint64_t now = now_ns(), begin = now;
    world.last_frame_ns = begin;
    while ((world_lost() || !world_all_taken()) && now - world.last_frame_ns < grace_ns)
        now = turn(now + turn_ns);
}
