/* store_admission.h: the look-ups when a connection of the friend chat or of a space opens. */
#ifndef CG_COMMON_STORE_STORE_ADMISSION_H
#define CG_COMMON_STORE_STORE_ADMISSION_H

#include "common/rights.h"
#include "common/store/store.h"

#define STORE_FRIEND_PREFIX "friend_"
#define STORE_SPACE_PREFIX  "space_"

/* A user of the friend chat. */
struct store_friend_self {
    uint64_t user;
    bool has_password; /* then the id alone does not admit the user */
    struct rights rights;
    char name[STORE_NAME_MAX + 1];
};
/* ERR_NOT_FOUND: no such user. */
enum err store_friend_self(struct store *store, struct str user_id, struct store_friend_self *self) CG_MUST_CHECK;

/* A friendship, seen from neither side. */
struct store_friendship {
    uint64_t conversation, low, high; /* low < high: user numbers */
    char id[ID_MAX];                  /* the friendship's public id */
    char low_id[ID_MAX], high_id[ID_MAX];
};
typedef void store_friendship_fn(void *arg, const struct store_friendship *friendship);
/* A page of the user's friendships, newest first, with conversations below *before (INT64_MAX: all). Moves *before to
 * the next page, to 0 after the last one. */
enum { STORE_FRIENDSHIPS_PAGE = 200 };
enum err store_friendships(struct store *store, uint64_t user, uint64_t *before, store_friendship_fn *fn,
                           void *arg) CG_MUST_CHECK;

/* A user and a space. Knowing a space's id is enough to join: a user who is no member becomes one. */
struct store_space_membership {
    uint64_t conversation, user;
    struct rights rights; /* the user's */
    char space_name[STORE_NAME_MAX + 1];
    char user_name[STORE_NAME_MAX + 1];
};
/* ERR_NOT_FOUND: no such space or user. ERR_DENIED: the space is not called `space_name` (NULL: whatever
 * it is called), and nobody became a member. */
enum err store_space_membership(struct store *store, struct str space_id, struct str user_id, const char *space_name,
                                struct store_space_membership *membership) CG_MUST_CHECK;

#endif
