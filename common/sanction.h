/* sanction.h: what an operator imposes on a user or an address, as it is stored, and as the relays are told of it. */
#ifndef CG_COMMON_SANCTION_H
#define CG_COMMON_SANCTION_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Values are stored: never renumber. */
enum sanction_kind {
    SANCTION_MUTE = 1, /* may be there and read, may not post */
    SANCTION_BAN = 2,  /* may not be there */
    SANCTION_KICK = 3, /* is put out, and may come again at once: told, never stored */
    SANCTION_REVOCATION =
        4, /* what was proved before it is void (common/store/store_rights.h): has to be proved again */
};

enum {
    SANCTION_ADDRESS_MAX = 48, /* with its NUL */
    SANCTION_NAME_MAX = 257,   /* likewise */
    SANCTION_REASON_MAX = 500,
    SANCTION_LONGEST_S = 10 * 366 * 24 * 3600,
};

/* Whom and where: exactly one of user, address and name is given, but for a revocation of everybody's tokens. */
struct sanction {
    uint64_t id;
    enum sanction_kind kind;
    uint64_t user;                      /* 0: not by user */
    char address[SANCTION_ADDRESS_MAX]; /* "": not by address; else as sanction_address writes it */
    char name[SANCTION_NAME_MAX];       /* "": not by name; of a Socket.IO socket, whose users are names only */
    uint64_t conversation;              /* 0: everywhere */
    int64_t until_ms;                   /* Unix time; 0: for good */
    bool lifted;
    uint32_t generation; /* of a revocation: the user's rights' since it (common/rights.h) */
    int64_t changed_ms;  /* when it was made or lifted, by the database's clock */
};

/* One way to write an address: IPv4 as it is, IPv6 as its /64, which is what one customer has. ERR_INVALID: it is
 * none. */
enum err sanction_address(struct str text, char out[SANCTION_ADDRESS_MAX]) CG_MUST_CHECK;

/* The payload of WIRE_SANCTION: nothing, which means that what is stored has changed, or a kick:
 * user(8) conversation(8) address(1+n) name(2+n), little-endian. */
void sanction_add_kick(struct buf *out, const struct sanction *kick);
enum err sanction_get_kick(struct str bytes, struct sanction *kick) CG_MUST_CHECK;

#endif
