/* store_native.h: what the native protocol asks: who somebody is, where they may be, what they have read. */
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
    char id[APP_ID_MAX + 1], face[APP_FACE_MAX + 1]; /* of REALM_APP: the application's id of them, and their face */
};
/* ERR_NOT_FOUND: no such user. */
enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user) CG_MUST_CHECK;

/* A conversation that the user is a member of: a chatroom, a friendship, a space, or one of the application's. */
struct store_native_membership {
    uint64_t conversation; /* 0: there is none, or the user is no member */
    enum store_kind kind;
    uint64_t seq, read_seq; /* its last number; the user's marker */
    uint32_t generation;    /* of the user's rights (common/rights.h) */
    enum store_member_role role;
    char name[STORE_NAME_MAX + 1];
};
/* Looks up `count` ids, public ones or the application's; memberships[i] is what ids[i] names. A round trip for every ten, and
 * one more for every STORE_NATIVE_ROWS if some are the application's. */
enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships) CG_MUST_CHECK;

/* Makes a user of the application a member of a public conversation of it. ERR_NOT_FOUND: it is none. `event` is set in any
 * case: what came of it. */
enum err store_native_enter(struct store *store, uint64_t user, struct str id,
                            struct store_app_event *event) CG_MUST_CHECK;

/* Somebody who comes with the conversations that they want to be in: both of the above in one. */
struct store_native_wanted {
    struct str id;                             /* a public one, or the application's */
    struct store_native_membership membership; /* set */
};
struct store_native_arrival {
    struct str user_id;
    struct store_native_wanted *wanted; /* `count` of them */
    size_t count;

    /* set: */
    enum err err; /* ERR_OK, or ERR_NOT_FOUND: no such user, who is a member of nothing */
    struct store_native_user user;
};
/* Looks up all of them: a round trip for every STORE_NATIVE_ROWS conversations, or users without one, and one more for each
 * who names some as the application does. What it returns but ERR_OK it has set as each arrival's err, too. */
enum err store_native_arrivals(struct store *store, struct store_native_arrival *const *arrivals,
                               size_t count) CG_MUST_CHECK;

/* Somebody whom a message mentions: by the application's id of them, or by their number. */
struct store_mentioned {
    struct str id;
    uint64_t user; /* given if `id` is empty, else set; 0: is not in the conversation */
};
/* Which of them are in the conversation, in one statement: at most ABOUT_MENTIONS_MAX. */
enum err store_native_mentioned(struct store *store, uint64_t conversation, struct store_mentioned *mentioned,
                                size_t count) CG_MUST_CHECK;

/* Messages that others sent and that are not recalled, among the `among` events after number `after`: as many rows are
 * looked at. At most STORE_UNREAD_MAX are counted. */
enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count) CG_MUST_CHECK;
/* Moves the user's marker to `seq`: never back, and not past the conversation's last number, which the membership tells.
 * membership->read_seq is where it stands afterwards. */
enum err store_native_read(struct store *store, uint64_t user, uint64_t seq,
                           struct store_native_membership *membership) CG_MUST_CHECK;

#endif
