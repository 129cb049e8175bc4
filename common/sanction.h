/* sanction.h: an operator's sanction of a user or an address, as stored and as sent to relays. Any thread. */
#ifndef CG_COMMON_SANCTION_H
#define CG_COMMON_SANCTION_H

#include "common/buf.h"
#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Values are stored: never renumber. */
enum sanction_kind {
    SANCTION_MUTE = 1, /* may read, but not post */
    SANCTION_BAN = 2,  /* may not join or connect */
    SANCTION_KICK = 3, /* disconnected, and may reconnect at once; sent to relays, never stored */
    SANCTION_REVOCATION =
        4, /* what was proved before it is void (common/store/store_rights.h): has to be proved again */
};

enum {
    SANCTION_ADDRESS_MAX = 48, /* with its NUL */
    SANCTION_NAME_MAX = 257,   /* likewise */
    SANCTION_REASON_MAX = 500,
    SANCTION_LONGEST_S = 10 * 366 * 24 * 3600,
};

/* Exactly one of user, address and name is given, except for a revocation of all tokens. */
struct sanction {
    uint64_t id;
    enum sanction_kind kind;
    uint64_t user;                      /* 0: not by user */
    char address[SANCTION_ADDRESS_MAX]; /* "": not by address; else as sanction_address writes it */
    char name[SANCTION_NAME_MAX];       /* "": not by name; for Socket.IO, whose users have only names */
    uint64_t conversation;              /* 0: everywhere */
    int64_t until_ms;                   /* Unix time; 0: for good */
    bool lifted;
    uint32_t generation; /* of a revocation: the generation since (common/rights.h) */
    int64_t changed_ms;  /* when it was made or lifted, by the database's clock */
};

/* The canonical form of an address: IPv4 unchanged, IPv6 as its /64, which is what one customer has. ERR_INVALID: it
 * is no address. */
enum err sanction_address(struct str text, char out[SANCTION_ADDRESS_MAX]) CG_MUST_CHECK;

/* The payload of WIRE_SANCTION: empty, if the stored sanctions have changed, or a kick: user(8) conversation(8)
 * address(1+n) name(2+n), little-endian. */
void sanction_add_kick(struct buf *out, const struct sanction *kick);
enum err sanction_get_kick(struct str bytes, struct sanction *kick) CG_MUST_CHECK;

#endif
