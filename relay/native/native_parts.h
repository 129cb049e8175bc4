/* native_parts.h: the native protocol as its own files see it.
 *
 *   native.c         a connection's life; which command is which; answers; hello
 *   native_rooms.c   the conversations of a connection: looked up, joined, left
 *   native_catchup.c what was missed before they were joined
 *   native_send.c    what is stored: send, edit, recall; and typing
 *   native_ask.c     what is looked up: history, read markers, unread, members
 *   native_acts.c    the application's conversations: mine, made, who is in them
 *   native_search.c  looking for messages
 *   native_encode.c  how events look */
#ifndef CG_RELAY_NATIVE_NATIVE_PARTS_H
#define CG_RELAY_NATIVE_NATIVE_PARTS_H

#include "common/json.h"
#include "common/store/store_native.h"
#include "relay/core/catchup.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/native/native.h"
#include "relay/core/postings.h"
#include "relay/db/db_pool.h"

#include <sys/queue.h>

enum {
    NATIVE_ROOMS_AT_ONCE = 100, /* that one hello or one unread may name */
    NATIVE_MISSED_MAX = 1000,   /* events that are caught up with; past it the client pages */
    NATIVE_WAITING_MAX = 256,   /* commands of a connection that wait for a look-up or for its room; as many again wait
                                   for the journal (POSTINGS_MAX) */
    NATIVE_ASKED_MAX = 16,      /* look-ups of a connection on their way */
    NATIVE_NO_ID = -1,
    NATIVE_RETRY_MS = 1000,
    NATIVE_ID_MAX = APP_ID_MAX + 1, /* of a conversation as a client names it, with its NUL */
};

struct native;
struct native_room;

/* A command that was let in. `re`: its id, or NATIVE_NO_ID. */
typedef void native_handler(struct native *native, int64_t re, struct json_object *object);
typedef void native_room_handler(struct native_room *room, int64_t re, struct json_object *object);

/* A command that waits for its room. */
struct native_waiting {
    STAILQ_ENTRY(native_waiting) link;
    native_room_handler *handle;
    int64_t re;
    struct json_object *object; /* owned */
};

/* Where a client says that it stands. */
struct native_cursor {
    bool given;
    uint64_t epoch, seq;
};

/* A conversation that a connection has named: from the first look-up on. One has two names, a public id and the
 * application's; whichever comes later is its alias. */
struct native_room {
    struct native *native;
    SLIST_ENTRY(native_room) link;
    char *alias;  /* NULL: none was used */
    bool looking; /* it is being looked up, or looked up again for a join */
    bool fresh;   /* it just was: for the command that asked for it */
    struct {
        uint64_t conversation; /* 0: not known yet */
        uint64_t seq, read_seq;
        enum store_kind kind;
        enum store_member_role role;
        char *space;              /* a space's name; NULL for others */
    } membership;                 /* as looked up last: struct store_native_membership */
    const struct job *mentioning; /* whom a message mentions is being looked up; NULL: nothing is */
    STAILQ_HEAD(, native_waiting) waiting;
    int64_t typed_ms; /* wheel time; 0: never */

    /* joining */
    bool coming;   /* a subscription was asked for */
    bool in_hello; /* the answer to hello tells of it */
    bool joined;   /* it has a subscription and was told so */
    bool presence; /* it wants to be present, and to know who is */
    bool present;
    int64_t join_re;
    struct native_cursor cursor;

    struct catchup catchup;
    uint64_t trimmed; /* everything up to this number is gone */
    bool reset;       /* it starts anew: its cursor was none here, or too far behind */
    bool by_alias;    /* so it is called in the answer to its join */
    char id[];        /* as it was named first */
};

/* The answer to a hello that waits until every room of it has its subscription. */
struct native_hello {
    int64_t re;
    bool beat; /* it asks for beats */
    size_t count;
    struct native_hello_room {
        char id[NATIVE_ID_MAX];
        struct native_cursor cursor;
        bool presence;
        const char *code, *message; /* why not; literals */
    } rooms[];                      /* `count` of them */
};

/* The state of a session. */
struct native {
    struct session *session;
    struct wheel_timer timer;   /* until hello: its deadline */
    struct wheel_timer again;   /* while this relay has not heard of what a client has seen */
    bool asking;                /* hello is being looked up */
    struct native_hello *hello; /* looked up, and waits for its rooms */
    size_t hello_left;          /* those that have neither a subscription nor a refusal yet */
    bool known;                 /* hello was answered */
    uint64_t user;
    char *name, *head, *id, *face; /* one piece of memory; id and face empty: those of no user of the application */
    SLIST_HEAD(, native_room) rooms;
    size_t room_count;
    size_t waiting;           /* commands that wait for their room */
    size_t asked;             /* look-ups on their way */
    struct postings posts;    /* their owner: the conversation */
    struct native_beat *beat; /* NULL: its client did not ask for any */
};

/* An empty event whenever the client has heard nothing for ping_ms: scripts of a browser see no ping frames, so that is
 * how they tell that the network is there. */
struct native_beat {
    struct wheel_timer timer;
    struct session *session;
};

static inline struct native *native_of(struct session *session)
{
    return session->state;
}

/* ---- native.c ---- */

/* Begins an answer {"re":…,"ok":true and ends it; between the two go its fields, each with a comma before it. */
void native_begin(struct buf *out, size_t max, int64_t re);
/* The member `error`; retry_ms 0: it does not say when to try again. */
void native_add_error(struct buf *out, const char *code, const char *message, int64_t retry_ms);
void native_end(struct native *native, struct buf *out);
void native_ok(struct native *native, int64_t re);
/* `code` is a literal. */
void native_refuse(struct native *native, int64_t re, const char *code, const char *message);
/* The same, and when to try again. */
void native_refuse_for(struct native *native, int64_t re, const char *code, const char *message, int64_t retry_ms);
/* `bad_argument`: this field breaks its rule. `field` and `rule` are short. */
void native_refuse_argument(struct native *native, int64_t re, const char *field, const char *rule);
/* What a store's or the journal's failure is called. */
void native_fail(struct native *native, int64_t re, enum err err);
/* The native state of that session, if it still is one and open; NULL else. */
struct native *native_find(uint64_t session_id);
/* Hands a job of the client's to the database pool, or answers `busy` and frees it. */
bool native_look_up(struct native *native, int64_t re, struct job *job);
/* It asked for much: nothing more is read from it, nor carried out of what waits, until that is answered. False: it was
 * told `busy`. */
bool native_begin_much(struct native *native, int64_t re);
void native_end_much(struct native *native);
/* Whether it is to take its answers before it gets others. */
static inline bool native_is_answered(const struct native *native)
{
    return native->session->paused;
}

/* ---- native_rooms.c ---- */

/* Goes on with the commands that waited for an answer to go out. */
void native_carry_on(struct native *native);
/* The same with those that are about this conversation. */
void native_room_carry_on(struct native_room *room);
/* Carries the command out, now or once the conversation that it names is known. */
void native_room_command(struct native *native, int64_t re, struct json_object *object, native_room_handler *handle);
native_room_handler native_join, native_leave;
/* Asks for the subscriptions of a hello whose memberships were looked up: as many as it has rooms. */
void native_join_all(struct native *native, struct native_hello *hello, const struct store_native_wanted *wanted);
/* The answer to join without its id, for either way of joining. */
void native_add_joined(struct buf *out, const struct native_room *room);
/* Whether a client may have named a conversation so. */
bool native_is_id(struct str id);
struct native_room *native_room_of(const struct native *native, uint64_t conversation);
struct native_room *native_room_named(const struct native *native, struct str id);
/* The room was told of as joined: what was missed comes, then what is new. */
void native_go(struct native_room *room);
bool native_read_cursor(struct json_object *object, struct native_cursor *cursor, bool *presence);
void native_rooms_free(struct native *native);
/* An operator put the user out of the conversation: it is told, and left. */
void native_expelled(struct session *session, uint64_t conversation, const char *reason);
void native_joined(struct session *session, struct subscription *sub);
void native_not_joined(struct session *session, uint64_t conversation, enum err err);
void native_on_again(struct wheel_timer *timer);

/* native.c: one more room of the hello has its subscription, or has not; the last one brings the answer. */
void native_hello_settled(struct native *native);

/* ---- native_catchup.c ---- */

extern const struct catchup_kind native_catchup_kind;
/* Goes on with what was missed, as far as the socket takes it. */
void native_catch_up(struct native *native);

/* ---- native_send.c ---- */

native_room_handler native_send, native_edit, native_recall, native_react, native_typing;
void native_posted(struct session *session, uint64_t number, const struct store_post *post);

/* ---- native_ask.c ---- */

native_room_handler native_history, native_read, native_members;
native_handler native_unread;

/* What every look-up carries: its first member. */
struct native_asked {
    struct job job;
    uint64_t session_id, user;
    uint64_t epoch;     /* in which it was asked */
    uint64_t forgotten; /* hub->forgotten then: what is read may be gone since */
    int64_t re;
    bool much; /* its answer may be large: native_begin_much */
};
/* `size` zeroed bytes that begin with it. */
void *native_asked_new(struct native *native, int64_t re, size_t size, void (*work)(struct job *, struct store *),
                       void (*done)(struct job *));
/* Hands it to the pool as one whose answer may be large, or answers `busy`, frees it and is false. */
bool native_look_up_much(struct native *native, struct native_asked *asked);
/* In `done`: whom it is for, if they are still there and it did not fail; else that was said, and native_answered is not to
 * be called. */
struct native *native_asked_by(struct native_asked *asked);
/* After the answer. */
void native_answered(struct native_asked *asked, struct native *native);

/* ---- native_acts.c ---- */

native_handler native_conversations, native_create;
native_room_handler native_invite, native_remove, native_quit;
/* Its own users alone have what the application has for them: false, it was refused. */
bool native_is_of_app(struct native *native, int64_t re);
/* `cursor` of a list from its end; INT64_MAX: none was given. False: it is none. */
bool native_read_next(struct json_object *object, uint64_t *before);

/* ---- native_search.c ---- */

native_handler native_search;

/* ---- native_encode.c ---- */

void native_encode(const struct message *message, struct buf *out);
void native_add_from(struct buf *out, uint64_t user, struct str name, struct str id, struct str face);
/* In the place of messages that were removed: those of these numbers. */
void native_encode_gone(uint64_t conversation, uint64_t first, uint64_t last, struct buf *out);
void native_add_members(struct buf *out, const struct member *members, size_t count);
enum message_kind native_kind(struct str name);          /* 0: none that a client may send */
void native_add_kinds(struct buf *out, const char *key); /* those that one may */

#endif
