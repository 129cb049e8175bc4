#include "rest/publish.h"

#include "common/metrics.h"
#include "common/store.h"
#include "rest/presence.h"

static void publish(const struct backends *backends, struct wire_header *header,
                    const struct message *message)
{
    struct buf wire;
    buf_init(&wire, 1024 + (message ? message_size(message) : 0));
    enum err err = store_epoch(backends->store, &header->epoch);
    wire_add_header(&wire, header);
    if (message)
        wire_add_message(&wire, message);
    if (!err && !wire.failed)
        err = presence_publish(backends->presence, header->conversation, buf_str(&wire));
    metric_inc(err || wire.failed ? METRIC_PUBLISH_SKIPPED : METRIC_PUBLISHED);
    buf_fini(&wire);
}

void publish_message(const struct backends *backends, const struct message *message)
{
    struct wire_header header = {
        .kind = WIRE_MESSAGES, .conversation = message->conversation, .count = 1};
    publish(backends, &header, message);
}

void publish_friends(const struct backends *backends, uint64_t user)
{
    struct wire_header header = {
        .kind = WIRE_FRIENDS, .conversation = WIRE_INBOX(user), .user = user};
    publish(backends, &header, NULL);
}
