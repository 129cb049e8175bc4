/* thumbnail.h: small pictures of uploaded ones. Each is made by a process of its own (thumbnail/main.c), which is killed
 * when it takes too long, and kept in the folder MEDIA_THUMBNAILS of media_dir, from where nginx serves it. What is kept
 * can be made anew, so the oldest go when it is too much. */
#ifndef CG_REST_SERVICES_THUMBNAIL_H
#define CG_REST_SERVICES_THUMBNAIL_H

#include "common/buf.h"
#include "common/settings.h"

#include <stdint.h>

enum thumbnail {
    THUMBNAIL_MADE,
    THUMBNAIL_MISSING, /* there is no such file */
    THUMBNAIL_NONE,    /* it is no picture that can be decoded */
    THUMBNAIL_PIXELS,  /* it has more than image_pixels_max */
    THUMBNAIL_BUSY,    /* too many wait */
    THUMBNAIL_FAILED, /* its process was killed or ended without a word, now or within the last minute; or the disk cannot
                        * be used; logged */
};

struct thumbnail_picture {
    unsigned width, height; /* as people see it; 0: not known */
};

/* Makes the thumbnail of that side, one of media_sides, of the file of that name. Waits for its turn, and until it is
 * made: up to twice thumbnail_timeout_ms. `payer`: who is to wait behind themselves. `picture` may be NULL. */
enum thumbnail thumbnail_make(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct thumbnail_picture *picture) CG_MUST_CHECK;

/* Appends the thumbnail to `out`, making it if it is not there. */
enum thumbnail thumbnail_read(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct buf *out) CG_MUST_CHECK;

#endif
