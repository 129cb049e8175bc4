/* operator.h: what an operator orders, whoever passes it on (the command, an admin call): from words to a sanction,
 * stored, and to what the relays are told. */
#ifndef CG_COMMON_SERVICE_OPERATOR_H
#define CG_COMMON_SERVICE_OPERATOR_H

#include "common/store/store_sanctions.h"

struct operator_order {
    enum sanction_kind
        kind;           /* a revocation: of a user, everywhere with their tokens, or of their membership in `room` */
    bool lift;          /* of a mute or a ban */
    struct str realm;   /* "chatroom", "friends", "customers", "spaces", "app", "socketio"; empty: any but the last */
    struct str user;    /* a name or a public id; of socketio a name */
    struct str address; /* either this or a user */
    struct str room;    /* a conversation's public id, or its name in the user's realm; empty: everywhere */
    int64_t for_s;      /* seconds; 0: for good */
    struct str reason;
};

/* Finds whom and where, and stores or lifts; a kick is only found. *sanction is what the relays are told of; *lifted
 * how many were. On failure *why is a sentence, a literal: ERR_INVALID, ERR_NOT_FOUND, ERR_DUPLICATE (several are
 * called so). */
enum err operator_carry_out(struct store *store, const struct operator_order *order, struct sanction *sanction,
                            uint64_t *lifted, const char **why) CG_MUST_CHECK;

/* What is to be published on WIRE_CONTROL: of what is stored, that there is news; a kick itself. */
void operator_add_wire(struct buf *out, const struct sanction *sanction, uint64_t epoch);
/* The same for a relay that is to drain. */
void operator_add_drain(struct buf *out, struct str relay, uint64_t epoch);

/* "app:ID" is the application's user of that id: takes the prefix off; false, and nothing done, of another name. */
bool operator_app_id(struct str *user);

/* By word; ERR_NOT_FOUND. The empty one is 0, any; "socketio" is OPERATOR_SOCKETIO. */
enum { OPERATOR_SOCKETIO = 6 };
enum err operator_realm(struct str word, int *realm) CG_MUST_CHECK;
const char *operator_realm_word(int realm);

#endif
