#include "bench/load/posts.h"

#include "bench/load/client.h"
#include "bench/load/pool.h"

enum { CONNECTIONS = 64 }; /* to each port */

/* What is to be said in a room. */
struct queue {
    struct bytes dues; /* uint64_t: when each was due, from the one that is being said on */
    uint32_t first;    /* its number */
    bool waiting;      /* stands in its port's list */
};

/* Rooms whose speakers are of one port and have something to say: a ring, in which each stands at most once. */
struct port {
    int number;
    struct pool *pool;
    unsigned *rooms, begin, count;
};

static const struct posts *posts;
static struct queue *queues;
static struct port ports[MAX_ADDRESSES];

static void put(struct port *port, unsigned room)
{
    queues[room].waiting = true;
    port->rooms[(port->begin + port->count++) % world.room_count] = room;
}

static bool next(void *arg, struct bytes *out, uint64_t *token)
{
    struct port *port = arg;
    if (!port->count)
        return false;
    unsigned room = port->rooms[port->begin];
    struct queue *queue = &queues[room];
    uint64_t due = *(const uint64_t *)(const void *)queue->dues.data;
    port->begin = (port->begin + 1) % world.room_count;
    port->count--;
    *token = room;
    posts->ask(world_speaker(room), queue->first, due, out);
    return true;
}

static void answered(void *arg, uint64_t token, unsigned status, struct text body)
{
    unsigned room = (unsigned)token;
    struct queue *queue = &queues[room];
    uint64_t due = *(const uint64_t *)(const void *)queue->dues.data;
    world.now_ns = now_ns();
    if (status != 200 || !posts->taken(body))
        world_fault(FAULT_REFUSED, world_speaker(room), body);
    else if (posts->acknowledges)
        world_acknowledge(room, due);
    queue->first++;
    queue->waiting = false;
    bytes_drop(&queue->dues, sizeof due);
    if (queue->dues.len)
        put(arg, room);
}

static void begin(const struct posts *with)
{
    struct pool_work work = {next, answered, NULL};
    posts = with;
    queues = zalloc(world.room_count, sizeof *queues);
    for (unsigned i = 0; i < world.options->to_count; i++) {
        ports[i].number = world.options->to[i];
        ports[i].rooms = zalloc(world.room_count, sizeof *ports[i].rooms);
        work.arg = &ports[i];
        ports[i].pool = pool_new(ports[i].number, CONNECTIONS, &work);
    }
}

void posts_say(const struct posts *with, struct client *speaker, uint32_t number, uint64_t due_ns)
{
    if (!queues)
        begin(with);
    struct queue *queue = &queues[speaker->room];
    struct port *port = ports;
    while (port->number != client_port(speaker))
        port++;
    if (!queue->dues.len)
        queue->first = number;
    bytes_add(&queue->dues, &due_ns, sizeof due_ns);
    if (queue->waiting)
        return;
    put(port, speaker->room);
    pool_wake(port->pool);
}
