/* publish.h: publishes to the relays what a REST call has committed, in the wire format of common/message.h with
 * sender 0, which no relay has. Most failures are ignored: while Redis is down, the relays' reconciliations find
 * messages, and friends are looked up again when Redis is back. Any thread, with its own backends. */
#ifndef CG_REST_SERVICES_PUBLISH_H
#define CG_REST_SERVICES_PUBLISH_H

#include "common/io_notice.h"
#include "common/sanction.h"
#include "common/message.h"
#include "rest/http/call.h"

/* A committed message; `epoch` is the one that its transaction read. */
void publish_message(const struct backends *backends, const struct message *message, uint64_t epoch);

/* The user (by number) has a new friend. */
void publish_friends(const struct backends *backends, uint64_t user);

/* How far the user has read a conversation; `epoch` was read before the marker was written. */
void publish_read(const struct backends *backends, uint64_t user, const struct wire_mark *mark, uint64_t epoch);

/* A mute or a ban was stored or lifted, which relays also find by polling; or a kick, which is lost if this fails. */
enum err publish_sanction(const struct backends *backends, const struct sanction *sanction) CG_MUST_CHECK;

/* A notice about the Socket.IO namespace of this conversation, which is lost if this fails. */
enum err publish_io(const struct backends *backends, uint64_t conversation,
                    const struct io_notice *notice) CG_MUST_CHECK;

#endif
