/* store_native.h: the native protocol's look-ups: users, memberships, read markers, unread counts. */
#ifndef CG_COMMON_STORE_STORE_NATIVE_H
#define CG_COMMON_STORE_STORE_NATIVE_H

#include "common/app_claims.h"
#include "common/rights.h"
#include "common/store/store_app_event.h"
#include "common/store/store.h"

enum { STORE_UNREAD_MAX = 1000, STORE_UNREAD_AMONG = 5000, STORE_NATIVE_ROWS = 100 };

struct store_native_user {
    uint64_t user;
    enum store_realm realm; /* chatrooms, friends or spaces; customers have no ids of their own */
    bool has_password;
    struct rights rights;
    char name[STORE_NAME_MAX + 1];
    char head[STORE_HEAD_MAX + 1];                   /* a JSON scalar */
    char id[APP_ID_MAX + 1], face[APP_FACE_MAX + 1]; /* of REALM_APP: the application's id and face of the user */
};
/* ERR_NOT_FOUND: no such user. */
enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user) CG_MUST_CHECK;

/* A conversation that the user is a member of: a chatroom, a friendship, a space, or one of the application's. */
struct store_native_membership {
    uint64_t conversation; /* 0: there is none, or the user is no member */
    enum store_kind kind;
    uint64_t seq, read_seq; /* its last number; the user's read marker */
    uint32_t generation;    /* of the user's rights (common/rights.h) */
    enum store_member_role role;
    char name[STORE_NAME_MAX + 1];
};
/* Looks up `count` ids, public ones or the application's; memberships[i] belongs to ids[i]. A round trip for every ten
 * ids, and another one for every STORE_NATIVE_ROWS if some are the application's. */
enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships) CG_MUST_CHECK;

/* Makes a user of the application a member of a public conversation of it. ERR_NOT_FOUND: it is not public. Always
 * sets `event`, the outcome. */
enum err store_native_enter(struct store *store, uint64_t user, struct str id,
                            struct store_app_event *event) CG_MUST_CHECK;

/* A user who arrives with a list of conversations to join: both look-ups in one. */
struct store_native_wanted {
    struct str id;                             /* a public one, or the application's */
    struct store_native_membership membership; /* set */
};
struct store_native_arrival {
    struct str user_id;
    struct store_native_wanted *wanted; /* `count` of them */
    size_t count;

    /* set: */
    enum err err; /* ERR_OK, or ERR_NOT_FOUND: no such user, and no membership is set */
    struct store_native_user user;
};
/* Looks up all arrivals: a round trip for every STORE_NATIVE_ROWS conversations, or users without one, and another one
 * for each user who names some by the application's ids. An error is set in every arrival's err, too. */
enum err store_native_arrivals(struct store *store, struct store_native_arrival *const *arrivals,
                               size_t count) CG_MUST_CHECK;

/* A mentioned user, named by the application's id or by number. */
struct store_mentioned {
    struct str id;
    uint64_t user; /* given if `id` is empty, else set; 0: no member of the conversation */
};
/* Finds which of at most ABOUT_MENTIONS_MAX users are members of the conversation, in one statement. */
enum err store_native_mentioned(struct store *store, uint64_t conversation, struct store_mentioned *mentioned,
                                size_t count) CG_MUST_CHECK;

/* Counts others' messages that are not recalled among the `among` events after number `after`; reads that many rows.
 * Stops at STORE_UNREAD_MAX. */
enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count) CG_MUST_CHECK;
/* Moves the user's read marker to `seq`, never backwards and not past the membership's `seq`. Sets
 * membership->read_seq to the resulting marker. */
enum err store_native_read(struct store *store, uint64_t user, uint64_t seq,
                           struct store_native_membership *membership) CG_MUST_CHECK;

#endif
