/* store_sql.h: the prepared statements, for store.c and its siblings only. */
#ifndef CG_COMMON_STORE_STORE_SQL_H
#define CG_COMMON_STORE_STORE_SQL_H

#include "common/store/db.h"
#include "common/rights.h"
#include "common/store/store.h"

enum statement {
    SQL_ADD_ROOM,
    SQL_ADD_USER,
    SQL_SET_HEAD,
    SQL_ADD_MEMBER,
    SQL_COUNT_ROOMS,
    SQL_ROOM_NAME,
    SQL_USER_NAME,
    SQL_MEMBERSHIP,
    SQL_READ_FORWARD,
    SQL_READ_LATEST,
    SQL_RUNS_BEFORE,
    SQL_READ_FORWARD_BY,
    SQL_READ_LATEST_BY,
    SQL_LIFE,
    SQL_SET_LIFE,
    SQL_LIFE_LOOK,
    SQL_LIFE_OLD,
    SQL_LIFE_RUN,
    SQL_LIFE_MEDIA,
    SQL_LIFE_REACTIONS,
    SQL_LIFE_MESSAGES,
    SQL_LIFE_RUNS,
    SQL_LIFE_TRIMMED,
    SQL_LIFE_PASSED,
    SQL_EPOCH,
    SQL_FIND_BATCH,
    SQL_ADD_MESSAGE,
    SQL_SET_SEQ,
    SQL_FRIEND_SELF,
    SQL_FRIENDSHIPS,
    SQL_SPACE_MEMBERSHIP,
    SQL_FIND_USER,
    SQL_FIND_CONVERSATION,
    SQL_ADD_PAIR,
    SQL_CUSTOMER_PAIR,
    SQL_CUSTOMER_NAME,
    SQL_SET_CUSTOMER,
    SQL_TAKE_MEDIA_BYTES,
    SQL_ADD_MEDIA,
    SQL_LIST_MEDIA,
    SQL_MEDIA_MESSAGES,
    SQL_MEDIA_AVATARS,
    SQL_MEDIA_USERS,
    SQL_MEDIA_CONVERSATIONS,
    SQL_REMOVE_MEDIA,
    SQL_OWN_MEDIA,
    SQL_GONE_MEDIA,
    SQL_LOGIN,
    SQL_ADD_CREDENTIAL,
    SQL_FRIEND_PAIR,
    SQL_FRIEND_COUNT,
    SQL_FRIEND_LIST,
    SQL_FRIEND_MEMBERSHIP,
    SQL_SET_READ,
    SQL_SPACE_USER,
    SQL_SPACE_BY_NAME,
    SQL_SPACE_SEEN,
    SQL_SPACE_MEMBERS,
    SQL_RECORDS_FORWARD,
    SQL_RECORDS_LATEST,
    SQL_SPACE_LOCK,
    SQL_SPACE_TWO,
    SQL_FIND_TRANSFER,
    SQL_GIVE_SCORE,
    SQL_TAKE_SCORE,
    SQL_IO_RECENT,
    SQL_SECRET,
    SQL_NATIVE_USER,
    SQL_NATIVE_MEMBERSHIPS,
    SQL_UNREAD,
    SQL_ENTER_PUBLIC,
    SQL_EMPTY_REVISION,
    SQL_REVISE,
    SQL_ADD_REACTION,
    SQL_REMOVE_REACTION,
    SQL_REACTIONS,
    SQL_SANCTIONS_ACTIVE,
    SQL_SANCTIONS_NOW,
    SQL_SANCTIONS_CHANGED,
    SQL_SANCTIONED,
    SQL_ADD_SANCTION,
    SQL_LIFT_SANCTION,
    SQL_MODERATED_FIND,
    SQL_MODERATED_LIST,
    SQL_MODERATED_ROOM,
    SQL_SANCTION_LINES,
    SQL_RIGHTS_LOCK,
    SQL_RIGHTS_RAISE,
    SQL_ADD_REVOCATION,
    SQL_REMOVE_MEMBER,
    SQL_OLD_REVOCATIONS,
    SQL_ERASED_LATELY,
    SQL_APP_USER,
    SQL_SET_APP_USER,
    SQL_ANY_ACCOUNT,
    SQL_LOCK_INVITE,
    SQL_USE_INVITE,
    SQL_ADD_INVITE,
    SQL_OLD_INVITES,
    SQL_APP_USER_OF,
    SQL_KEYS_LOCK,
    SQL_KEY_NAMED,
    SQL_ADD_KEY,
    SQL_REVOKE_KEY,
    SQL_FIND_KEY,
    SQL_KEY_USED,
    SQL_KEYS,
    SQL_APP_BY_PUBLIC_ID,
    SQL_APP_BY_NAME,
    SQL_APP_PAIR,
    SQL_APP_NAMED,
    SQL_ADD_APP_CONVERSATION,
    SQL_ADD_APP_MEMBER,
    SQL_SET_APP_CONVERSATION,
    SQL_END_APP_CONVERSATION,
    SQL_FREE_APP_NAME,
    SQL_FREE_APP_PAIR,
    SQL_LOCK_CONVERSATION,
    SQL_SOME_MEMBERS,
    SQL_SET_ROLE,
    SQL_ROLE,
    SQL_ROLE_LOCK,
    SQL_APP_OPEN,
    SQL_SHOWN,
    SQL_APP_MEMBERS,
    SQL_APP_CONVERSATIONS_OF,
    SQL_APP_CONVERSATIONS,
    SQL_APP_SAID,
    SQL_ERASE_FIND,
    SQL_ERASE_BEGIN,
    SQL_ERASE_MESSAGES,
    SQL_ERASE_PLACES,
    SQL_ERASE_MEDIA,
    SQL_ERASE_OWNED,
    SQL_ERASE_OWNER,
    SQL_ERASE_FORGET,
    SQL_ERASE_NOTE,
    SQL_ERASE_LATE,
    SQL_ERASE_SETTLED,
    SQL_ERASE_MEMBER,
    SQL_ERASE_REACTIONS,
    SQL_ERASE_ANSWERS,
    SQL_ERASE_CREDENTIAL,
    SQL_ERASE_PROFILE,
    SQL_ERASE_END,
    SQL_CALL_ADD,
    SQL_CALL_FIND,
    SQL_CALL_TAKE,
    SQL_CALL_ANSWER,
    SQL_CALL_RELEASE,
    SQL_CALL_FORGET,
    SQL_CALL_DROP,
    SQL_CALLS_OLD,
    SQL_FEED_ADVANCE,
    SQL_FEED_BEGIN,
    SQL_FEED_ADD,
    SQL_FEED_GAP,
    SQL_FEED_END_GAP,
    SQL_FEED_STREAMS,
    SQL_FEED_READ,
    SQL_FEED_PASS,
    SQL_FEED_PASSED_BY_ALL,
    SQL_FEED_REACHES,
    SQL_FEED_REMOVE,
    SQL_FEED_REMOVE_STREAM,
    SQL_FEED_REMOVE_CURSORS,
    SQL_FEED_JOBS,
    SQL_FEED_TOTAL,
    SQL_JOB_FIND,
    SQL_JOB_ADD,
    SQL_JOB_BEGIN,
    SQL_JOB_CLAIM,
    SQL_JOB_RENEW,
    SQL_JOB_RELEASE,
    SQL_JOB_FORGET,
    SQL_JOB_FORGET_PLACES,
    SQL_EXPORT_USER,
    SQL_EXPORT_USERS,
    SQL_EXPORT_PLACES_OF,
    SQL_EXPORT_PLACES,
    SQL_EXPORT_SAID_THERE,
    SQL_EXPORT_SAID_BEYOND,
    SQL_EXPORT_REACTIONS_OF,
    SQL_EXPORT_REACTIONS,
    SQL_EXPORT_MEMBERS,
    SQL_EXPORT_MEDIA,
    SQL_EXPORT_FILES,
    SQL_IMPORT_FIND_USER,
    SQL_IMPORT_USER,
    SQL_IMPORT_PROFILE,
    SQL_IMPORT_FIND_CONVERSATION,
    SQL_IMPORT_CONVERSATION,
    SQL_IMPORT_TRIMMED,
    SQL_IMPORT_LOCK,
    SQL_IMPORT_RUN,
    SQL_IMPORT_ADD_RUN,
    SQL_IMPORT_LONGER_RUN,
    SQL_IMPORT_MESSAGE,
    SQL_IMPORT_EMPTY,
    SQL_IMPORT_REVISE,
    SQL_IMPORT_MEMBER,
    SQL_IMPORT_REACTION,
    SQL_SEARCH_CONVERSATIONS,
    SQL_SEARCH_PLACES,
    SQL_SEARCH_PLACES_AFTER,
    SQL_JOBS_LEFT,
    SQL_COUNT
};

struct store_authors;

struct store {
    struct db *db;
    struct store_authors *authors;   /* NULL: none was asked for so far */
    enum store_realm chatroom_realm; /* whose users those are who enter a chatroom (settings->doors) */
    int64_t journal_ms;              /* store_journal_ms */
    int64_t journal_commit_ms;       /* store_journal_commit_ms */
    struct {                         /* the last transaction of store_journal that stored something */
        struct store_anchor anchor;  /* a message of it; seq 0: there was none */
        uint64_t epoch, connects;
    } last;
    struct {               /* what this call of store_journal found lost; all 0: nothing */
        uint64_t from, to; /* the epoch of that time; the one that has begun, 0: not yet */
    } put_back;
    struct {             /* what the feed needs of this writer */
        bool on;         /* the setting */
        bool begun;      /* the stream, by the transaction that is open */
        uint64_t stream; /* 0: none so far */
        uint64_t owner;  /* its number for that */

        uint64_t rows_max;   /* the setting; 0: any number */
        bool full;           /* this writer leaves it out */
        bool filling;        /* likewise from the transaction that is open */
        bool ending;         /* not any more, if that one is committed */
        bool telling;        /* that it still does is to be said */
        uint64_t since_look; /* rows written since it was asked how many there are */
        int64_t looked_ms;   /* when that was; 0: never */
        uint64_t left_out;   /* messages of the transaction that is open */
    } feed;
};

/* The epoch, as a column of another statement: it is of the same state of the database as what that reads. */
#define STORE_EPOCH "(SELECT CAST(value AS UNSIGNED) FROM meta WHERE name = 'epoch')"

/* The statements of a protocol stand with its functions, in a table of its own; store.c lists the tables. */
struct store_statement {
    enum statement id;
    const char *text;
};
struct store_statements {
    const struct store_statement *rows;
    size_t count;
};
#define STORE_STATEMENTS(rows) {(rows), sizeof(rows) / sizeof(rows)[0]}
extern const struct store_statements store_read_statements;
extern const struct store_statements store_keys_statements, store_app_conversation_statements;
extern const struct store_statements store_app_erase_statements, store_idempotency_statements;
extern const struct store_statements store_app_event_statements;
extern const struct store_statements store_join_statements, store_memberships_statements, store_pair_statements;
extern const struct store_statements store_customer_statements, store_media_statements;
extern const struct store_statements store_admission_statements, store_login_statements;
extern const struct store_statements store_friends_statements, store_spaces_statements;
extern const struct store_statements store_io_statements, store_native_statements, store_revise_statements;
extern const struct store_statements store_reaction_statements;
extern const struct store_statements store_sanctions_statements, store_rights_statements;
extern const struct store_statements store_accounts_statements;
extern const struct store_statements store_app_user_statements;
extern const struct store_statements store_feed_statements, store_export_statements, store_said_statements;
extern const struct store_statements store_import_statements;
extern const struct store_statements store_search_statements;
extern const struct store_statements store_life_statements;

/* The columns of a user's rights, which store_read_rights wants in this order. */
#define STORE_RIGHTS_COLUMNS(user) \
    user ".rights, " user ".tokens_rights, TIMESTAMPDIFF(SECOND, '1970-01-01', " user ".tokens_at)"
enum { STORE_RIGHTS_COLUMN_COUNT = 3 };
struct rights store_read_rights(const struct db_value *columns);

/* A piece of work that finds out by itself what an earlier attempt has done, so that it may be tried again:
 *     struct store_tries tries = {0};
 *     do
 *         err = once(…);
 *     while (store_again(&tries, &err));
 * After a deadlock and after a lost answer to a commit it is, a few times. Once it is not known whether an attempt was
 * carried out, no failure of a later one says that it was not: *err stays ERR_UNKNOWN. */
struct store_tries {
    int count;
    bool perhaps;
};
bool store_again(struct store_tries *tries, enum err *err);
/* Ends a transaction: commits it, or with an error rolls it back and returns that. */
enum err store_end(struct store *store, enum err err) CG_MUST_CHECK;

/* Copies a row's text into `out` of `size` bytes, with a NUL. What is longer than its column can be is shortened, between
 * two characters, and counted. */
void store_copy(char *out, size_t size, struct str text);
/* What goes into frames as it is: the text of a row if it is JSON, else `instead`, and it is counted. */
struct str store_json(struct str text, const char *instead);
/* For db_query and db_run: puts the first column, a number, or 0 for NULL, into the uint64_t that `arg` is. */
void store_on_number(void *arg, const struct db_value *columns);
/* Whether a row is about one of `count` that were asked for; one that is not is counted. */
bool store_is_asked(uint64_t at, size_t count);

/* Bytes as a literal in text for db_run, and how long it is at most. */
void store_add_hex(struct buf *sql, struct str bytes);
#define STORE_HEX_LEN(len) (2 * (len) + 3)

/* Rows that are asked for by their keys in one statement of ours: as many as every server looks up one by one. */
enum { STORE_KEYS_AT_ONCE = 500 };

/* One row of a derived table (at, user, room) of public ids, which are compared as their columns are; `at` counts from
 * 0. In text for db_run. */
void store_add_asked(struct buf *sql, size_t at, struct str user_id, struct str room_id);
enum { STORE_ASKED_SQL_MAX = 2 * STORE_HEX_LEN(ID_MAX) + 160 };

/* The time of the next message of a conversation whose row is locked: now, but never below `last_ms`, the time of its
 * last message. A relay whose clock is ahead so keeps the others' times up with its own; one that is far ahead is
 * complained of. Any thread. */
int64_t store_next_ms(int64_t last_ms);

/* What others are shown of a user `u`, with its row `a` of app_user if it has one. */
#define STORE_SHOWN    "IF(a.name IS NULL OR a.name = '', u.name, a.name)"
#define STORE_SHOWN_OF " LEFT JOIN app_user a ON a.user = u.id"

/* The kinds of message_is_said. */
#define STORE_KINDS_SAID "1, 4, 5, 6, 7"

/* The columns every message is read with, in the order store_on_message expects. */
#define STORE_MESSAGE_COLUMNS \
    "seq, sender, kind, sender_name, content, COALESCE(sent_text, sent_at), " \
    "CAST(ROUND(UNIX_TIMESTAMP(created_at) * 1000) AS UNSIGNED), client_id, audience, " \
    "revised_by, recalled, batch_id, extra"

enum { STORE_MESSAGE_COLUMN_COUNT = 13 };

/* The application's id and face of the senders of rows `r`, as two columns after all others: store_authors.h. */
#define STORE_AUTHOR_COLUMNS "u.name, a.face"
#define STORE_AUTHORS_OF     " LEFT JOIN user u ON u.id = r.sender AND u.realm = 5 LEFT JOIN app_user a ON a.user = u.id"

/* A db_row_fn for rows of these columns; `arg` is a struct store_reading. */
struct store_reading {
    uint64_t conversation;
    size_t authors; /* where the columns of the author begin; 0: there are none */
    store_message_fn *fn;
    void *arg;
};
void store_on_message(void *reading, const struct db_value *columns);

enum { STORE_SCHEMA_VERSION = 17 };
/* Two numbers: the database's version, this program's. */
#define STORE_NEWER "the schema is newer than this program: it has version %llu, and this program knows %d"

#endif
