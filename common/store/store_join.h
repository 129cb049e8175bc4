/* store_join.h: joining chatrooms, many users at once. */
#ifndef CG_COMMON_STORE_STORE_JOIN_H
#define CG_COMMON_STORE_STORE_JOIN_H

#include "common/store/store.h"

enum { STORE_JOIN_MAX = 64 };

/* One user joining one room. */
struct store_join {
    struct str room, nick;   /* names, of at most STORE_NAME_MAX bytes */
    struct str head;         /* a JSON scalar of at most STORE_HEAD_MAX bytes */
    struct str address;      /* as sanction_address writes it; "": unknown */
    bool old_room, old_nick; /* the name is NAME_OLD, so it must exist already */

    /* What became of it:
     *   ERR_OK      the user is a member of the room, and has that head: of several at once that of the last;
     *   ERR_INVALID an old name is not there;
     *   ERR_DENIED  the user or the address is banned there or everywhere;
     *   ERR_TOO_BIG the user is a member of `rooms_max` others.
     * Of who is refused nothing is stored. The rest is set with ERR_OK. */
    enum err err;
    char room_id[ID_MAX], user_id[ID_MAX];
    uint64_t conversation, user; /* the same two by their internal numbers */
};

/* Finds or makes the rooms and the users of these names and makes them members, all in one transaction, in a number of
 * round trips that does not grow with `count` (1 to STORE_JOIN_MAX; the same names may come more than once): one if
 * nothing is to be made, up to seven (see db_many), and one for each head that changes. rooms_max 0: of however many.
 * Safe to call concurrently, in any number of processes. Anything but ERR_OK: nobody has entered; ERR_UNKNOWN:
 * all may have, and may try again. */
enum err store_join(struct store *store, struct store_join *joins, size_t count, int64_t rooms_max) CG_MUST_CHECK;

#endif
