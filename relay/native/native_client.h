/* native_client.h: a connection of the native protocol: its state, its answers and refusals, and its conversations. For the
 * protocol's files only. Loop thread only.
 *
 *   native.c         a connection's life; the table of commands; answers; hello
 *   native_rooms.c   the conversations of a connection: looked up, joined, left
 *   native_catchup.c messages missed before joining
 *   native_send.c    commands that store: send, edit, recall; and typing
 *   native_ask.c     commands that look up: history, read markers, unread, members
 *   native_acts.c    the application's conversations: listing, creating, members
 *   native_search.c  searching messages
 *   native_encode.c  encodes events */
#ifndef CG_RELAY_NATIVE_NATIVE_CLIENT_H
#define CG_RELAY_NATIVE_NATIVE_CLIENT_H

#include "common/json.h"
#include "common/store/store_native.h"
#include "relay/core/catchup.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/core/postings.h"
#include "relay/db/db_pool.h"

#include <sys/queue.h>

enum {
    NATIVE_ROOMS_AT_ONCE = 100, /* in one hello or one unread */
    NATIVE_MISSED_MAX = 1000,   /* events sent by a catch-up; past that the client pages */
    /* Commands of a connection that wait for a look-up or a room; as many more may wait for the journal
     * (POSTINGS_MAX). */
    NATIVE_WAITING_MAX = 256,
    NATIVE_ASKED_MAX = 16, /* look-ups of a connection in flight */
    NATIVE_NO_ID = -1,
    NATIVE_RETRY_MS = 1000,
    NATIVE_ID_MAX = APP_ID_MAX + 1, /* bytes of a conversation's id as clients write it, with its NUL */
};

struct native;
struct native_room;

/* Handles a command that passed the checks. `re`: its id, or NATIVE_NO_ID. */
typedef void native_handler(struct native *native, int64_t re, struct json_object *object);
typedef void native_room_handler(struct native_room *room, int64_t re, struct json_object *object);

/* A command that waits until its room is known. */
struct native_waiting {
    STAILQ_ENTRY(native_waiting) link;
    native_room_handler *handle;
    int64_t re;
    struct json_object *object; /* owned */
};

/* The cursor that a client sent. */
struct native_cursor {
    bool given;
    uint64_t epoch, seq;
};

/* A conversation that the connection has named; kept from the first look-up on. It may be named by its public id or by
 * the application's id; the one used second is its alias. */
struct native_room {
    struct native *native;
    SLIST_ENTRY(native_room) link;
    char *alias;  /* NULL: none was used */
    bool looking; /* a look-up is in flight, the first one or one for a join */
    bool fresh;   /* the look-up has just finished, for the command that started it */
    struct {
        uint64_t conversation; /* 0: not known yet */
        uint64_t seq, read_seq;
        enum store_kind kind;
        enum store_member_role role;
        char *space;              /* a space's name; NULL for others */
    } membership;                 /* from the last look-up: struct store_native_membership */
    const struct job *mentioning; /* the look-up of a message's mentions; NULL: none is in flight */
    STAILQ_HEAD(, native_waiting) waiting;
    int64_t typed_ms; /* wheel time; 0: never */

    /* joining */
    bool coming;   /* a subscription is pending */
    bool in_hello; /* part of the answer to hello */
    bool joined;   /* subscribed, and the client was told */
    bool presence; /* the client takes part in presence and gets member lists */
    bool present;
    int64_t join_re;
    struct native_cursor cursor;

    struct catchup catchup;
    uint64_t trimmed; /* everything up to this number is gone */
    bool reset;       /* its cursor was void or too far behind, so it starts from the present */
    bool by_alias;    /* the answer to join names it by `alias` */
    char id[];        /* the id that was used first */
};

/* A hello whose answer waits until all its rooms are subscribed or refused. */
struct native_hello {
    int64_t re;
    bool beat; /* the client asks for beats */
    size_t count;
    struct native_hello_room {
        char id[NATIVE_ID_MAX];
        struct native_cursor cursor;
        bool presence;
        const char *code, *message; /* why it is refused; literals */
    } rooms[];                      /* `count` of them */
};

/* The state of a session. */
struct native {
    struct session *session;
    struct wheel_timer timer;   /* the deadline for hello */
    struct wheel_timer again;   /* retries while this relay is behind the client's cursor */
    bool asking;                /* hello is being looked up */
    struct native_hello *hello; /* a hello that waits for its rooms */
    size_t hello_left;          /* what of `hello` is pending: rooms, the inbox */
    bool known;                 /* hello was answered */
    uint64_t user;
    char *name, *head, *id, *face; /* one allocation; id and face are empty unless it is an application's user */
    SLIST_HEAD(, native_room) rooms;
    size_t room_count;
    size_t waiting;           /* number of commands that wait for their room */
    size_t asked;             /* number of look-ups in flight */
    struct postings posts;    /* owner: the conversation */
    struct native_beat *beat; /* NULL: the client did not ask for beats */
};

/* Sends an empty event whenever nothing was sent for ping_ms. Scripts in a browser do not see ping frames; this shows
 * them that the connection is alive. */
struct native_beat {
    struct wheel_timer timer;
    struct session *session;
};

static inline struct native *native_of(struct session *session)
{
    return session->state;
}

/* Begins an answer, {"re":…,"ok":true, and ends it. Its other members are written in between. */
void native_begin(struct buf *out, size_t max, int64_t re);
/* Appends the member `error`. retry_ms 0: without a time to retry. */
void native_add_error(struct buf *out, const char *code, const char *message, int64_t retry_ms);
void native_end(struct native *native, struct buf *out);
void native_ok(struct native *native, int64_t re);
/* `code` is a literal. */
void native_refuse(struct native *native, int64_t re, const char *code, const char *message);
/* The same, with a time to retry. */
void native_refuse_for(struct native *native, int64_t re, const char *code, const char *message, int64_t retry_ms);
/* Refuses with `bad_argument`: the field breaks the rule. Both texts must be short. */
void native_refuse_argument(struct native *native, int64_t re, const char *field, const char *rule);
/* Refuses with the code for a failure of the store or the journal. */
void native_fail(struct native *native, int64_t re, enum err err);
/* The state of that session; NULL if it has ended, is closing or is no native one. */
struct native *native_find(uint64_t session_id);
/* Gives a client's job to the database pool. False: answered `busy` and freed the job. */
bool native_look_up(struct native *native, int64_t re, struct job *job);
/* Starts a large request: no further command of the client is read or carried out until it is answered. False: refused
 * with `busy`. */
bool native_begin_much(struct native *native, int64_t re);
void native_end_much(struct native *native);
/* Whether commands must wait until the client has taken its answers. */
static inline bool native_is_answered(const struct native *native)
{
    return native->session->paused;
}

/* One more room of the hello was subscribed or refused; the last one sends the answer. */
void native_hello_settled(struct native *native);

/* ---- native_rooms.c ---- */

/* Carries out the commands that waited for an answer to be sent. */
void native_carry_on(struct native *native);
/* The same for the commands of one conversation. */
void native_room_carry_on(struct native_room *room);
/* Carries out a command, now or when the conversation that it names was looked up. */
void native_room_command(struct native *native, int64_t re, struct json_object *object, native_room_handler *handle);
/* Requests the subscriptions of a hello. `wanted` has a looked-up membership for each of its rooms. */
void native_join_all(struct native *native, struct native_hello *hello, const struct store_native_wanted *wanted);
/* Appends a join's answer, for the commands join and hello. */
void native_add_joined(struct buf *out, const struct native_room *room);
/* Whether `id` has the form of a conversation's id. */
bool native_is_id(struct str id);
struct native_room *native_room_of(const struct native *native, uint64_t conversation);
struct native_room *native_room_named(const struct native *native, struct str id);
/* The client was told that it joined: sends missed messages, then live ones. */
void native_go(struct native_room *room);
bool native_read_cursor(struct json_object *object, struct native_cursor *cursor, bool *presence);
void native_rooms_free(struct native *native);
/* Implements protocol->expelled: tells the client and ends the subscription. */
void native_expelled(struct session *session, uint64_t conversation, const char *reason);
void native_joined(struct session *session, struct subscription *sub);
void native_not_joined(struct session *session, uint64_t conversation, enum err err);
void native_on_again(struct wheel_timer *timer);

/* ---- native_catchup.c ---- */

extern const struct catchup_kind native_catchup_kind;
/* Continues all catch-ups as far as the socket takes data. */
void native_catch_up(struct native *native);

#endif
