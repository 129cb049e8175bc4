/* redis_client.h: the REST process's Redis commands: presence, Socket.IO sockets, expiring counters, publishing to
 * relays. Key names: common/redis/presence_keys.h, common/redis/io_keys.h. Each thread passes its own connections
 * (common/redis/redis_sync.h) as the first argument. While a server is down, calls that need it fail with ERR_DOWN. */
#ifndef CG_REST_SERVICES_REDIS_CLIENT_H
#define CG_REST_SERVICES_REDIS_CLIENT_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_sync;

/* Pings every server; *up is how many answered. ERR_DOWN unless all did. */
enum err redis_client_ping(struct redis_sync *redis, size_t *up) CG_MUST_CHECK;

/* Lets these users count as online in these conversations for admit_ms without a socket. One round trip for each
 * server involved. Returns how many were admitted; the others' server is down. */
struct redis_admission {
    uint64_t conversation, user;
};
size_t redis_client_admit(struct redis_sync *redis, const struct redis_admission *admissions, size_t count);

/* Whether the user was admitted, or has a socket on a live relay. */
enum err redis_client_online(struct redis_sync *redis, uint64_t conversation, uint64_t user,
                             bool *online) CG_MUST_CHECK;

/* The same for many users and conversations at once, without admissions, in one round trip for each server involved.
 * ERR_DOWN if any of them does not answer. `count` is at most REDIS_CLIENT_ASKED. */
enum { REDIS_CLIENT_ASKED = 100 };
struct redis_asked {
    uint64_t conversation, user;
    bool online; /* set */
};
enum err redis_client_ask(struct redis_sync *redis, struct redis_asked *asked, size_t count) CG_MUST_CHECK;
/* Lists the users present in a conversation: up to `limit` (at most REDIS_CLIENT_ASKED) after user `after`, by number.
 * Some of the *count may belong to a relay that has just died; these are not `online`. */
enum err redis_client_present(struct redis_sync *redis, uint64_t conversation, uint64_t after, size_t limit,
                              struct redis_asked *present, size_t *count) CG_MUST_CHECK;

/* Adds `by` to a counter. Sets its new value, and in how many milliseconds it expires, which is `life_ms` after its
 * creation. */
enum err redis_client_count(struct redis_sync *redis, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                            int64_t *left_ms) CG_MUST_CHECK;

/* Runs a script of common/redis/io_scripts.h: ARGV is redis_prefix and then `args` (at most REDIS_CLIENT_ARGS). Calls
 * `fn` for each element of its answer, which is a text, a number or an array of these; numbers are in decimal. */
enum { REDIS_CLIENT_ARGS = 10 };
typedef void redis_client_text_fn(void *arg, size_t index, struct str text);
enum err redis_client_eval(struct redis_sync *redis, const char *script, const struct str *args, size_t count,
                           redis_client_text_fn *fn, void *arg) CG_MUST_CHECK;

/* Publishes to the relays that have subscribed to the conversation, or to a WIRE_INBOX. */
enum err redis_client_publish(struct redis_sync *redis, uint64_t conversation, struct str payload) CG_MUST_CHECK;

#endif
