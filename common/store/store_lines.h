/* store_lines.h: the words that stand in the lines of an export and of an import (docs/export.md) for what rows have as
 * numbers. For store_export.c and store_import.c. */
#ifndef CG_COMMON_STORE_STORE_LINES_H
#define CG_COMMON_STORE_STORE_LINES_H

#include "common/store/store.h"

enum { LINES_VERSION = 1 };

/* "text". NULL: it has no name. */
const char *lines_kind_name(enum message_kind kind);
/* 0: no kind has it. */
enum message_kind lines_kind_of(struct str name);

/* "group", "chatroom". */
const char *lines_conversation_name(enum store_kind kind, enum store_app_type type);
/* Of the application's. */
bool lines_type_of(struct str name, enum store_app_type *type);

const char *lines_role_name(enum store_member_role role);
bool lines_role_of(struct str name, enum store_member_role *role);

#endif
