/* store.h: the database. Every SQL text of the product is in common/store/ and sql/. A store is one database
 * connection and belongs to one thread.
 *
 * Any call may fail with ERR_DOWN (nothing was done), and any that writes with ERR_UNKNOWN (the connection broke
 * before the answer, so it may have been done). */
#ifndef CG_COMMON_STORE_STORE_H
#define CG_COMMON_STORE_STORE_H

#include "common/err.h"
#include "common/id.h"
#include "common/message.h"
#include "common/settings.h"

struct store;

enum { STORE_NAME_MAX = 256, STORE_HEAD_MAX = 40 };
#define STORE_ROOM_PREFIX         "room_"
#define STORE_USER_PREFIX         "user_"
#define STORE_CONVERSATION_PREFIX "conv_"

/* user.realm: the namespace of users' names. Stored: never renumber. */
enum store_realm { REALM_CHATROOM = 1, REALM_FRIENDS = 2, REALM_CUSTOMERS = 3, REALM_SPACES = 4, REALM_APP = 5 };
/* conversation.kind. Stored: never renumber. */
enum store_kind {
    KIND_CHATROOM = 1,
    KIND_FRIENDS = 2,
    KIND_CUSTOMERS = 3,
    KIND_SPACE = 4,
    KIND_SOCKETIO = 5, /* a namespace, by its name: "/", "/news" */
    KIND_APP = 6,      /* of the application's, by its id, or by its public id */
};
/* app_conversation.type, member.role, server_key.scopes (app_user.role: common/app_claims.h). Stored: never renumber. */
enum store_app_type { APP_GROUP = 1, APP_DIRECT = 2, APP_PUBLIC = 3 };
enum store_member_role { ROLE_OWNER = 1, ROLE_MODERATOR = 2, ROLE_MEMBER = 3, ROLE_READER = 4 };
enum store_scope { SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_ADMIN = 4 };

/* `settings` must outlive the store. Does not connect. */
struct store *store_new(const struct settings *settings);
void store_free(struct store *store);
/* Connects and looks for a schema of this program's version. *why: one line for a person.
 * ERR_DOWN: no server; ERR_INVALID: no or another schema. */
enum err store_ready(struct store *store, char why[256]) CG_MUST_CHECK;
/* To be called before a request or look-up that is independent of earlier ones: if the server has closed the
 * connection, reconnects instead of failing. */
void store_refresh(struct store *store);
/* Until store_unpin, all calls use one connection. If it is lost after it has answered, calls fail with ERR_DOWN: a
 * new connection may lead to an older state of the database, where ids looked up before mean other rows. store_journal
 * may still find out through a new connection whether a COMMIT took effect, but stores nothing. */
void store_pin(struct store *store);
/* The same, but connects first if necessary, so that store_connection is known before anything is read or written.
 * ERR_DOWN: it cannot connect, and nothing is pinned. */
enum err store_pin_now(struct store *store) CG_MUST_CHECK;
void store_unpin(struct store *store);
/* Whether it is connected, as far as is known without a round trip. */
bool store_is_connected(const struct store *store);
/* Counts writes that were committed, or may have been. If it has grown, a failed call may have had an effect. */
uint64_t store_writes(const struct store *store);
/* Connections are numbered within the process. The number of this store's present or last one (0: none); and the
 * highest number, which any thread may read. */
uint64_t store_connection(const struct store *store);
uint64_t store_latest_connection(void);
/* Checks that the server answers. */
enum err store_ping(struct store *store) CG_MUST_CHECK;
const char *store_error(const struct store *store);
/* See db_was_refused. */
bool store_was_refused(const struct store *store);

/* ---- Chatrooms: users and rooms (store_join.h: joining them) ---- */

enum err store_count_rooms(struct store *store, uint64_t *count) CG_MUST_CHECK;
/* Appends the name; ERR_NOT_FOUND for an unknown public id. */
enum err store_room_name(struct store *store, struct str room_id, struct buf *name) CG_MUST_CHECK;
enum err store_user_name(struct store *store, struct str user_id, struct buf *name) CG_MUST_CHECK;

/* A user's membership in a room, with what a connection needs of both. */
struct store_membership {
    uint64_t conversation, user;
    uint64_t seq;        /* the conversation's last */
    uint32_t generation; /* of the user's rights (common/rights.h) */
    bool is_member;
    enum store_realm realm; /* the user's: REALM_APP comes with a token only */
    char user_name[STORE_NAME_MAX + 1];
    size_t user_name_len;
    char head[STORE_HEAD_MAX + 1];
};

enum store_missing { STORE_NO_USER = 1, STORE_NO_ROOM = 2 };
/* ERR_NOT_FOUND with *missing set if the user or the room does not exist. */
enum err store_membership(struct store *store, struct str room_id, struct str user_id,
                          struct store_membership *membership, int *missing) CG_MUST_CHECK;

/* The same for many at once, in one statement. */
struct store_membership_asked {
    struct str room_id, user_id;
    struct store_membership *membership; /* given, and set as above */
    int missing;                         /* set, as `err` is */
    enum err err;
};
/* An error is set in each one's err, too. `count` is at least 1. */
enum err store_memberships(struct store *store, struct store_membership_asked *asked, size_t count) CG_MUST_CHECK;

/* ---- Messages ---- */

typedef void store_message_fn(void *arg, const struct message *message);

/* Messages with after < seq < before, ascending: the `limit` highest of them if `latest`, else the
 * lowest. The message's texts are valid until the callback returns. */
struct store_range {
    uint64_t conversation, after, before;
    unsigned limit;
    bool latest;
    /* With `latest`: only message_is_said, as store_passing_read_said finds them; `before` must be near existing
     * messages. */
    bool said;
    bool authors; /* also read author_id and author_face */
};
enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn,
                    void *arg) CG_MUST_CHECK;

/* The same for `count` ranges in one statement: all messages in them; ignores `limit` and `latest`. Ascending within
 * each range; a message in several ranges is given for each. */
typedef void store_ranged_fn(void *arg, size_t range, const struct message *message);
enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg) CG_MUST_CHECK;

/* A message that was seen in a conversation: number `seq`, stored by the transaction `batch`. seq 0: none. */
struct store_anchor {
    uint64_t conversation, seq, batch; /* given */
    uint64_t tail;                     /* set: the last number there is; 0 also if there is no such conversation */
    /* Set: messages up to `trimmed` were removed; count of other removals, by erasure or retention (store_life.h). */
    uint64_t trimmed, forgets;
    bool lost; /* set: the database does not have it, or has another message with its number */
};

/* Compares anchors with the database, in two statements for any `count`; reorders them. A single deleted message is
 * not `lost`; a message is if the conversation's counter is below its number. */
enum err store_compare(struct store *store, struct store_anchor *anchors, size_t count) CG_MUST_CHECK;

enum err store_epoch(struct store *store, uint64_t *epoch) CG_MUST_CHECK;

/* ---- The journal's transaction (store_journal.c) ---- */

struct store_app_event;

struct store_post {
    struct message message;        /* conversation, sender, kind, texts given; seq and at_ms are set, and author_id and
                             * author_face of what is new: borrowed from the store until its next store_journal */
    struct store_app_event *event; /* given, of message_is_change: what is changed with it; the content is set */
    uint64_t of_epoch; /* given: the epoch in which its conversation and sender ids are valid; 0: the present one */
    uint64_t epoch;    /* set: the epoch read by the transaction that stored or refused it; 0: none did */
    enum err err;      /* ERR_OK: stored under message.seq */
    /* It was stored before, under the same client_id; a reaction or a change that changes nothing: message.seq is 0. */
    bool repeated;
    uint64_t lost_seq; /* the journal's: the number it would have by an unanswered COMMIT */
    int64_t lost_at_ms;
    bool of_app; /* the journal's: its sender may be a user of the application */
    uint64_t of; /* the journal's: which message an edit or a recall is about */
    struct {     /* the journal's: what is stored under its client_id; seq 0: nothing (store_repeats.h) */
        uint64_t seq;
        int64_t at_ms;
        bool same; /* and it says the same */
    } earlier;
    bool twin; /* the journal's: an earlier one in the batch has its client_id */
};

/* Stores all posts in one transaction with a constant number of statements: takes the numbers from
 * the conversations' rows, locked in order of id; inserts; commits. Posts of one conversation get
 * numbers in the order given. Sets each post's err:
 *   ERR_OK       stored, or found to be stored already (`repeated`);
 *   ERR_NOT_FOUND no such conversation; or an edit or a recall of what is not there, or recalled; or a change of
 *                 a user who does not exist;
 *   ERR_TOO_BIG  a reaction, and the message has as many different ones as it takes;
 *   ERR_INVALID it answers a message that does not exist (message.reply_to);
 *   ERR_DENIED   an edit or a recall of what is not the sender's own, or cannot be changed;
 *   ERR_DUPLICATE the client_id was used for something else: another command, or the same one saying another thing;
 *   ERR_DOWN not stored: the database cannot be used now, or its epoch is not `of_epoch`;
 *   ERR_UNKNOWN  the connection broke during COMMIT and no answer could be had within
 *                `patience_ms`: stored or not;
 *   ERR_INTERNAL the database refused this post permanently (others in the batch are not affected).
 * Returns ERR_OK if every post was answered by the database. Blocks.
 *
 * On a new connection it first looks for the last message that it stored. If that is missing, the database was put
 * back to an older state: it begins a new epoch, and refuses the batch with ERR_DOWN, because the posts' ids were
 * looked up before. */
enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms) CG_MUST_CHECK;
/* Milliseconds of the last store_journal with its conversations locked, in all attempts, without waiting for locks and
 * COMMIT, whose time does not depend on the number of posts. */
int64_t store_journal_ms(const struct store *store);
/* Milliseconds of its COMMITs, which depend on the bytes written. */
int64_t store_journal_commit_ms(const struct store *store);

/* ---- Schema and health (store_schema.c) ---- */

/* Applies the migrations in `dir` that have not been applied, in order, under a lock. Calls `said`
 * with a line for each. */
typedef void store_line_fn(void *arg, const char *line);
enum err store_migrate(struct store *store, const char *dir, store_line_fn *said, void *arg,
                       char why[256]) CG_MUST_CHECK;

/* Begins a new epoch, which no other state of the database ever had. To be called after the database was put back to
 * an older state, so that clients do not confuse lost numbers with new ones. */
enum err store_raise_epoch(struct store *store, uint64_t *epoch) CG_MUST_CHECK;

/* The same if the epoch is still `from`, with a new one that is also above `above`, so that only one of several
 * callers begins it. *epoch is the resulting epoch. */
enum err store_raise_epoch_from(struct store *store, uint64_t from, uint64_t above, uint64_t *epoch) CG_MUST_CHECK;

/* Looks for missing or duplicate numbers, and counters that do not match the rows. Calls `found` with a line for each;
 * *findings counts them. */
enum err store_check(struct store *store, store_line_fn *found, void *arg, uint64_t *findings) CG_MUST_CHECK;

/* Checks the server's variables for durability: a commit must be on the disk before it is answered and before others
 * can read it (deploy/mariadb.cnf). Calls `said` with a line for each wrong variable. */
enum err store_conditions(struct store *store, store_line_fn *said, void *arg) CG_MUST_CHECK;

struct store_stats {
    uint64_t users, conversations, members, messages, epoch, schema;
};
enum err store_stats(struct store *store, struct store_stats *stats) CG_MUST_CHECK;

#endif
