/* sid.h: the name of an Engine.IO connection, which also names its relay. 44 characters of base64url:
 * incarnation (8 bytes), connection (8), random (8), and a keyed hash over them (9 bytes of BLAKE2b) under the
 * deployment's secret. Nobody can make one up, so nobody can make a relay ask or connect anywhere.
 *
 * To its client a connection is NAME.SID, with the name of its relay in front, its home: nginx reads that and asks this
 * relay at once. The hash covers it, too. A relay whose name cannot stand there has none. */
#ifndef CG_RELAY_SOCKETIO_SID_H
#define CG_RELAY_SOCKETIO_SID_H

#include "common/err.h"
#include "common/str.h"

#include <stdint.h>

enum { SID_LEN = 44, SID_MAX = SID_LEN + 1, SID_SECRET_BYTES = 32, SID_HOME_MAX = 32 };

/* `home`: a name that sid_home_ok, or empty; it is for the caller to put in front, with a dot. */
void sid_make(const unsigned char secret[SID_SECRET_BYTES], struct str home, uint64_t incarnation, uint64_t connection,
              char out[SID_MAX]);
/* With its home. ERR_INVALID for everything that sid_make under the same secret did not give. Compares in constant
 * time. */
enum err sid_read(const unsigned char secret[SID_SECRET_BYTES], struct str text, uint64_t *incarnation,
                  uint64_t *connection) CG_MUST_CHECK;

/* Whether a relay's name may stand before a sid: letters, digits, '-' and '_', at most SID_HOME_MAX. */
bool sid_home_ok(struct str name);
/* What a client sent, without the relay's name if there is one. */
struct str sid_without_home(struct str text);

#endif
