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

/* Thumbnails of a picture, and what is known of one that has none, lie in a folder of their own in media_dir, under the
 * picture's name, a dot, and the side of the square that they fit into, or MEDIA_NO_THUMBNAIL. They can be made anew. */
#define MEDIA_THUMBNAILS   "thumbnails"
#define MEDIA_NO_THUMBNAIL "no"
enum { MEDIA_THUMBNAIL_NAME_MAX = MEDIA_NAME_MAX + 8 };

/* The sides that there are, ascending; 0 ends them. */
extern const unsigned media_sides[];

/* Removes a file, and all that was made of it. `directory`: media_dir, open. As unlinkat says; what was made of it is
 * gone first. */
int media_remove(int directory, const char *name);

#endif
