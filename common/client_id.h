/* client_id.h: the id that a sender gives a message, so that a retry with the same id is not stored twice. Any
 * thread. */
#ifndef CG_COMMON_CLIENT_ID_H
#define CG_COMMON_CLIENT_ID_H

#include "common/json.h"
#include "common/message.h"

/* Whether it passes text_check_label and has at most MESSAGE_CLIENT_ID_MAX bytes. */
bool client_id_ok(struct str client_id);

/* Reads the member `key`, borrowed from `object`; empty if it is absent. False: it is present, but no valid client
 * id. */
bool client_id_get(struct json_object *object, const char *key, struct str *client_id);

#endif
