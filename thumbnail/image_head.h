/* image_head.h: what the beginning of a picture says of it before anything is decoded: which format, how large, and how
 * it is to be turned. Plain parsing of bytes that strangers sent. */
#ifndef CG_THUMBNAIL_IMAGE_HEAD_H
#define CG_THUMBNAIL_IMAGE_HEAD_H

#include "common/str.h"

#include <stdint.h>

enum image_format { IMAGE_UNKNOWN, IMAGE_PNG, IMAGE_JPEG, IMAGE_GIF, IMAGE_WEBP, IMAGE_BMP };

enum { IMAGE_UPRIGHT = 1, IMAGE_TURNS = 8 };

struct image_head {
    enum image_format format;
    uint32_t width, height; /* of the stored pixels */
    int turn;               /* Exif's orientation, 1 to 8; IMAGE_UPRIGHT if nothing says otherwise */
};

/* `bytes`: the whole file, or as much as there is. False, with `format` as far as it is known and no size, if it is none
 * of these formats or ends before it says its size. */
bool image_head_read(struct str bytes, struct image_head *head);

#endif
