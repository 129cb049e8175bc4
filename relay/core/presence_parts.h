/* presence_parts.h: presence as its own files see it.
 *
 *   presence.c        users coming and going on this relay
 *   presence_list.c   the member list of a room
 *   presence_online.c which users are online at all
 *   presence_lease.c  this relay's lease, the relays that lost theirs, and the end */
#ifndef CG_RELAY_CORE_PRESENCE_PARTS_H
#define CG_RELAY_CORE_PRESENCE_PARTS_H

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
    unsigned leaving; /* leaves on their way to Redis */
    bool unsure;      /* the entry should be gone from Redis, but nobody confirmed it */
    struct wheel_timer grace;
    char *name, *head; /* one piece of memory */
};

/* Of HSCAN and SSCAN: a text; what is looked at at once. And how many entries are said at once. */
enum { PRESENCE_CURSOR_MAX = 24, PRESENCE_PAGE = 500 };

/* Somebody in the room, as Redis last said. */
struct listed {
    struct member member;
    enum encoding_id encoding;
    bool elsewhere; /* has an entry of another relay */
};

struct list {
    struct buf texts; /* what the members' texts point into */
    struct listed *listed;
    size_t count;
};

struct presence_room {
    struct presence *presence;
    uint64_t conversation;
    struct map presents; /* user → struct present */
    size_t sure;         /* of them: those that are not `unsure` */
    struct list list;
    uint64_t *waiting; /* sessions that have had no list yet */
    size_t waiting_count, waiting_cap;
    struct wheel_timer timer; /* set while a list is due */
    int64_t next_list_ms;
    bool fetching, again;
};

/* Whose entry. */
struct presence_who {
    uint64_t conversation, user;
};

/* What this relay has on one of the Redis servers: a lease of its own on each. */
struct registry {
    struct presence *presence;
    bool resync; /* the connection was lost since all entries were last said */
    int64_t reap_from_ms;
    unsigned reaping; /* rooms of the dead that are being gone through */
    bool more_dead;   /* and there are more behind them */
    unsigned tidying; /* pages of our own rooms that are being gone through */
    bool tidy_again;  /* once more when that is done */
    char tidy_cursor[PRESENCE_CURSOR_MAX];
    struct wheel_timer say;      /* set while entries are being said again; */
    struct presence_who *to_say; /* … those */
    size_t to_say_count, said;
    bool announce; /* … and announced */
    bool ending;   /* at the end nobody is left there to hand our entries to: answers are counted */
};

struct presence {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    char entry[PRESENCE_ENTRY_MAX];
    struct map rooms; /* conversation → struct presence_room */
    struct map asks;  /* conversation → struct asks: who waits for a list that is being read */
    struct wheel_timer lease, reap;
    struct registry registries[REDIS_SERVERS_MAX]; /* bus_servers of them */
    bool finishing;                                /* presence_finish was called */
    void (*done)(void *arg);
    void *done_arg;
    unsigned outstanding; /* answers that presence_finish waits for */
};

/* Nobody is told who comes to and goes from an inbox, which only says that its user is online. */
static inline bool presence_is_silent(uint64_t conversation)
{
    return conversation >> 63;
}
/* The key of who is in a conversation; empty for an inbox. */
void presence_here(const struct presence *presence, uint64_t conversation, char out[PRESENCE_KEY_MAX]);

/* ---- presence.c ---- */

/* Tells or stores, as the encoding has it, that somebody came first or went last. */
void presence_announce(struct presence *presence, enum message_kind kind, uint64_t conversation,
                       enum encoding_id encoding, const struct member *member);
/* Who is present has changed: our clients and the other relays want to know. */
void presence_tell(struct presence *presence, uint64_t conversation);
/* The one that the conversation is on. */
struct registry *presence_registry(struct presence *presence, uint64_t conversation);
/* Says every entry of this relay on that server again; and again those leaves that nobody confirmed. Some at a time, so
 * that others are served meanwhile; begun anew if that is called again before it is done. */
void presence_say_all(struct registry *registry, bool announce_them);
/* Says nothing more. */
void presence_say_stop(struct registry *registry);
void presence_say_init(struct registry *registry);
/* Has the room no entry of ours that is to be in Redis. */
bool presence_is_empty(struct presence *presence, uint64_t conversation);
/* The user's entry of this relay is to be in Redis. */
bool presence_is_sure(struct presence *presence, uint64_t conversation, uint64_t user);
/* Takes an entry out of Redis that nobody here knows of, without a word to anybody. */
void presence_say_forgotten(struct presence *presence, uint64_t conversation, uint64_t user);
/* Takes the entry out of Redis. The present is freed once that is confirmed. */
void presence_say_leave(struct present *present, bool announce_it);
/* Frees it, and the room if it was the last and nothing is being fetched for it. */
void presence_room_free(struct presence_room *room);

/* ---- presence_list.c ---- */

void presence_list_init(struct presence_room *room);
void presence_list_fini(struct list *list);
/* A list is to be fetched and shown, now or when the last one was shown long enough ago. */
void presence_list_due(struct presence_room *room);
/* Whether, as Redis last said, the user has an entry of another relay. */
bool presence_is_elsewhere(const struct presence_room *room, uint64_t user);
/* Reads one entry of a room's HASH; `field` ends with a NUL, the texts stay in `value`. */
bool presence_read_entry(const char *field, struct str value, struct str own_entry, struct listed *listed);

/* ---- presence_lease.c ---- */

void presence_lease_init(struct presence *presence);
/* The connection to that server was lost and is back: entries are said again. */
void presence_lease_renew(struct presence *presence, size_t server);
/* One answer that presence_finish waits for has come. */
void presence_settle(struct presence *presence);

#endif
