/* redis_client.h: what the REST process asks of Redis: who is online, who is connected to Socket.IO, counts that
 * expire, word to the relays. The only module of it that knows the client library. Key names:
 * common/redis/presence_keys.h, common/redis/io_keys.h. A client belongs to one thread.
 *
 * Redis being down is an ordinary state here: every call then fails with ERR_DOWN, and all of the
 * process's clients share one back-off for each server (common/redis/redis_servers.h), so that a Redis that does not
 * answer holds up one request now and then instead of all of them. A change of state is logged once, whoever
 * notices. */
#ifndef CG_REST_SERVICES_REDIS_CLIENT_H
#define CG_REST_SERVICES_REDIS_CLIENT_H

#include "common/err.h"
#include "common/settings.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct redis_client;

/* `settings` must outlive it. Does not connect. */
struct redis_client *redis_client_new(const struct settings *settings);
void redis_client_free(struct redis_client *client);

/* Asks every server for a sign of life; `up` of them gave one. ERR_DOWN unless all did. */
enum err redis_client_ping(struct redis_client *client, size_t *up) CG_MUST_CHECK;
/* Appends [{"at":"host:port","up":true},…] as the process knows it, for operators. */
void redis_client_add_state(const struct redis_client *client, struct buf *out);
/* Why the last call failed: one line for a person, valid until the next call. */
const char *redis_client_error(const struct redis_client *client);

/* From now on, for admit_ms, these users count as online in these conversations without a socket. One round trip for
 * each server that is asked. Returns how many were admitted: the others' server is down. */
struct redis_admission {
    uint64_t conversation, user;
};
size_t redis_client_admit(struct redis_client *client, const struct redis_admission *admissions, size_t count);

/* Whether the user was admitted, or holds a socket on a relay whose lease lives. */
enum err redis_client_online(struct redis_client *client, uint64_t conversation, uint64_t user,
                             bool *online) CG_MUST_CHECK;

/* Adds `by` to the counter of that name and tells its value after, and in how many milliseconds it is
 * forgotten: `life_ms` after it began. */
enum err redis_client_count(struct redis_client *client, struct str name, int64_t by, int64_t life_ms, int64_t *value,
                            int64_t *left_ms) CG_MUST_CHECK;

/* Runs a script of common/redis/io_scripts.h: ARGV is redis_prefix and then `args` (at most REDIS_CLIENT_ARGS). Its
 * answer, a text, a number or an array of them, is given text by text; numbers in decimal. */
enum { REDIS_CLIENT_ARGS = 10 };
typedef void redis_client_text_fn(void *arg, size_t index, struct str text);
enum err redis_client_eval(struct redis_client *client, const char *script, const struct str *args, size_t count,
                           redis_client_text_fn *fn, void *arg) CG_MUST_CHECK;

/* Publishes to the relays that have subscribed to the conversation, see WIRE_INBOX too. */
enum err redis_client_publish(struct redis_client *client, uint64_t conversation, struct str payload) CG_MUST_CHECK;

#endif
