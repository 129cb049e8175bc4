/* thumbnail.h: thumbnails of uploaded pictures. Each is made by a process of its own (thumbnail/main.c), which is
 * killed when it takes too long. They are kept in the folder MEDIA_THUMBNAILS of media_dir, from where nginx serves
 * them; the oldest are removed when they take too much space, as they can be made again. Any thread. */
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
    THUMBNAIL_FAILED,  /* its process was killed or failed, now or within the last minute; or the disk failed; logged */
};

struct thumbnail_picture {
    unsigned width, height; /* as displayed; 0: unknown */
};

/* Makes a thumbnail of the file `name` with that side in pixels, one of media_sides. Blocks until its turn and until
 * it is made, up to twice thumbnail_timeout_ms. `payer`: as in turns.h. `picture` may be NULL. */
enum thumbnail thumbnail_make(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct thumbnail_picture *picture) CG_MUST_CHECK;

/* Appends the thumbnail to `out`; makes it first if it does not exist. */
enum thumbnail thumbnail_read(const struct settings *settings, uint64_t payer, const char *name, unsigned side,
                              struct buf *out) CG_MUST_CHECK;

#endif
