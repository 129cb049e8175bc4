/* image_head.h: reads a picture's format, size and orientation from its first bytes, without decoding it. Parses
 * untrusted bytes. */
#ifndef CG_THUMBNAIL_IMAGE_HEAD_H
#define CG_THUMBNAIL_IMAGE_HEAD_H

#include "common/str.h"

#include <stdint.h>

enum image_format { IMAGE_UNKNOWN, IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP, IMAGE_BMP };

enum { IMAGE_UPRIGHT = 1, IMAGE_TURNS = 8 };

struct image_head {
    enum image_format format;
    uint32_t width, height; /* of the stored pixels */
    int turn;               /* the Exif orientation, 1 to 8; IMAGE_UPRIGHT by default */
};

/* `bytes` is the file or its beginning. False if the format is unknown or the size is not within `bytes`; `format` is
 * then set as far as known. */
bool image_head_read(struct str bytes, struct image_head *head);

#endif
