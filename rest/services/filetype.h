/* filetype.h: detects a file's type from its bytes. The only module that uses libmagic. Any thread. */
#ifndef CG_REST_SERVICES_FILETYPE_H
#define CG_REST_SERVICES_FILETYPE_H

#include "common/err.h"
#include "common/str.h"

enum { FILETYPE_BYTES = 64 * 1024, FILETYPE_MAX = 64 };

/* The media type of the file that begins with `head` (its first FILETYPE_BYTES, or all of it): "image/png";
 * "application/octet-stream" if unknown. ERR_INTERNAL: libmagic's database cannot be used (logged). Each thread has
 * its own copy, loaded at first use and freed when the thread ends. */
enum err filetype_of(struct str head, char type[FILETYPE_MAX]) CG_MUST_CHECK;

#endif
