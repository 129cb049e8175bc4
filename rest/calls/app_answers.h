/* app_answers.h: the answers of the server API's calls, as tables for its description. The tests compare real answers
 * with these, and fail for an extra or a missing member. */
#ifndef CG_REST_CALLS_APP_ANSWERS_H
#define CG_REST_CALLS_APP_ANSWERS_H

#include "rest/http/field.h"

extern const struct field app_page_query[]; /* limit, cursor */
extern const struct field app_user_answer[], app_token_answer[];
extern const struct field app_conversation_answer[], app_conversations_answer[];
extern const struct field app_member_answer[], app_members_answer[];
extern const struct field app_stored_answer[], app_messages_answer[], app_broadcast_answer[], app_search_answer[];
extern const struct field app_present_answer[], app_online_answer[];
extern const struct field app_upload_answer[];

#define APP_ROLES "owner moderator member reader"
#define APP_TYPES "group direct public"

#endif
