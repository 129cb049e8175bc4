/* media_name.h: what uploaded files are called in settings->media_dir, and so at the end of their URLs. */
#ifndef CG_COMMON_MEDIA_NAME_H
#define CG_COMMON_MEDIA_NAME_H

#include "common/str.h"

/* MEDIA_DIGITS random lower-case hexadecimal digits, a dot, and an extension of 1 to MEDIA_EXTENSION_MAX small letters
 * and digits. nginx serves such names and no others. */
enum { MEDIA_DIGITS = 32, MEDIA_EXTENSION_MAX = 8 };
enum { MEDIA_NAME_MAX = MEDIA_DIGITS + 1 + MEDIA_EXTENSION_MAX };
/* How the name of a file begins that is not whole yet. */
#define MEDIA_TEMPORARY ".upload-"

bool media_name_ok(struct str name);

#endif
