/* store_io.h: what the database keeps for Socket.IO: namespaces, which are conversations, and the secret that all
 * processes of a deployment share. */
#ifndef CG_COMMON_STORE_STORE_IO_H
#define CG_COMMON_STORE_STORE_IO_H

#include "common/store/store.h"

enum {
    STORE_NAMESPACE_MAX = 256, /* bytes of a namespace's name */
    STORE_RECENT_SPAN = 10000, /* how far back store_io_recent looks, in numbers */
    STORE_SECRET_BYTES = 32,
};

/* The conversation of a namespace. ERR_NOT_FOUND if there is none and `create` is false, or if the name is empty or
 * longer than STORE_NAMESPACE_MAX. Safe to call concurrently. */
enum err store_io_namespace(struct store *store, struct str name, bool create, uint64_t *conversation) CG_MUST_CHECK;

/* The latest `limit` messages of kind MESSAGE_TEXT that were for everybody, or those that were `to_some`, oldest
 * first; none from more than STORE_RECENT_SPAN numbers back, which bounds the cost in a namespace full of events. */
enum err store_io_recent(struct store *store, uint64_t conversation, bool to_some, unsigned limit, store_message_fn *fn,
                         void *arg) CG_MUST_CHECK;

/* The deployment's secret, made once by the migration. Never logged. */
enum err store_secret(struct store *store, unsigned char out[STORE_SECRET_BYTES]) CG_MUST_CHECK;

#endif
