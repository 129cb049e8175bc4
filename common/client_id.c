#include "common/client_id.h"

#include "common/text.h"

bool client_id_ok(struct str client_id)
{
    return client_id.len <= MESSAGE_CLIENT_ID_MAX && !text_check_label(client_id, MESSAGE_CLIENT_ID_MAX);
}

bool client_id_get(struct json_object *object, const char *key, struct str *client_id)
{
    *client_id = STR("");
    return !json_has(object, key) || (json_get_string(object, key, client_id) && client_id_ok(*client_id));
}
