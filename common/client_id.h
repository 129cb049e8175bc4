/* client_id.h: a sender's own name for a message, as protocols take it: a retry under the same one is no second
 * message. */
#ifndef CG_COMMON_CLIENT_ID_H
#define CG_COMMON_CLIENT_ID_H

#include "common/json.h"
#include "common/message.h"

/* A text by text_check_label of at most MESSAGE_CLIENT_ID_MAX bytes. */
bool client_id_ok(struct str client_id);

/* The member `key`, borrowed; empty if there is none. False: it is there and is none. */
bool client_id_get(struct json_object *object, const char *key, struct str *client_id);

#endif
