/* store_import.h: imports exported data (docs/export.md). Rows that exist already are left unchanged and reported as
 * such, so every function here may be repeated after a failure. */
#ifndef CG_COMMON_STORE_STORE_IMPORT_H
#define CG_COMMON_STORE_STORE_IMPORT_H

#include "common/app_claims.h"
#include "common/store/store_life.h"

/* *made: it is new. `created_ms`, here and below: Unix time. */
enum err store_import_user(struct store *store, const struct app_claims *claims, int64_t created_ms, uint64_t *user,
                           bool *made) CG_MUST_CHECK;

/* Without members. */
struct store_import_conversation {
    struct str id;        /* the application's; or as `public_id` */
    struct str public_id; /* empty: a new one. Of one that has an id, a wish */
    enum store_app_type type;
    struct str title, meta; /* empty: none */
    uint64_t created_by;    /* 0: the application */
    uint64_t pair[2];       /* of APP_DIRECT; 0: is not there any more */
    int64_t created_ms;
    struct store_life life; /* with `trimmed`: its messages get the numbers after that */
};
/* ERR_DUPLICATE: there is a conversation of another type with that id, or another one of these two users. */
enum err store_import_conversation(struct store *store, const struct store_import_conversation *wanted,
                                   uint64_t *conversation, bool *made) CG_MUST_CHECK;

struct store_import_message {
    uint64_t from_seq; /* its number in the export */
    struct message
        message; /* sender, sender_name, kind, at_ms, content, recalled, and extra but `reply_to` and `mentions`; conversation
                             * and seq are set, at_ms is set to no less than that of the message before it.
                             * Of an edit, a recall or a reaction, `content` is the new text or the emoji, and its own
                             * is written here */
    struct str mentions; /* a JSON list of users' numbers; empty: nobody */
    uint64_t reply_to;   /* by the other one's number there; 0: to none */
    uint64_t of;         /* of an edit, a recall or a reaction, likewise */
    bool has_content;    /* it says the text, as no later one took its place; or the emoji, … */
    bool on;             /* … and this of it */
    enum err err;        /* set: ERR_NOT_FOUND: the message it refers to was not imported, so it was left out */
    bool known;          /* set: it was imported before */
    bool late, cut;      /* set: its time was raised; the message it answers was not imported */
};
enum { IMPORT_AT_ONCE = 200 };
/* Stores messages under the next numbers, in order, in one transaction. `count` is at most IMPORT_AT_ONCE.
 * ERR_NOT_FOUND: there is no such conversation of the application's. */
enum err store_import_messages(struct store *store, uint64_t conversation, struct store_import_message *messages,
                               size_t count) CG_MUST_CHECK;

/* `read`: the exported number of the last message that the user has read. Members removed a short time ago are not
 * added again. */
struct store_import_member {
    uint64_t conversation, user, read;
    enum store_member_role role;
    int64_t joined_ms;
};
enum err store_import_member(struct store *store, const struct store_import_member *member, bool *made) CG_MUST_CHECK;

/* `seq` as above. ERR_NOT_FOUND: that message was not imported. */
enum err store_import_reaction(struct store *store, uint64_t conversation, uint64_t seq, uint64_t user,
                               struct str emoji, bool *made) CG_MUST_CHECK;

#endif
