/* store_friends.h: friendships for the REST calls; the relay's look-ups are in store_admission.h. Users are numbers,
 * see store_friend_self. */
#ifndef CG_COMMON_STORE_STORE_FRIENDS_H
#define CG_COMMON_STORE_STORE_FRIENDS_H

#include "common/store/store.h"
#include "common/store/store_admission.h"

enum { STORE_UNREAD_COUNTED = 1000, STORE_LAST_CHARS = 2048 };

/* The friendship of two users, if there is one: ERR_NOT_FOUND. */
enum err store_friend_find(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX]) CG_MUST_CHECK;
/* The number of the user's friendships, counted up to `most`. */
enum err store_friend_count(struct store *store, uint64_t user, uint64_t most, uint64_t *count) CG_MUST_CHECK;

/* Finds or makes the friendship of two different users; the same in either order and under concurrency. *made: it may
 * be new, so notify both. */
enum err store_friend_make(struct store *store, uint64_t one, uint64_t other, char friend_id[ID_MAX],
                           bool *made) CG_MUST_CHECK;

struct store_friend_line {
    uint64_t conversation;
    struct str friend_id, user_id, name; /* of the friendship; of the other user */
    struct message last;                 /* seq 0: none. sender, kind, at_ms, content: at most
                                          * STORE_LAST_CHARS characters of it */
    uint64_t unread;                     /* the other's messages after the read marker */
};
typedef void store_friend_line_fn(void *arg, const struct store_friend_line *line);
/* A position in that list, after this friendship. */
struct store_friend_cursor {
    uint64_t at_ms, conversation; /* of the last message, 0: none; of the friendship */
};
/* The first position. */
#define STORE_FRIENDS_FIRST ((struct store_friend_cursor){INT64_MAX, INT64_MAX})

/* The user's friends from that position on, at most `limit`, by their last message, latest first. One statement.
 * Unread messages are counted among the last STORE_UNREAD_COUNTED of each. */
enum err store_friend_list(struct store *store, uint64_t user, const struct store_friend_cursor *from, unsigned limit,
                           store_friend_line_fn *fn, void *arg) CG_MUST_CHECK;

struct store_friend_membership {
    struct store_friendship friendship;
    uint64_t seq, read_seq; /* the last message; the last that the user marked read */
};
/* ERR_NOT_FOUND: no such friendship, or not one of this user. */
enum err store_friend_membership(struct store *store, struct str friend_id, uint64_t user,
                                 struct store_friend_membership *membership) CG_MUST_CHECK;

/* Marks everything up to `seq` (at most the conversation's last) read; never goes back. */
enum err store_friend_read(struct store *store, uint64_t conversation, uint64_t user, uint64_t seq) CG_MUST_CHECK;

#endif
