/* operator.h: carries out an operator's order, from the command line or an admin call: finds its target, stores the
 * sanction, and makes the notice for the relays. Any thread, with a store of its own. */
#ifndef CG_COMMON_SERVICE_OPERATOR_H
#define CG_COMMON_SERVICE_OPERATOR_H

#include "common/store/store_sanctions.h"

struct operator_order {
    enum sanction_kind
        kind;           /* a revocation: of a user, everywhere with their tokens, or of their membership in `room` */
    bool lift;          /* of a mute or a ban */
    struct str realm;   /* "chatroom", "friends", "customers", "spaces", "app", "socketio"; empty: any but the last */
    struct str user;    /* a name or a public id; for socketio a name */
    struct str address; /* either this or a user */
    struct str room;    /* a conversation's public id, or its name in the user's realm; empty: everywhere */
    int64_t for_s;      /* seconds; 0: for good */
    struct str reason;
};

/* What was done, and what to publish: the event first, then the notice of the sanction. */
struct operator_done {
    struct sanction sanction;
    struct message
        *told; /* the event of an ended membership, of `epoch`; the caller publishes and frees it; NULL: none */
    uint64_t epoch;
    uint64_t lifted; /* the number of sanctions lifted */
};

/* Finds the user and the conversation, and stores or lifts the sanction; a kick is not stored. On failure *why is a
 * sentence, a literal: ERR_INVALID, ERR_NOT_FOUND, ERR_DUPLICATE (several users have that name); `done` then holds nothing
 * to publish or to free. */
enum err operator_carry_out(struct store *store, const struct operator_order *order, struct operator_done *done,
                            const char **why) CG_MUST_CHECK;

/* Appends the notice for WIRE_CONTROL: a kick itself, otherwise that stored sanctions have changed. */
void operator_add_wire(struct buf *out, const struct sanction *sanction, uint64_t epoch);
/* The same for a relay that is to drain. */
void operator_add_drain(struct buf *out, struct str relay, uint64_t epoch);

/* "app:ID" is the application's user of that id: removes the prefix; false, without effect, for another name. */
bool operator_app_id(struct str *user);

/* The realm of a word, or ERR_NOT_FOUND. The empty word is 0, any realm; "socketio" is OPERATOR_SOCKETIO. */
enum { OPERATOR_SOCKETIO = 6 };
enum err operator_realm(struct str word, int *realm) CG_MUST_CHECK;
const char *operator_realm_word(int realm);

#endif
