/* store_spaces.h: spaces as the REST calls see them; what the relay asks is in store_admission.h. */
#ifndef CG_COMMON_STORE_STORE_SPACES_H
#define CG_COMMON_STORE_STORE_SPACES_H

#include "common/store/store.h"
#include "common/store/store_admission.h"

enum {
    STORE_TRANSFER_CLIENT_MAX = MESSAGE_CLIENT_ID_MAX - 1, /* bytes; MESSAGE_ID_TRANSFER is stored in front of it */
    STORE_TRANSFER_TEXT_MAX = 160,                         /* bytes of its content, with the NUL */
    STORE_SPACE_MEMBERS_LISTED = 10000,
    STORE_SCORE_MAX = 1000000000, /* of one transfer: no sum of them overflows */
};

/* A user of the spaces. ERR_NOT_FOUND: no such user. */
struct store_space_user {
    uint64_t user;
    struct rights rights;
};
enum err store_space_user(struct store *store, struct str user_id, struct store_space_user *user) CG_MUST_CHECK;

/* Makes a space of that name with the user as its first member, or finds it if the user is a member of it.
 * ERR_DUPLICATE: others have a space of that name. */
enum err store_space_make(struct store *store, struct str name, uint64_t user, char space_id[ID_MAX]) CG_MUST_CHECK;

/* A space, for one of its members. ERR_NOT_FOUND: no such space, or the user is no member. */
enum err store_space_seen(struct store *store, struct str space_id, uint64_t user, uint64_t *conversation,
                          struct buf *name) CG_MUST_CHECK;

struct store_space_member {
    struct str user_id, name;
    int64_t score;
};
typedef void store_space_member_fn(void *arg, const struct store_space_member *member);
/* Its members in the order they came, at most STORE_SPACE_MEMBERS_LISTED. The scores of all sum to zero. */
enum err store_space_members(struct store *store, uint64_t conversation, store_space_member_fn *fn,
                             void *arg) CG_MUST_CHECK;

/* What happened in a space: MESSAGE_TRANSFER, MESSAGE_JOIN, MESSAGE_LEAVE. */
struct store_record {
    uint64_t seq;
    enum message_kind kind;
    struct str from_id; /* empty: nobody */
    struct str content; /* of a transfer: {"fromId":…,"toId":…,"score":n} */
    int64_t at_ms;
};
typedef void store_record_fn(void *arg, const struct store_record *record);
/* As store_read, of records. */
enum err store_records(struct store *store, const struct store_range *range, store_record_fn *fn,
                       void *arg) CG_MUST_CHECK;

struct store_transfer {
    /* given */
    struct str space_id, from_id, to_id;
    struct str client_id; /* 1..STORE_TRANSFER_CLIENT_MAX bytes */
    int64_t score;        /* 1..STORE_SCORE_MAX */
    /* set */
    bool repeated; /* it had been made before, under the same client_id */
    uint64_t conversation, seq, batch, sender;
    uint64_t epoch; /* that the transaction saw */
    int64_t at_ms;
    char sender_name[STORE_NAME_MAX + 1];
    char content[STORE_TRANSFER_TEXT_MAX];
};
/* Transfers points from one member to another and stores that as the next message, in one transaction that locks the
 * space's row.
 *   ERR_NOT_FOUND no such space, or one of the two is no member;
 *   ERR_DUPLICATE the client_id was used for another transfer;
 *   ERR_UNKNOWN made or not: repeat it with the same client_id. */
enum err store_transfer(struct store *store, struct store_transfer *transfer) CG_MUST_CHECK;

#endif
