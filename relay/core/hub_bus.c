/* hub_bus.c: posts and their results: storing through the journal, publishing through the bus, and receiving what
 * other relays publish. */
#include "common/mem.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/redis/bus.h"
#include "relay/core/hub_room.h"
#include "relay/db/journal.h"
#include "relay/core/sanctions.h"

#include <stdlib.h>

/* ---- posting ---- */

/* Coming and going is not saying something. */
static bool is_muted(const struct hub *hub, uint64_t session_id, const struct message *message)
{
    const struct session *session = sessions_find(hub->sessions, session_id);
    return message->kind != MESSAGE_JOIN && message->kind != MESSAGE_LEAVE &&
           sanctions_on(hub->sanctions, SANCTION_MUTE, message->sender, session ? session->client.address : 0,
                        message->conversation);
}

enum err hub_post(struct hub *hub, struct post_id id, const struct message *message)
{
    bool is_erased = hub->erased.count && message->sender && map_get(&hub->erased, message->sender);
    if (is_erased || (hub->sanctions && is_muted(hub, id.session_id, message))) {
        metric_inc(METRIC_MODERATION_REFUSED);
        return ERR_DENIED;
    }
    return journal_submit(hub->journal, id, hub->epoch, message);
}

static int by_place(const void *a, const void *b)
{
    const struct message *left = &(*(struct store_post *const *)a)->message;
    const struct message *right = &(*(struct store_post *const *)b)->message;
    if (left->conversation != right->conversation)
        return left->conversation < right->conversation ? -1 : 1;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

enum { PUBLISH_BYTES = 256 * 1024, PUBLISH_COUNT = 1000 };

static void publish(struct hub *hub, struct store_post *const *posts, size_t count)
{
    struct buf out;
    buf_init(&out, 64 * 1024 * 1024);
    for (size_t at = 0; at < count;) {
        size_t end = at, bytes = 0;
        while (end < count && end - at < PUBLISH_COUNT && (end == at || bytes < PUBLISH_BYTES))
            bytes += message_size(&posts[end++]->message);
        struct wire_header header = {
            .kind = WIRE_MESSAGES,
            .sender = hub->incarnation,
            .epoch = hub->epoch,
            .conversation = posts[at]->message.conversation,
            .count = (unsigned)(end - at),
        };
        buf_clear(&out);
        wire_add_header(&out, &header);
        for (; at < end; at++)
            wire_add_message(&out, &posts[at]->message);
        CG_ASSERT(!out.failed);
        bus_publish(hub->bus, header.conversation, buf_str(&out));
    }
    buf_fini(&out);
}

/* Another epoch has begun since it was said. Its number is none of those that are shown, and the message may be among
 * what was lost. */
static void disown(struct hub *hub, struct store_post *post)
{
    if (!post->err)
        post->err = ERR_UNKNOWN;
    hub_reconcile_anew(hub);
}

void hub_stored(struct hub *hub, struct store_post *posts, const struct post_id *ids, size_t count)
{
    struct store_post **stored = mem_zalloc(count * sizeof(struct store_post *));
    size_t stored_count = 0;
    hub_reconcile_reconnected(hub);
    for (size_t i = 0; i < count; i++) {
        if (posts[i].epoch && posts[i].epoch != hub->epoch)
            disown(hub, &posts[i]);
        struct session *session = ids[i].answered ? NULL : sessions_find(hub->sessions, ids[i].session_id);
        if (ids[i].answered)
            ids[i].answered(ids[i], &posts[i]);
        else if (session && !session->closing)
            session->protocol->posted(session, ids[i].number, &posts[i]);
        if (!posts[i].err && !posts[i].repeated)
            stored[stored_count++] = &posts[i];
    }
    qsort(stored, stored_count, sizeof stored[0], by_place);
    for (size_t from = 0, to; from < stored_count; from = to) {
        uint64_t conversation = stored[from]->message.conversation;
        for (to = from; to < stored_count && stored[to]->message.conversation == conversation; to++)
            hub_deliver(hub, &stored[to]->message);
        publish(hub, stored + from, to - from);
    }
    free(stored);
}

void hub_tell(struct hub *hub, const struct message *message, uint64_t epoch)
{
    if (message)
        hub_stored(hub, &(struct store_post){.message = *message, .epoch = epoch}, &POST_OF_NOBODY, 1);
}

/* ---- telling without a number ---- */

static void notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user, struct str rest)
{
    struct wire_header header = {
        .kind = kind,
        .sender = hub->incarnation,
        .epoch = hub->epoch,
        .conversation = conversation,
        .user = user,
    };
    struct buf out;
    buf_init(&out, 256 + rest.len);
    wire_add_header(&out, &header);
    buf_add_str(&out, rest);
    bus_publish(hub->bus, conversation, buf_str(&out));
    buf_fini(&out);
}

void hub_notify(struct hub *hub, enum wire_kind kind, uint64_t conversation, uint64_t user)
{
    notify(hub, kind, conversation, user, STR(""));
}

void hub_revoked(struct hub *hub)
{
    struct wire_header header = {.kind = WIRE_SANCTION, .sender = hub->incarnation, .epoch = hub->epoch};
    hub_notify(hub, WIRE_SANCTION, WIRE_CONTROL, 0);
    hub->notices.control(hub->notices.arg, &header, STR(""));
}

void hub_notify_io(struct hub *hub, uint64_t conversation, struct str payload)
{
    notify(hub, WIRE_IO, conversation, 0, payload);
}

void hub_notify_read(struct hub *hub, uint64_t user, const struct wire_mark *mark)
{
    struct buf bytes;
    buf_init(&bytes, 64);
    wire_add_mark(&bytes, mark);
    notify(hub, WIRE_READ, WIRE_INBOX(user), user, buf_str(&bytes));
    buf_fini(&bytes);
}

void hub_show(struct hub *hub, uint64_t conversation, enum encoding_id encoding, struct str payload)
{
    room_show(hub, conversation, encoding, payload);
    notify(hub, WIRE_RAW, conversation, encoding, payload);
}

/* ---- received from the bus ---- */

static void on_io(struct hub *hub, uint64_t conversation, struct str payload)
{
    const struct room *room = map_get(&hub->rooms, conversation);
    if (room && room->listener)
        room->listener->notice(room->listener->arg, payload);
}

static void on_messages(struct hub *hub, const struct wire_header *header, struct str records)
{
    for (unsigned i = 0; i < header->count; i++) {
        struct message message;
        if (wire_get_message(&records, header, &message)) {
            metric_inc(METRIC_BUS_MALFORMED);
            return;
        }
        hub_deliver(hub, &message);
    }
}

static void on_read(struct hub *hub, uint64_t user, struct str payload)
{
    struct wire_mark mark;
    if (wire_get_mark(payload, &mark))
        metric_inc(METRIC_BUS_MALFORMED);
    else
        hub->notices.read(hub->notices.arg, user, &mark);
}

/* Whether clients get to see it as it is, with the numbers in it. All others make something be looked up anew. */
static bool is_shown(enum wire_kind kind)
{
    return kind == WIRE_MESSAGES || kind == WIRE_RAW || kind == WIRE_IO || kind == WIRE_READ;
}

void hub_received(struct hub *hub, struct str payload)
{
    struct wire_header header;
    void *arg = hub->notices.arg;
    if (wire_get_header(&payload, &header)) {
        metric_inc(METRIC_BUS_MALFORMED);
        return;
    }
    if (header.sender == hub->incarnation)
        return; /* our own, delivered at the commit */
    metric_inc(METRIC_BUS_RECEIVED);
    if (is_shown(header.kind) && header.epoch != hub->epoch) { /* whose numbers are void the database tells */
        metric_inc(METRIC_BUS_OTHER_EPOCH);
        hub_reconcile_anew(hub);
        return;
    }
    switch (header.kind) {
    case WIRE_MESSAGES: on_messages(hub, &header, payload); break;
    case WIRE_PRESENCE: hub->notices.presence(arg, header.conversation); break;
    case WIRE_HISTORY: hub->notices.history(arg, header.conversation, header.user); break;
    case WIRE_FRIENDS: hub->notices.friends(arg, header.user); break;
    case WIRE_RAW:
        if (header.user < ENCODING_COUNT && text_utf8_valid(payload))
            room_show(hub, header.conversation, (enum encoding_id)header.user, payload);
        else
            metric_inc(METRIC_BUS_MALFORMED);
        break;
    case WIRE_IO: on_io(hub, header.conversation, payload); break;
    case WIRE_READ: on_read(hub, header.user, payload); break;
    case WIRE_SANCTION:
    case WIRE_DRAIN:
    case WIRE_LOAD: hub->notices.control(arg, &header, payload); break;
    }
}

void hub_subscribed(struct hub *hub, uint64_t conversation)
{
    struct room *room = map_get(&hub->rooms, conversation);
    if (room)
        room_listens(room);
}

/* Those that wait for a confirmation which will not come. What goes on may add rooms and remove some. */
static void go_on_without(struct hub *hub)
{
    uint64_t *ids = mem_zalloc((hub->rooms.count + 1) * sizeof ids[0]);
    size_t at = 0, count = 0;
    for (const struct room *room; (room = map_next(&hub->rooms, &at));)
        if (room->state == ROOM_SUBSCRIBING)
            ids[count++] = room->id;
    for (size_t i = 0; i < count; i++)
        hub_subscribed(hub, ids[i]);
    free(ids);
}

void hub_bus_state(struct hub *hub, bool up)
{
    if (!up)
        go_on_without(hub);
    wheel_set(hub->wheel, &hub->reconcile, 0); /* what was missed meanwhile */
}
