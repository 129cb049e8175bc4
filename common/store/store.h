/* store.h: what lasts. Every SQL text of the product stands in store.c, store_journal.c,
 * store_schema.c and sql/. A store is one database connection and belongs to one thread.
 *
 * Any call may fail with ERR_DOWN (nothing was done), any that writes with ERR_UNKNOWN (the connection broke before the
 * answer came: it may have been done). */
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

/* user.realm: whose names. Stored: never renumber. */
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
/* Before a request or a look-up that relies on nothing before it: a connection that the server has ended
 * since is made anew, instead of failing it. */
void store_refresh(struct store *store);
/* From here to store_unpin, what is under way stays with one connection: once that has answered, every call that comes
 * after its end fails with ERR_DOWN, instead of reading or writing by numbers that were looked up before in what may be
 * another state of the database. store_journal finds out through a new one what became of a COMMIT, and stores nothing. */
void store_pin(struct store *store);
/* The same from the connection that it has now, or makes for this: store_connection says which it is before anything is read
 * or written through it. ERR_DOWN: there is none, and nothing is pinned. */
enum err store_pin_now(struct store *store) CG_MUST_CHECK;
void store_unpin(struct store *store);
/* Whether there is a connection that the server has not ended, as far as can be told without asking it. */
bool store_is_connected(const struct store *store);
/* How often something was written for good through it, or may have been: whoever fails after this has grown has not
 * failed without a trace. */
uint64_t store_writes(const struct store *store);
/* The process' connections are numbered in the order in which they were made. Which one this store has, or had last (0:
 * none); and the latest of all, which any thread may ask for. */
uint64_t store_connection(const struct store *store);
uint64_t store_latest_connection(void);
/* Asks the server for a sign of life. */
enum err store_ping(struct store *store) CG_MUST_CHECK;
const char *store_error(const struct store *store);

/* ---- Chatrooms: users and rooms (store_join.h: joining them) ---- */

enum err store_count_rooms(struct store *store, uint64_t *count) CG_MUST_CHECK;
/* Appends the name; ERR_NOT_FOUND for an unknown public id. */
enum err store_room_name(struct store *store, struct str room_id, struct buf *name) CG_MUST_CHECK;
enum err store_user_name(struct store *store, struct str user_id, struct buf *name) CG_MUST_CHECK;

/* What a connection needs to know of its user and room. */
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
/* What it returns but ERR_OK it has set as each one's err, too. `count` is at least 1. */
enum err store_memberships(struct store *store, struct store_membership_asked *asked, size_t count) CG_MUST_CHECK;

/* ---- Messages ---- */

typedef void store_message_fn(void *arg, const struct message *message);

/* Messages with after < seq < before, ascending: the `limit` highest of them if `latest`, else the
 * lowest. The message's texts are valid until the callback returns. */
struct store_range {
    uint64_t conversation, after, before;
    unsigned limit;
    bool latest;
    bool said; /* with `latest`: of them only what somebody said (message_is_said), as store_passing_read_said finds it;
                * `before` is then about where there are messages */
    bool authors; /* with who they are to the application: author_id and author_face */
};
enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn,
                    void *arg) CG_MUST_CHECK;

/* The same for `count` ranges in one statement: everything that lies in them; `limit` and `latest` are not looked at.
 * Ascending within each range; a message that lies in several is given for each. */
typedef void store_ranged_fn(void *arg, size_t range, const struct message *message);
enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg) CG_MUST_CHECK;

/* What somebody has seen of a conversation: its message `seq`, stored by the transaction `batch`. seq 0: nothing. */
struct store_anchor {
    uint64_t conversation, seq, batch; /* given */
    uint64_t tail;                     /* set: the last number there is; 0 also if there is no such conversation */
    uint64_t trimmed, forgets; /* set: everything up to that number is gone; how often something else went, which
                                        * was erased or removed (store_life.h) */
    bool lost;                 /* set: the database does not know of it, or of another message in its place */
};

/* Compares with what is stored, in two statements whatever the `count`; puts them into another order. A message that
 * was deleted alone is not lost: it is if the conversation's counter does not reach it. */
enum err store_compare(struct store *store, struct store_anchor *anchors, size_t count) CG_MUST_CHECK;

enum err store_epoch(struct store *store, uint64_t *epoch) CG_MUST_CHECK;

/* ---- The journal's transaction (store_journal.c) ---- */

struct store_app_event;

struct store_post {
    struct message message;        /* conversation, sender, kind, texts given; seq and at_ms are set, and author_id and
                             * author_face of what is new: borrowed from the store until its next store_journal */
    struct store_app_event *event; /* given, of message_is_change: what is changed with it; the content is set */
    uint64_t of_epoch; /* given: in which its conversation and sender are what their numbers say; 0: the present one */
    uint64_t epoch;    /* set: the one that the transaction saw which stored it, or refused it; 0: none did */
    enum err err;      /* ERR_OK: stored under message.seq */
    bool repeated;     /* it had been stored before, under the same client_id; a reaction or a change: it is so
                        * already, and message.seq is 0 */
    uint64_t lost_seq; /* the journal's own: what it was to get by a COMMIT that had no answer */
    int64_t lost_at_ms;
    bool of_app; /* the journal's: its sender may be a user of the application */
    uint64_t of; /* the journal's: which message an edit or a recall is about */
    struct {     /* the journal's: what is stored under its client_id; seq 0: nothing (store_repeats.h) */
        uint64_t seq;
        int64_t at_ms;
        bool same; /* and it says the same */
    } earlier;
    bool twin; /* the journal's: one before it in the batch has its client_id */
};

/* Stores all posts in one transaction with a constant number of statements: takes the numbers from
 * the conversations' rows, locked in order of id; inserts; commits. Posts of one conversation get
 * numbers in the order given. Sets each post's err:
 *   ERR_OK       stored, or found to be stored already (`repeated`);
 *   ERR_NOT_FOUND no such conversation; or an edit or a recall of what is not there, or recalled; or a change of
 *                 whom there is not;
 *   ERR_TOO_BIG  a reaction, and the message has as many different ones as it takes;
 *   ERR_INVALID  it answers what there is not (message.reply_to);
 *   ERR_DENIED   an edit or a recall of what is not the sender's own, or cannot be changed;
 *   ERR_DUPLICATE the client_id was used for something else: another command, or the same one saying another thing;
 *   ERR_DOWN     not stored: the database cannot be used now, or is of another epoch than `of_epoch`;
 *   ERR_UNKNOWN  the connection broke during COMMIT and no answer could be had within
 *                `patience_ms`: stored or not;
 *   ERR_INTERNAL the database refused this post for good (others of the batch are not harmed).
 * Returns ERR_OK if every post was answered by the database. Blocks.
 *
 * On a new connection it first looks for the last message that it stored itself. If that is gone, the database was put
 * back to an older state: it begins a new epoch, and refuses the batch with ERR_DOWN, because what the posts speak of was
 * looked up before. */
enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms) CG_MUST_CHECK;
/* How long the last store_journal was at work with its conversations locked: all attempts, but neither waiting for the
 * locks nor COMMIT, which cost the same for few posts as for many. */
int64_t store_journal_ms(const struct store *store);
/* How long its COMMITs took, which cost more for more bytes. */
int64_t store_journal_commit_ms(const struct store *store);

/* ---- Schema and health (store_schema.c) ---- */

/* Applies the migrations in `dir` that have not been applied, in order, under a lock. Calls `said`
 * with a line for each. */
typedef void store_line_fn(void *arg, const char *line);
enum err store_migrate(struct store *store, const char *dir, store_line_fn *said, void *arg,
                       char why[256]) CG_MUST_CHECK;

/* Begins a new epoch: to be called when the database was put back to an older state, so that no client takes a number
 * of the lost time for one of the new. The new epoch is one that no other state of the database ever had. */
enum err store_raise_epoch(struct store *store, uint64_t *epoch) CG_MUST_CHECK;

/* The same, if it still is `from`, to one above `above`, too: of many who have noticed the same, one begins it. *epoch
 * is what it is then, whoever it was. */
enum err store_raise_epoch_from(struct store *store, uint64_t from, uint64_t above, uint64_t *epoch) CG_MUST_CHECK;

/* Looks for missing or doubled numbers and for counters that disagree with the rows. Each finding is
 * a line; *findings counts them. */
enum err store_check(struct store *store, store_line_fn *found, void *arg, uint64_t *findings) CG_MUST_CHECK;

/* What Chaguan's promises need of the server: a commit is on the disk before it is answered, and before anybody else can
 * read it (deploy/mariadb.cnf says how). Calls `said` with a line for each variable that is not as it must be. */
enum err store_conditions(struct store *store, store_line_fn *said, void *arg) CG_MUST_CHECK;

struct store_stats {
    uint64_t users, conversations, members, messages, epoch, schema;
};
enum err store_stats(struct store *store, struct store_stats *stats) CG_MUST_CHECK;

#endif
