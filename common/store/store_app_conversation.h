/* store_app_conversation.h: conversations that an application makes for its users (KIND_APP), who is in them as what, and
 * whatever conversation the application can name. */
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
    enum store_member_role role; /* of the user that was asked for; 0: no member */
    bool is_ending;              /* it was deleted; nobody gets in any more */
};

/* Whether an application may call a conversation so: app_id_ok, and it cannot be taken for a public id. */
bool store_app_conversation_id_ok(struct str id);

/* By its public id or by the application's. `user` 0: nobody's role is asked. The application's object is appended to `meta`
 * (NULL: not wanted). ERR_NOT_FOUND, also for one that was deleted unless `ending` ones are wanted, too. */
enum err store_app_conversation_find(struct store *store, struct str id, uint64_t user, bool ending,
                                     struct store_app_conversation *found, struct buf *meta) CG_MUST_CHECK;

struct store_app_member {
    uint64_t user;
    enum store_member_role role;
};

struct store_app_new {
    struct str id;        /* empty: the public id */
    struct str public_id; /* what it is to be; empty: a random one. Given again, it is the same conversation */
    enum store_app_type type;
    struct str title, meta;                 /* empty: none */
    uint64_t created_by;                    /* 0: the application */
    const struct store_app_member *members; /* each user once; of APP_DIRECT two */
    size_t count;

    char name[STORE_NAME_MAX + 1]; /* set: how it, or the one that was there, is found again */
    bool made;                     /* set: it is new */
};
/* Makes a conversation with its members, or finds the one that is there: of that id, or of these two. One, however many
 * make it at once. */
enum err store_app_conversation_make(struct store *store, struct store_app_new *wanted) CG_MUST_CHECK;

/* What is not given stays. */
struct store_app_change {
    bool has_title, has_meta;
    struct str title, meta; /* empty: none */
};
enum err store_app_conversation_patch(struct store *store, uint64_t conversation,
                                      const struct store_app_change *change) CG_MUST_CHECK;

/* Ends it: from now on nobody gets in, the subscriptions of its members end, and its names are free. In many small
 * transactions: called again after a failure it goes on. The caller publishes a revocation, as of store_rights.h. */
enum err store_app_conversation_delete(struct store *store, const struct store_app_conversation *of) CG_MUST_CHECK;

/* ---- members: who comes and goes, store_app_event.h ---- */

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
    enum store_member_role role; /* 0: not of one user */
    bool is_muted;
    struct {
        uint64_t seq, at_ms; /* 0: nothing was said among the latest STORE_APP_LAST_AMONG events */
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
/* Up to `limit` conversations that the user is a member of, of those below number `before`, the newest first. */
enum err store_app_conversations_of(struct store *store, uint64_t user, uint64_t before, unsigned limit,
                                    store_app_line_fn *fn, void *arg) CG_MUST_CHECK;
/* The same of all; role, last and unread are not set. */
enum err store_app_conversations(struct store *store, uint64_t before, unsigned limit, store_app_line_fn *fn,
                                 void *arg) CG_MUST_CHECK;

/* ---- messages ---- */

/* Who said a message, and whether it can be changed. ERR_NOT_FOUND. */
struct store_app_said {
    uint64_t sender; /* 0: nobody */
    enum message_kind kind;
    bool recalled;
    char name[STORE_NAME_MAX + 1]; /* as it was then */
};
enum err store_app_said(struct store *store, uint64_t conversation, uint64_t seq,
                        struct store_app_said *said) CG_MUST_CHECK;

/* The application's ids of users of it, in one statement; of others none. `count` is at most STORE_KEYS_AT_ONCE. */
typedef void store_app_id_fn(void *arg, uint64_t user, struct str id);
enum err store_app_ids(struct store *store, const uint64_t *users, size_t count, store_app_id_fn *fn,
                       void *arg) CG_MUST_CHECK;
/* The same the other way round: of those ids that there is a user of. */
enum err store_app_numbers(struct store *store, const struct str *ids, size_t count, store_app_id_fn *fn,
                           void *arg) CG_MUST_CHECK;

#endif
