/* store_words.h: the public words for numbers stored in rows, used in the server API, the native protocol, exports and
 * imports (docs/export.md). Any thread. */
#ifndef CG_COMMON_STORE_STORE_WORDS_H
#define CG_COMMON_STORE_STORE_WORDS_H

#include "common/store/store.h"

enum { LINES_VERSION = 1 };

/* "text". NULL: it has no name. */
const char *kind_word(enum message_kind kind);
/* 0: no kind has that word. */
enum message_kind kind_of_word(struct str name);
/* The same for whoever is shown messages; "other": it is not shown as one. */
const char *message_word(enum message_kind kind);

/* "group", "chatroom". */
const char *conversation_word(enum store_kind kind, enum store_app_type type);
/* Of the application's. */
bool type_of_word(struct str name, enum store_app_type *type);

const char *role_word(enum store_member_role role);
bool role_of_word(struct str name, enum store_member_role *role);

#endif
