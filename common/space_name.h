/* space_name.h: the rules for a space's name. It is a path, /NAME, so it must be none that the product uses otherwise.
 * Any thread. */
#ifndef CG_COMMON_SPACE_NAME_H
#define CG_COMMON_SPACE_NAME_H

#include "common/str.h"

enum { SPACE_NAME_MAX_CHARS = 64 };

/* Whether a space can have that name: a text by text_check_label without '/', '\', '?', '#', '%', '.' in front, and
 * not a reserved word. */
bool space_name_ok(struct str name);

/* Whether a new space may get that name: the same, and name_judge. */
bool space_name_new_ok(struct str name);

#endif
