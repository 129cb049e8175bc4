/* filetype.h: what kind of file some bytes are; the only module that knows libmagic. */
#ifndef CG_REST_SERVICES_FILETYPE_H
#define CG_REST_SERVICES_FILETYPE_H

#include "common/err.h"
#include "common/str.h"

enum { FILETYPE_BYTES = 64 * 1024, FILETYPE_MAX = 64 };

/* The media type of the file that begins with `head` (its first FILETYPE_BYTES, or all of it): "image/png";
 * "application/octet-stream" for what nobody knows. ERR_INTERNAL: the data base of kinds cannot be used (logged).
 * Each thread has its own, read at its first use and given back when it ends. */
enum err filetype_of(struct str head, char type[FILETYPE_MAX]) CG_MUST_CHECK;

#endif
