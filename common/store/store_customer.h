/* store_customer.h: the users of the customer sessions and the conversation of two of them. A customer is an account
 * within an application (app_sid); accounts of different applications are independent. */
#ifndef CG_COMMON_STORE_STORE_CUSTOMER_H
#define CG_COMMON_STORE_STORE_CUSTOMER_H

#include "common/store/store.h"
#include "common/text.h"

enum { CUSTOMER_ACCOUNT_MAX = 64, CUSTOMER_AVATAR_MAX = 512 }; /* bytes; app_sid as account */
#define STORE_SESSION_PREFIX "session_"

/* Texts are NUL-terminated; none holds a NUL. */
struct store_customer {
    uint64_t user; /* user.id */
    char account[CUSTOMER_ACCOUNT_MAX + 1];
    char username[STORE_NAME_MAX + 1];
    char avatar[CUSTOMER_AVATAR_MAX + 1];
};

/* A conversation (KIND_CUSTOMERS) and its two, seen from the side of `user`. */
struct store_customer_pair {
    uint64_t conversation;
    uint64_t seq;        /* the conversation's last */
    uint32_t generation; /* of the user's rights (common/rights.h) */
    char app_sid[CUSTOMER_ACCOUNT_MAX + 1];
    struct store_customer friend, user;
};

/* Whether it is a valid account or app_sid: a text by text_check_label of at most CUSTOMER_ACCOUNT_MAX bytes. */
static inline bool store_customer_account_ok(struct str text)
{
    return text.len <= CUSTOMER_ACCOUNT_MAX && !text_check_label(text, CUSTOMER_ACCOUNT_MAX);
}

/* Appends the customer's name. ERR_NOT_FOUND: no such account is registered. */
enum err store_customer_name(struct store *store, struct str app_sid, struct str account,
                             struct buf *username) CG_MUST_CHECK;

/* Creates the account's user, or updates the existing one's name and avatar. The caller must have checked all four
 * texts: two accounts, a name, and at most CUSTOMER_AVATAR_MAX bytes. `user`: the application's user who owns the
 * account, always in the same app_sid; 0: none. Safe to call concurrently. */
enum err store_customer_register(struct store *store, struct str app_sid, struct str account, struct str username,
                                 struct str avatar, uint64_t user) CG_MUST_CHECK;

enum store_customer_missing { STORE_NO_FRIEND = 1, STORE_NO_CUSTOMER = 2 };

/* Looks up both accounts and finds or makes their conversation: the same one from either side, also concurrently. The
 * texts need not be valid; an invalid account counts as unregistered.
 *   ERR_NOT_FOUND one or both are not registered; *missing has the bits of store_customer_missing;
 *   ERR_INVALID   both are the same. */
enum err store_customer_pair(struct store *store, struct str app_sid, struct str friend_account,
                             struct str user_account, struct store_customer_pair *out, int *missing) CG_MUST_CHECK;

#endif
