/* space_name.h: what a space may be called. The name is a path of its own, /NAME, so it must be none that
 * the product uses otherwise. */
#ifndef CG_COMMON_SPACE_NAME_H
#define CG_COMMON_SPACE_NAME_H

#include "common/str.h"

enum { SPACE_NAME_MAX_CHARS = 64 };

/* Whether there may be a space of that name: a text by text_check_label without '/', '\', '?', '#', '%', '.' in front, and not a reserved word. */
bool space_name_ok(struct str name);

/* Whether a new space may be called so: by name_judge, too. */
bool space_name_new_ok(struct str name);

#endif
