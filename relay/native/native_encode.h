/* native_encode.h: the events of the native protocol as JSON. Any thread. */
#ifndef CG_RELAY_NATIVE_NATIVE_ENCODE_H
#define CG_RELAY_NATIVE_NATIVE_ENCODE_H

#include "common/message.h"
#include "relay/core/encoding.h"

void native_encode(const struct message *message, struct buf *out);
void native_add_from(struct buf *out, uint64_t user, struct str name, struct str id, struct str face);
/* Appends a placeholder for messages `first` to `last`, which were removed. */
void native_encode_gone(uint64_t conversation, uint64_t first, uint64_t last, struct buf *out);
void native_add_members(struct buf *out, const struct member *members, size_t count);
enum message_kind native_kind(struct str name);          /* 0: clients may not send it */
void native_add_kinds(struct buf *out, const char *key); /* appends the kinds that clients may send */

#endif
