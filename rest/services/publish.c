#include "rest/services/publish.h"

#include "common/metrics.h"
#include "common/service/operator.h"
#include "common/store/store.h"
#include "rest/services/redis_client.h"

/* What comes after the header: at most one of these. */
struct rest {
    const struct message *message;
    const struct io_notice *notice;
    const struct wire_mark *mark;
};

/* Without an epoch in its header it is of the present one. */
static enum err publish(const struct backends *backends, struct wire_header *header, struct rest rest)
{
    const struct message *message = rest.message;
    const struct io_notice *notice = rest.notice;
    struct buf wire;
    buf_init(&wire,
             1024 + (message ? message_size(message) : 0) + (notice ? notice->audience.len + notice->body.len : 0));
    enum err err = header->epoch ? ERR_OK : store_epoch(backends->store, &header->epoch);
    wire_add_header(&wire, header);
    if (message)
        wire_add_message(&wire, message);
    if (notice)
        io_notice_add(&wire, notice);
    if (rest.mark)
        wire_add_mark(&wire, rest.mark);
    CG_ASSERT(!wire.failed);
    if (!err)
        err = redis_client_publish(backends->redis, header->conversation, buf_str(&wire));
    metric_inc(err ? METRIC_PUBLISH_SKIPPED : METRIC_PUBLISHED);
    buf_fini(&wire);
    return err;
}

void publish_message(const struct backends *backends, const struct message *message, uint64_t epoch)
{
    struct wire_header header = {
        .kind = WIRE_MESSAGES, .epoch = epoch, .conversation = message->conversation, .count = 1};
    (void)!publish(backends, &header, (struct rest){.message = message});
}

void publish_friends(const struct backends *backends, uint64_t user)
{
    struct wire_header header = {.kind = WIRE_FRIENDS, .conversation = WIRE_INBOX(user), .user = user};
    (void)!publish(backends, &header, (struct rest){.message = NULL});
}

void publish_read(const struct backends *backends, uint64_t user, const struct wire_mark *mark, uint64_t epoch)
{
    struct wire_header header = {.kind = WIRE_READ, .epoch = epoch, .conversation = WIRE_INBOX(user), .user = user};
    (void)!publish(backends, &header, (struct rest){.mark = mark});
}

enum err publish_io(const struct backends *backends, uint64_t conversation, const struct io_notice *notice)
{
    struct wire_header header = {.kind = WIRE_IO, .conversation = conversation};
    return publish(backends, &header, (struct rest){.notice = notice});
}

enum err publish_sanction(const struct backends *backends, const struct sanction *sanction)
{
    struct buf wire;
    uint64_t epoch;
    buf_init(&wire, 1024);
    enum err err = store_epoch(backends->store, &epoch);
    operator_add_wire(&wire, sanction, epoch);
    CG_ASSERT(!wire.failed);
    if (!err)
        err = redis_client_publish(backends->redis, WIRE_CONTROL, buf_str(&wire));
    metric_inc(err ? METRIC_PUBLISH_SKIPPED : METRIC_PUBLISHED);
    buf_fini(&wire);
    return err;
}
