/* publish.h: telling the relays what a REST call has committed, in the wire form of common/message.h with
 * sender 0, which no relay has. Only publish_io can fail a call: while Redis is down the relays' reconciliations find
 * messages, and they look friends up again when Redis is back. */
#ifndef CG_REST_SERVICES_PUBLISH_H
#define CG_REST_SERVICES_PUBLISH_H

#include "common/io_notice.h"
#include "common/sanction.h"
#include "common/message.h"
#include "rest/http/call.h"

/* A message that has just been committed; `epoch` is the one that its transaction saw. */
void publish_message(const struct backends *backends, const struct message *message, uint64_t epoch);

/* The user (by number) has a new friend. */
void publish_friends(const struct backends *backends, uint64_t user);

/* How far the user has read a conversation; `epoch` was the present one before that was written. */
void publish_read(const struct backends *backends, uint64_t user, const struct wire_mark *mark, uint64_t epoch);

/* A mute or a ban was stored or lifted, which relays find in time; or a kick, which is lost if this fails. */
enum err publish_sanction(const struct backends *backends, const struct sanction *sanction) CG_MUST_CHECK;

/* A notice about the Socket.IO namespace that is this conversation. Unlike the others it is lost if it fails. */
enum err publish_io(const struct backends *backends, uint64_t conversation,
                    const struct io_notice *notice) CG_MUST_CHECK;

#endif
