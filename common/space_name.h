/* space_name.h: what a space may be called. The name is a path of its own, /NAME, so it must be none that
 * the product uses otherwise. */
#ifndef CG_COMMON_SPACE_NAME_H
#define CG_COMMON_SPACE_NAME_H

#include "common/str.h"

enum { SPACE_NAME_MAX_CHARS = 64 };

/* A name by text_check_name without '/', '\', '?', '#', '%', '.' in front, and not a reserved word. */
bool space_name_ok(struct str name);

#endif
