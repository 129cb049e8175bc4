/* presence_entries.h: presence's state on this relay, its entries and their registration in Redis, for the files of presence
 * only. Loop thread only.
 *
 *   presence.c        users coming and going on this relay
 *   presence_list.c   the member list of a room
 *   presence_online.c which users are online
 *   presence_lease.c  this relay's lease, relays whose lease expired, and shutdown */
#ifndef CG_RELAY_CORE_PRESENCE_ENTRIES_H
#define CG_RELAY_CORE_PRESENCE_ENTRIES_H

#include "common/redis/presence_keys.h"
#include "common/redis/redis_servers.h"
#include "relay/redis/bus.h"
#include "relay/core/presence.h"

/* A user with an entry on this relay. */
struct present {
    struct presence *presence;
    uint64_t conversation, user;
    enum encoding_id encoding;
    unsigned sockets;
    unsigned leaving; /* leave commands in flight to Redis */
    bool unsure;      /* the entry's removal from Redis was not confirmed */
    struct wheel_timer grace;
    char *name, *head; /* one piece of memory */
};

/* Bytes of a cursor of HSCAN and SSCAN. Entries scanned or registered at a time. */
enum { PRESENCE_CURSOR_MAX = 24, PRESENCE_PAGE = 500 };

/* A member of the room, as last read from Redis. */
struct listed {
    struct member member;
    enum encoding_id encoding;
    bool elsewhere; /* another relay has an entry for them */
};

struct list {
    struct buf texts; /* holds the members' texts */
    struct listed *listed;
    size_t count;
};

struct presence_room {
    struct presence *presence;
    uint64_t conversation;
    struct map presents; /* user → struct present */
    size_t sure;         /* how many of them are not `unsure` */
    struct list list;
    uint64_t *waiting; /* sessions that wait for their first list */
    size_t waiting_count, waiting_cap;
    struct wheel_timer timer; /* until the next list may be sent */
    int64_t next_list_ms;
    bool fetching, again;
};

/* Names an entry. */
struct presence_who {
    uint64_t conversation, user;
};

/* This relay's registration on one Redis server, each with a lease of its own. */
struct registry {
    struct presence *presence;
    bool resync; /* the connection was lost since all entries were last registered */
    int64_t reap_from_ms;
    unsigned reaping; /* rooms of dead relays that are being reaped */
    bool more_dead;   /* and more remain */
    unsigned tidying; /* pages of our own rooms that are being checked */
    bool tidy_again;  /* check again afterwards */
    char tidy_cursor[PRESENCE_CURSOR_MAX];
    struct wheel_timer say;      /* set while entries are being registered again: */
    struct presence_who *to_say; /* … those */
    size_t to_say_count, said;
    bool announce; /* … and announced */
    bool ending;   /* shutting down as the last relay there: the leaves' answers are counted */
};

struct presence {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    char entry[PRESENCE_ENTRY_MAX];
    struct map rooms; /* conversation → struct presence_room */
    struct map asks;  /* conversation → struct asks: callers waiting for a list */
    struct wheel_timer lease, reap;
    struct registry registries[REDIS_SERVERS_MAX]; /* bus_servers of them */
    bool finishing;                                /* presence_finish was called */
    void (*done)(void *arg);
    void *done_arg;
    unsigned outstanding; /* answers that presence_finish waits for */
};

/* Whether joins and leaves are not announced: an inbox only says that its user is online. */
static inline bool presence_is_silent(uint64_t conversation)
{
    return conversation >> 63;
}
/* The Redis key of a conversation's users; empty for an inbox. */
void presence_here(const struct presence *presence, uint64_t conversation, char out[PRESENCE_KEY_MAX]);

/* ---- presence.c ---- */

/* Passes a first join or a last leave to the encoding, which announces or stores it. */
void presence_announce(struct presence *presence, enum message_kind kind, uint64_t conversation,
                       enum encoding_id encoding, const struct member *member);
/* Tells our clients and the other relays that presence in the conversation has changed. */
void presence_tell(struct presence *presence, uint64_t conversation);
/* The registry of the Redis server that has the conversation. */
struct registry *presence_registry(struct presence *presence, uint64_t conversation);
/* Registers every entry of this relay on that server again, and repeats unconfirmed leaves, PRESENCE_PAGE at a time so
 * that other commands get through. A call during that restarts it. */
void presence_say_all(struct registry *registry, bool announce_them);
/* Stops registering. */
void presence_say_stop(struct registry *registry);
void presence_say_init(struct registry *registry);
/* Whether this relay should have no entry in Redis for the room. */
bool presence_is_empty(struct presence *presence, uint64_t conversation);
/* Whether this relay should have an entry in Redis for the user. */
bool presence_is_sure(struct presence *presence, uint64_t conversation, uint64_t user);
/* Removes an entry that this relay no longer knows of from Redis, without an announcement. */
void presence_say_forgotten(struct presence *presence, uint64_t conversation, uint64_t user);
/* Removes the entry from Redis. `present` is freed once that is confirmed. */
void presence_say_leave(struct present *present, bool announce_it);
/* Frees the room. */
void presence_room_free(struct presence_room *room);

/* ---- presence_list.c ---- */

void presence_list_init(struct presence_room *room);
void presence_list_fini(struct list *list);
/* Fetches and sends the member list, now or once the minimum interval since the last one is over. */
void presence_list_due(struct presence_room *room);
/* Whether another relay has an entry for the user, as last read from Redis. */
bool presence_is_elsewhere(const struct presence_room *room, uint64_t user);
/* Reads one entry of a room's HASH; `field` ends with a NUL, the texts stay in `value`. */
bool presence_read_entry(const char *field, struct str value, struct str own_entry, struct listed *listed);

/* ---- presence_lease.c ---- */

void presence_lease_init(struct presence *presence);
/* The connection to that server is back: renews the lease and registers entries again. */
void presence_lease_renew(struct presence *presence, size_t server);
/* One of the answers that presence_finish waits for has arrived. */
void presence_settle(struct presence *presence);

#endif
