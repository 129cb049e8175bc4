/* presence.h: what the REST process asks of Redis: who is online, who is connected to Socket.IO, counts that
 * expire, word to the relays. The only module of it that knows the client library. Key names: common/redis/presence_keys.h,
 * common/redis/io_keys.h. A presence belongs to one thread.
 *
 * Redis being down is an ordinary state here: every call then fails with ERR_DOWN, and all of the
 * process's presences share one back-off for each server (common/redis/redis_servers.h), so that a Redis that does not answer
 * holds up one request now and then instead of all of them. A change of state is logged once, whoever notices. */
#ifndef CG_REST_SERVICES_PRESENCE_H
#define CG_REST_SERVICES_PRESENCE_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct presence;

/* `settings` must outlive it. Does not connect. */
struct presence *presence_new(const struct settings *settings);
void presence_free(struct presence *presence);

/* Asks every server for a sign of life; `up` of them gave one. ERR_DOWN unless all did. */
enum err presence_ping(struct presence *presence, size_t *up) CG_MUST_CHECK;
/* Appends [{"at":"host:port","up":true},…] as the process knows it, for operators. */
void presence_add_state(const struct presence *presence, struct buf *out);
/* Why the last call failed: one line for a person, valid until the next call. */
const char *presence_error(const struct presence *presence);

/* From now on, for admit_ms, these users count as online in these conversations without a socket. One round trip for
 * each server that is asked. Returns how many were admitted: the others' server is down. */
struct presence_seat {
    uint64_t conversation, user;
};
size_t presence_admit(struct presence *presence, const struct presence_seat *seats, size_t count);

/* Whether the user was admitted, or holds a socket on a relay whose lease lives. */
enum err presence_online(struct presence *presence, uint64_t conversation, uint64_t user, bool *online) CG_MUST_CHECK;

/* Adds `by` to the counter of that name and tells its value after, and in how many milliseconds it is
 * forgotten: `life_ms` after it began. */
enum err presence_count(struct presence *presence, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                        int64_t *left_ms) CG_MUST_CHECK;

/* Runs a script of common/redis/io_scripts.h: ARGV is redis_prefix and then `args` (at most PRESENCE_ARGS). Its answer, a
 * text, a number or an array of them, is given text by text; numbers in decimal. */
enum { PRESENCE_ARGS = 10 };
typedef void presence_text_fn(void *arg, size_t index, struct str text);
enum err presence_eval(struct presence *presence, const char *script, const struct str *args, size_t count,
                       presence_text_fn *fn, void *arg) CG_MUST_CHECK;

/* Publishes to the relays that have subscribed to the conversation, see WIRE_INBOX too. */
enum err presence_publish(struct presence *presence, uint64_t conversation, struct str payload) CG_MUST_CHECK;

#endif
