/* sid.h: the id of an Engine.IO connection, which also names its relay. 44 characters of base64url: incarnation (8
 * bytes), connection (8), random (8), and a keyed hash over them (9 bytes of BLAKE2b) under the deployment's secret. A
 * sid cannot be forged, so a client cannot make a relay connect to another address.
 *
 * Clients get NAME.SID, with the name of the relay (its home) in front: nginx reads that and asks this relay first. The
 * hash covers the name, too. A relay whose name is not sid_home_ok leaves it out. */
#ifndef CG_RELAY_SOCKETIO_SID_H
#define CG_RELAY_SOCKETIO_SID_H

#include "common/err.h"
#include "common/str.h"

#include <stdint.h>

enum { SID_LEN = 44, SID_MAX = SID_LEN + 1, SID_SECRET_BYTES = 32, SID_HOME_MAX = 32 };

/* `home`: a name that is sid_home_ok, or empty; the caller puts it in front of the sid, with a dot. */
void sid_make(const unsigned char secret[SID_SECRET_BYTES], struct str home, uint64_t incarnation, uint64_t connection,
              char out[SID_MAX]);
/* Reads a sid with its home. ERR_INVALID unless sid_make made it with the same secret. Compares in constant time. */
enum err sid_read(const unsigned char secret[SID_SECRET_BYTES], struct str text, uint64_t *incarnation,
                  uint64_t *connection) CG_MUST_CHECK;

/* Whether a relay's name may stand before a sid: letters, digits, '-' and '_', at most SID_HOME_MAX. */
bool sid_home_ok(struct str name);
/* A client's text without the relay's name, if it has one. */
struct str sid_without_home(struct str text);

#endif
