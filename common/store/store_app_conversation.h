/* store_app_conversation.h: conversations that an application creates for its users (KIND_APP), their members and
 * roles, and look-ups of every conversation that the application can name. */
#ifndef CG_COMMON_STORE_STORE_APP_CONVERSATION_H
#define CG_COMMON_STORE_STORE_APP_CONVERSATION_H

#include "common/app_claims.h"
#include "common/store/store.h"

struct store_app_conversation {
    uint64_t conversation;
    enum store_kind kind; /* KIND_APP, or a chatroom, a friendship, a space */
    char public_id[ID_MAX];
    char
        name[STORE_NAME_MAX + 1]; /* of KIND_APP the application's id of it, or its public id; else what it is called */
    enum store_app_type type;     /* of KIND_APP */
    char title[APP_NAME_MAX + 1];
    uint64_t seq;                /* its last number */
    int64_t created_ms;          /* Unix time */
    enum store_member_role role; /* of the given user; 0: no member */
    bool is_ending;              /* it was deleted; nobody can join any more */
};

/* Whether it is a valid id for an application's conversation: app_id_ok, and no public id. */
bool store_app_conversation_id_ok(struct str id);

/* By its public id or by the application's. `user` 0: no role is looked up. Appends the application's object to
 * `meta`, unless that is NULL. ERR_NOT_FOUND, also for a deleted one unless `ending`. */
enum err store_app_conversation_find(struct store *store, struct str id, uint64_t user, bool ending,
                                     struct store_app_conversation *found, struct buf *meta) CG_MUST_CHECK;

struct store_app_member {
    uint64_t user;
    enum store_member_role role;
};

struct store_app_new {
    struct str id;        /* empty: the public id */
    struct str public_id; /* the wanted one, which makes the call repeatable; empty: a random one */
    enum store_app_type type;
    struct str title, meta;                 /* empty: none */
    uint64_t created_by;                    /* 0: the application */
    const struct store_app_member *members; /* each user once; of APP_DIRECT two */
    size_t count;

    char name[STORE_NAME_MAX + 1]; /* set: the id by which the new or existing conversation is found */
    bool made;                     /* set: it is new */
};
/* Creates a conversation with its members, or finds the existing one with that id or of these two users. Safe to call
 * concurrently. */
enum err store_app_conversation_make(struct store *store, struct store_app_new *wanted) CG_MUST_CHECK;

/* What is not given stays. */
struct store_app_change {
    bool has_title, has_meta;
    struct str title, meta; /* empty: none */
};
enum err store_app_conversation_patch(struct store *store, uint64_t conversation,
                                      const struct store_app_change *change) CG_MUST_CHECK;

/* Deletes it: nobody can join any more, its members' subscriptions end, and its names become free. Uses many small
 * transactions; call it again after a failure to continue. The caller must publish a revocation (store_rights.h). */
enum err store_app_conversation_delete(struct store *store, const struct store_app_conversation *of) CG_MUST_CHECK;

/* ---- members; changing them: store_app_event.h ---- */

/* 0: no member. */
enum err store_app_member_role(struct store *store, uint64_t conversation, uint64_t user,
                               enum store_member_role *role) CG_MUST_CHECK;

struct store_app_member_line {
    uint64_t user;
    enum store_member_role role;
    enum store_realm realm;
    struct str id;         /* user.name */
    struct str name, face; /* as shown; empty: none was given */
    int64_t joined_ms;
};
typedef void store_app_member_fn(void *arg, const struct store_app_member_line *line);
/* Up to `limit` of them after user `after`, by their numbers. */
enum err store_app_members(struct store *store, uint64_t conversation, uint64_t after, unsigned limit,
                           store_app_member_fn *fn, void *arg) CG_MUST_CHECK;

/* ---- lists ---- */

enum { STORE_APP_LAST_CHARS = 2048, STORE_APP_UNREAD_MAX = 1000, STORE_APP_LAST_AMONG = 200 };
struct store_app_line {
    uint64_t conversation;
    struct str public_id, name, title, meta; /* meta: empty: none */
    enum store_app_type type;
    uint64_t seq;
    enum store_member_role role; /* 0: the list is not of one user */
    bool is_muted;
    struct {
        uint64_t seq, at_ms; /* 0: no message among the latest STORE_APP_LAST_AMONG events */
        enum message_kind kind;
        struct str name, content; /* content: its first STORE_APP_LAST_CHARS characters */
    } last;
    uint64_t unread; /* among the latest STORE_APP_UNREAD_MAX events */
    struct {
        uint64_t user;             /* of APP_DIRECT the other one; 0: none, or one who was erased */
        struct str id, name, face; /* name, face: empty: none was given */
    } partner;
};
typedef void store_app_line_fn(void *arg, const struct store_app_line *line);
/* Up to `limit` conversations of the user with numbers below `before`, newest first. */
enum err store_app_conversations_of(struct store *store, uint64_t user, uint64_t before, unsigned limit,
                                    store_app_line_fn *fn, void *arg) CG_MUST_CHECK;
/* The same of all; role, last and unread are not set. */
enum err store_app_conversations(struct store *store, uint64_t before, unsigned limit, store_app_line_fn *fn,
                                 void *arg) CG_MUST_CHECK;

/* ---- messages ---- */

/* A message's sender, and whether it can be changed. ERR_NOT_FOUND. */
struct store_app_said {
    uint64_t sender; /* 0: nobody */
    enum message_kind kind;
    bool recalled;
    char name[STORE_NAME_MAX + 1]; /* as it was then */
};
enum err store_app_said(struct store *store, uint64_t conversation, uint64_t seq,
                        struct store_app_said *said) CG_MUST_CHECK;

/* Gives the application's ids of those of these users who are its own, in one statement. `count` is at most
 * STORE_KEYS_AT_ONCE. */
typedef void store_app_id_fn(void *arg, uint64_t user, struct str id);
enum err store_app_ids(struct store *store, const uint64_t *users, size_t count, store_app_id_fn *fn,
                       void *arg) CG_MUST_CHECK;
/* The reverse: gives the users' numbers for those ids that exist. */
enum err store_app_numbers(struct store *store, const struct str *ids, size_t count, store_app_id_fn *fn,
                           void *arg) CG_MUST_CHECK;

#endif
