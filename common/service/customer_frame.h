/* customer_frame.h: parses the message of a customer session's client, sent over its socket or over REST:
 *   {friendInfo:{account,username,avatar,app_sid}, userInfo:{…}, chat_content, chat_type, clientId?}
 * Names and avatars in it are ignored; they are taken from the database. Any thread. */
#ifndef CG_COMMON_SERVICE_CUSTOMER_FRAME_H
#define CG_COMMON_SERVICE_CUSTOMER_FRAME_H

#include "common/json.h"
#include "common/message.h"

/* The texts are borrowed from the object. */
struct customer_frame {
    struct str friend_account, user_account;
    struct str app_sid;     /* of both */
    enum message_kind kind; /* MESSAGE_TEXT, MESSAGE_IMAGE, MESSAGE_VIDEO by chat_type 0, 1, 2 */
    struct str content;     /* checked; append it with text_add_content to store it */
    struct str client_id;   /* clientId; empty if there is none */
};

/* An account or an app_sid in JSON: a text, or an integer, as some clients store telephone numbers. False if it is
 * neither, or fails store_customer_account_ok. */
bool customer_get_account(struct json_object *object, const char *key, struct str *out);

/* ERR_INVALID: a field is missing, of another type, or breaks a rule: accounts as above and different, the same
 * app_sid in both, chat_type a number or a text of 0, 1, 2; a text by text_check_content, an image's or a video's
 * content by text_check_url with `media_url`. */
enum err customer_frame_read(struct json_object *object, const char *media_url,
                             struct customer_frame *frame) CG_MUST_CHECK;

/* Whether the frame is from that user to that friend, as named when the connection was opened. */
bool customer_frame_is_of(const struct customer_frame *frame, struct str app_sid, struct str friend_account,
                          struct str user_account);

#endif
