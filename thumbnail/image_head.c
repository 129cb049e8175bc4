#include "thumbnail/image_head.h"

#include <string.h>

static const unsigned char *at(struct str bytes, size_t offset)
{
    return (const unsigned char *)bytes.ptr + offset;
}

static bool begins(struct str bytes, size_t offset, const char *text, size_t len)
{
    return bytes.len >= offset + len && !memcmp(bytes.ptr + offset, text, len);
}

static uint32_t little(const unsigned char *bytes, size_t len)
{
    uint32_t value = 0;
    while (len--)
        value = value << 8 | bytes[len];
    return value;
}

static uint32_t big(const unsigned char *bytes, size_t len)
{
    uint32_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool sized(struct image_head *head, uint32_t width, uint32_t height)
{
    head->width = width;
    head->height = height;
    return width && height;
}

/* ---- the simple ones ---- */

static bool read_png(struct str bytes, struct image_head *head)
{
    head->format = IMAGE_PNG;
    return begins(bytes, 12, "IHDR", 4) && bytes.len >= 24 && sized(head, big(at(bytes, 16), 4), big(at(bytes, 20), 4));
}

static bool read_gif(struct str bytes, struct image_head *head)
{
    head->format = IMAGE_GIF;
    return bytes.len >= 10 && sized(head, little(at(bytes, 6), 2), little(at(bytes, 8), 2));
}

static bool read_bmp(struct str bytes, struct image_head *head)
{
    enum { CORE = 12 };
    head->format = IMAGE_BMP;
    if (bytes.len < 26)
        return false;
    if (little(at(bytes, 14), 4) == CORE)
        return sized(head, little(at(bytes, 18), 2), little(at(bytes, 20), 2));
    uint32_t height = little(at(bytes, 22), 4);
    return sized(head, little(at(bytes, 18), 4), height >> 31 ? -height : height); /* negative: from the top down */
}

static bool read_webp(struct str bytes, struct image_head *head)
{
    head->format = IMAGE_WEBP;
    if (bytes.len < 30)
        return false;
    if (begins(bytes, 12, "VP8 ", 4))
        return sized(head, little(at(bytes, 26), 2) & 0x3fff, little(at(bytes, 28), 2) & 0x3fff);
    if (begins(bytes, 12, "VP8L", 4)) {
        uint32_t bits = little(at(bytes, 21), 4);
        return sized(head, (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
    }
    return begins(bytes, 12, "VP8X", 4) && sized(head, little(at(bytes, 24), 3) + 1, little(at(bytes, 27), 3) + 1);
}

/* ---- JPEG: a list of segments, among them the size and Exif's word about where up is ---- */

static int turn_of(struct str exif)
{
    enum { ORIENTATION = 0x0112, ENTRY = 12 };
    if (exif.len < 8)
        return IMAGE_UPRIGHT;
    uint32_t (*number)(const unsigned char *, size_t) = begins(exif, 0, "MM", 2) ? big : little;
    uint32_t list = number(at(exif, 4), 4);
    if (list > exif.len - 2)
        return IMAGE_UPRIGHT;
    size_t count = number(at(exif, list), 2), entry = (size_t)list + 2;
    for (; count-- && entry + ENTRY <= exif.len; entry += ENTRY) {
        if (number(at(exif, entry), 2) != ORIENTATION)
            continue;
        uint32_t turn = number(at(exif, entry + 8), 2);
        return turn >= IMAGE_UPRIGHT && turn <= IMAGE_TURNS ? (int)turn : IMAGE_UPRIGHT;
    }
    return IMAGE_UPRIGHT;
}

/* Whether a marker begins a frame, whose segment says the size: SOF0 to SOF15 without DHT, JPG and DAC. */
static bool is_frame(unsigned marker)
{
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

static bool read_jpeg(struct str bytes, struct image_head *head)
{
    enum { START_OF_SCAN = 0xda, APP1 = 0xe1 };
    head->format = IMAGE_JPEG;
    for (size_t offset = 2; offset + 4 <= bytes.len;) {
        if (*at(bytes, offset) != 0xff)
            return false;
        unsigned marker = *at(bytes, offset + 1);
        if (marker == 0xff) { /* any number of them may stand before a marker */
            offset++;
            continue;
        }
        size_t len = big(at(bytes, offset + 2), 2), left = bytes.len - offset - 2;
        if (marker == START_OF_SCAN || len < 2 || len > left)
            return false;
        struct str segment = {bytes.ptr + offset + 4, len - 2};
        if (is_frame(marker))
            return segment.len >= 5 && sized(head, big(at(segment, 3), 2), big(at(segment, 1), 2));
        if (marker == APP1 && begins(segment, 0, "Exif\0\0", 6))
            head->turn = turn_of((struct str){segment.ptr + 6, segment.len - 6});
        offset += 2 + len;
    }
    return false;
}

bool image_head_read(struct str bytes, struct image_head *head)
{
    *head = (struct image_head){.format = IMAGE_UNKNOWN, .turn = IMAGE_UPRIGHT};
    bool known = begins(bytes, 0, "\x89PNG\r\n\x1a\n", 8)                         ? read_png(bytes, head)
                 : begins(bytes, 0, "\xff\xd8\xff", 3)                            ? read_jpeg(bytes, head)
                 : begins(bytes, 0, "GIF87a", 6) || begins(bytes, 0, "GIF89a", 6) ? read_gif(bytes, head)
                 : begins(bytes, 0, "RIFF", 4) && begins(bytes, 8, "WEBP", 4)     ? read_webp(bytes, head)
                 : begins(bytes, 0, "BM", 2)                                      ? read_bmp(bytes, head)
                                                                                  : false;
    if (!known)
        head->width = head->height = 0;
    return known;
}
