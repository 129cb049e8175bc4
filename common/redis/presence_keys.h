/* presence_keys.h: the names of presence's keys in Redis, shared by the relays, which write them, and by the REST
 * process and the operator's command, which read them. Names only; does not use Redis. Any thread.
 *
 *   <prefix>:room:<conversation>         channel of what relays tell each other of the conversation
 *   <prefix>:presence:<conversation>     HASH  "<relay>:<incarnation>:<user>" →
 *                                              "<encoding>|<bytes of head>|<head json><name>"
 *   <prefix>:who:<conversation>:<user>   SET   of "<relay>:<incarnation>" that hold a socket of this user
 *   <prefix>:here:<conversation> ZSET of users that have a `who`, with leading zeros to 20 digits:
 *                                        in order, page by page
 *   <prefix>:lease:<relay>:<incarnation> "1" with an expiry, renewed while that relay lives; "draining"
 *                                        once it has ended cleanly
 *   <prefix>:relays                      SET   of "<relay>:<incarnation>" that may have entries
 *   <prefix>:rooms:<relay>:<incarnation> SET   of the conversations in which that relay has entries
 *   <prefix>:reaped:<relay>:<incarnation> "1" with an expiry: others took it for dead and announced leaves
 *   <prefix>:draining:<relay>:<incarnation> "1" with an expiry: it was told to end, and its clients are leaving
 *   <prefix>:admit:<conversation>:<user> "1" with an expiry: admitted by createChatroom, no socket yet;
 *                                        deleted by the relay that the user joins through
 *   <prefix>:count:<what>                a number with an expiry: attempts with a wrong password
 *
 * Numbers are decimal. A relay's name never holds ':'. A user is online in a conversation if the admission exists or
 * any member of `who` has a lease. An application's user is online while present in the conversation that is their
 * inbox (WIRE_INBOX), where the relay enters their connections; it has no `here`. */
#ifndef CG_COMMON_REDIS_PRESENCE_KEYS_H
#define CG_COMMON_REDIS_PRESENCE_KEYS_H

#include "common/str.h"

#include <stdint.h>
#include <stdio.h>

enum {
    PRESENCE_KEY_MAX = 128,  /* bytes of any key, with its NUL: a prefix has at most 32, a relay's name too */
    PRESENCE_ENTRY_MAX = 56, /* bytes of "<relay>:<incarnation>", with its NUL */
};

/* Returns its length. */
static inline size_t presence_channel(char out[PRESENCE_KEY_MAX], const char *prefix, uint64_t conversation)
{
    return (size_t)snprintf(out, PRESENCE_KEY_MAX, "%s:room:%llu", prefix, (unsigned long long)conversation);
}

static inline void presence_room_key(char out[PRESENCE_KEY_MAX], const char *prefix, uint64_t conversation)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:presence:%llu", prefix, (unsigned long long)conversation);
}

static inline void presence_who_key(char out[PRESENCE_KEY_MAX], const char *prefix, uint64_t conversation,
                                    uint64_t user)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:who:%llu:%llu", prefix, (unsigned long long)conversation,
             (unsigned long long)user);
}

static inline void presence_admit_key(char out[PRESENCE_KEY_MAX], const char *prefix, uint64_t conversation,
                                      uint64_t user)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:admit:%llu:%llu", prefix, (unsigned long long)conversation,
             (unsigned long long)user);
}

static inline void presence_here_key(char out[PRESENCE_KEY_MAX], const char *prefix, uint64_t conversation)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:here:%llu", prefix, (unsigned long long)conversation);
}

/* "<relay>:<incarnation>", as in `who` and in a lease's name. */
static inline void presence_entry(char out[PRESENCE_ENTRY_MAX], const char *relay, uint64_t incarnation)
{
    snprintf(out, PRESENCE_ENTRY_MAX, "%s:%llu", relay, (unsigned long long)incarnation);
}

static inline void presence_lease_key(char out[PRESENCE_KEY_MAX], const char *prefix, struct str entry)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:lease:%.*s", prefix, (int)entry.len, entry.ptr);
}

/* <prefix>:<what>:<entry>, for rooms and reaped. */
static inline void presence_relay_key(char out[PRESENCE_KEY_MAX], const char *prefix, const char *what,
                                      struct str entry)
{
    snprintf(out, PRESENCE_KEY_MAX, "%s:%s:%.*s", prefix, what, (int)entry.len, entry.ptr);
}

#endif
