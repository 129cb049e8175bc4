/* handoff_spread.c: newcomers go to the relay with the fewest clients.
 *
 * nginx spreads requests, not clients: it knows nothing of the sockets that it gave away, and of a client that polls only
 * what it asks at this moment. So who comes new through nginx to a relay that clearly has more than another one of this
 * machine is given to that one, at once or not at all. As long as all have about the same, that is nobody: it is for when
 * one relay came back empty.
 *
 * Relays say how many they have on the channel that all listen to, soon after it has changed. Between two words of one,
 * each newcomer that we gave it counts as one of every other relay's too, because these see the same gap and fill it. */
#include "common/clock.h"
#include "common/container.h"
#include "common/message.h"
#include "common/metrics.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff_parts.h"

enum {
    SAY_MS = 100,       /* this often, if it has changed */
    REPEAT_MS = 1000,   /* else this often */
    BELIEVED_MS = 1500, /* one that stands still says nothing: nobody is to be given to it for long */
    FROZEN_MS = 500,
    SLACK = 2, /* more than another has: by so many, and by a sixteenth, is no reason to give anybody away */
    SLACK_PART = 16,
};

static const uint64_t full = UINT64_MAX; /* said by a relay that takes nobody */

static uint64_t own_load(const struct handoff *handoff)
{
    bool takes = !handoff->stopped && http_has_room(handoff->server);
    return takes ? handoff->count_clients() : full;
}

/* Which machine it is, as a number. */
static uint64_t boot_number(const struct handoff *handoff)
{
    return str_hash(str_of(handoff->boot), STR_HASH_SEED);
}

static void say(struct handoff *handoff)
{
    struct buf out;
    struct wire_header header = {.kind = WIRE_LOAD, .sender = handoff->incarnation, .conversation = WIRE_CONTROL};
    struct wire_mark mark = {boot_number(handoff), own_load(handoff)};
    handoff->said_load = mark.seq;
    handoff->said_ms = clock_mono_ms();
    buf_init(&out, 128);
    wire_add_header(&out, &header);
    wire_add_mark(&out, &mark);
    bus_publish(handoff->bus, WIRE_CONTROL, buf_str(&out));
    buf_fini(&out);
}

static void on_say(struct wheel_timer *timer)
{
    struct handoff *handoff = container_of(timer, struct handoff, say_load);
    wheel_set(handoff->wheel, timer, SAY_MS);
    handoff->awake_ms = clock_mono_ms();
    if (handoff->up && (own_load(handoff) != handoff->said_load || clock_mono_ms() >= handoff->said_ms + REPEAT_MS))
        say(handoff);
}

void handoff_spread(struct handoff *handoff, size_t (*count_clients)(void))
{
    handoff->count_clients = count_clients;
    handoff->said_load = full;
    handoff->say_load.fired = on_say;
    wheel_set(handoff->wheel, &handoff->say_load, 0);
}

/* Its own place, or a new one, or that of one who has been silent for long; NULL: so many relays there are not. */
static struct handoff_peer *peer_for(struct handoff *handoff, uint64_t incarnation)
{
    struct handoff_peer *free = NULL;
    for (size_t i = 0; i < HANDOFF_PEERS_MAX; i++) {
        struct handoff_peer *peer = &handoff->peers[i];
        if (peer->incarnation == incarnation)
            return peer;
        if (!free && (!peer->incarnation || clock_mono_ms() >= peer->until_ms))
            free = peer;
    }
    return free;
}

void handoff_heard(struct handoff *handoff, uint64_t incarnation, struct str payload)
{
    struct wire_mark mark;
    if (wire_get_mark(payload, &mark)) {
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    struct handoff_peer *peer = peer_for(handoff, incarnation);
    if (peer && mark.conversation == boot_number(handoff))
        *peer = (struct handoff_peer){incarnation, mark.seq, 0, clock_mono_ms() + BELIEVED_MS};
    if (peer && peer->incarnation == incarnation)
        handoff_look_for(handoff, incarnation); /* newcomers do not wait until it is found */
}

/* What it has by now, for all we know, if `givers` relays do as we do. */
static uint64_t load_of(const struct handoff_peer *peer, uint64_t givers)
{
    return peer->load == full ? full : peer->load + peer->given * givers;
}

bool handoff_newcomer(struct handoff *handoff, struct http_call *call)
{
    struct handoff_peer *least = NULL;
    int64_t now_ms = clock_mono_ms();
    uint64_t others = 0;
    if (!call->proxied || call->handed || !handoff->count_clients)
        return false; /* who came to this very relay wanted it */
    /* One that ends sends away whom it has; one that was frozen knows only how it was before. */
    if (own_load(handoff) == full || now_ms > handoff->awake_ms + FROZEN_MS)
        return false;
    for (size_t i = 0; i < HANDOFF_PEERS_MAX; i++)
        others += handoff->peers[i].incarnation && now_ms < handoff->peers[i].until_ms;
    for (size_t i = 0; i < HANDOFF_PEERS_MAX; i++) {
        struct handoff_peer *peer = &handoff->peers[i];
        bool is_there = peer->incarnation && now_ms < peer->until_ms;
        if (is_there && (!least || load_of(peer, others) < load_of(least, others)))
            least = peer;
    }
    uint64_t load = least ? load_of(least, others) : full;
    if (load == full || handoff->count_clients() <= load + SLACK + load / SLACK_PART)
        return false;
    least->given++;
    if (!handoff_give_near(handoff, least->incarnation, call)) {
        least->until_ms = now_ms; /* until it is heard again */
        return false;
    }
    metric_inc(METRIC_HANDOFFS_EVENED);
    return true;
}
