/* main.c: chaguan-thumbnail makes one thumbnail of an untrusted picture, and exits. chaguan-rest starts one for each
 * picture, so that a hostile file can only harm this process, which has no access to files or the network and little
 * memory, and is killed when it takes too long.
 *
 *   chaguan-thumbnail SIDE PIXELS MEMORY SECONDS
 *
 * Descriptor 0 is the picture, a file; 1 gets a line with the result; 3 gets the thumbnail, as WebP.
 *
 *   made W H      the thumbnail was written; the picture is W by H as people see it
 *   none W H      it is a picture of that size by its own word, but cannot be decoded
 *   pixels W H    it has more than PIXELS; nothing was decoded
 *   unknown 0 0   it is no picture that is known here
 *
 * Any other output, or none: it failed before that. */
#include "thumbnail/confine.h"
#include "thumbnail/image_head.h"

#include <gd.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PICTURE = 0, REPORT = 1, THUMBNAIL = 3 };
enum { QUALITY = 80, FILE_MAX = 8 << 20, SIDE_MAX = 4096 };

static const char about[] =
    "usage: chaguan-thumbnail SIDE PIXELS MEMORY SECONDS\n\n"
    "Started by chaguan-rest: makes a picture that fits into SIDE by SIDE of the file on descriptor 0, unless that has\n"
    "more than PIXELS, within MEMORY bytes and SECONDS of processor time; writes it to descriptor 3 as WebP, and to\n"
    "descriptor 1 what came of it.\n";

static int report(const char *word, uint32_t width, uint32_t height)
{
    char line[64];
    int len = snprintf(line, sizeof line, "%s %" PRIu32 " %" PRIu32 "\n", word, width, height);
    return write(REPORT, line, (size_t)len) == len ? 0 : 1;
}

static void say_nothing(int priority, const char *format, va_list args)
{
    (void)priority;
    (void)format;
    (void)args;
}

static gdImagePtr decode(const struct image_head *head, struct str bytes)
{
    void *data = (void *)bytes.ptr;
    int len = (int)bytes.len;
    switch (head->format) {
    case IMAGE_PNG: return gdImageCreateFromPngPtr(len, data);
    case IMAGE_JPEG: return gdImageCreateFromJpegPtr(len, data);
    case IMAGE_GIF: return gdImageCreateFromGifPtr(len, data);
    case IMAGE_WEBP: return gdImageCreateFromWebpPtr(len, data);
    case IMAGE_BMP: return gdImageCreateFromBmpPtr(len, data);
    case IMAGE_UNKNOWN: break;
    }
    return NULL;
}

/* Without a filling of its own: what is transparent stays so. */
static gdImagePtr blank(int width, int height)
{
    gdImagePtr image = gdImageCreateTrueColor(width, height);
    if (image) {
        gdImageAlphaBlending(image, 0);
        gdImageSaveAlpha(image, 1);
    }
    return image;
}

/* Never larger than it is. */
static gdImagePtr shrink(gdImagePtr picture, int side)
{
    int width = gdImageSX(picture), height = gdImageSY(picture), most = width > height ? width : height;
    int to_width = width, to_height = height;
    if (most > side) {
        to_width = (int)((int64_t)width * side / most);
        to_height = (int)((int64_t)height * side / most);
    }
    gdImagePtr small = blank(to_width ? to_width : 1, to_height ? to_height : 1);
    if (small)
        gdImageCopyResampled(small, picture, 0, 0, 0, 0, gdImageSX(small), gdImageSY(small), width, height);
    return small;
}

/* Cameras store what their sensor saw and say beside it where up is. */
static gdImagePtr turned(gdImagePtr image, int turn)
{
    int width = gdImageSX(image), height = gdImageSY(image);
    bool lies = turn > 4;
    gdImagePtr upright = blank(lies ? height : width, lies ? width : height);
    if (!upright)
        return NULL;
    for (int y = 0; y < gdImageSY(upright); y++)
        for (int x = 0; x < gdImageSX(upright); x++) {
            int across = lies ? y : x, down = lies ? x : y;
            if (turn == 2 || turn == 3 || turn == 7 || turn == 8)
                across = width - 1 - across;
            if (turn == 3 || turn == 4 || turn == 6 || turn == 7)
                down = height - 1 - down;
            gdImageSetPixel(upright, x, y, gdImageGetTrueColorPixel(image, across, down));
        }
    return upright;
}

static bool write_all(const char *bytes, size_t len)
{
    while (len) {
        ssize_t written = write(THUMBNAIL, bytes, len);
        if (written <= 0)
            return false;
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

/* Nothing is freed: the process ends with it. */
static int make(const struct image_head *head, struct str bytes, int side)
{
    uint32_t width = head->turn > 4 ? head->height : head->width, height = head->turn > 4 ? head->width : head->height;
    gdImagePtr picture = decode(head, bytes);
    if (!picture)
        return report("none", width, height);
    gdImagePtr small = shrink(picture, side);
    gdImagePtr upright = small && head->turn != IMAGE_UPRIGHT ? turned(small, head->turn) : small;
    int len = 0;
    char *webp = upright ? gdImageWebpPtrEx(upright, &len, QUALITY) : NULL;
    if (!webp || len <= 0 || !write_all(webp, (size_t)len))
        return 1;
    return report("made", width, height);
}

static bool number_of(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *value && *value <= most;
}

int main(int argc, char **argv)
{
    uint64_t side, pixels, memory, seconds;
    struct stat info;
    struct image_head head;
    if (argc == 2 && !strcmp(argv[1], "--help"))
        return fputs(about, stdout) < 0;
    if (argc == 2 && !strcmp(argv[1], "--version"))
        return puts("chaguan-thumbnail " CHAGUAN_VERSION) < 0;
    if (argc != 5 || !number_of(argv[1], SIDE_MAX, &side) || !number_of(argv[2], INT32_MAX, &pixels) ||
        !number_of(argv[3], INT64_MAX, &memory) || !number_of(argv[4], 3600, &seconds)) {
        fputs(about, stderr);
        return 2;
    }
    if (fstat(PICTURE, &info) || !S_ISREG(info.st_mode) || info.st_size <= 0 || info.st_size > INT32_MAX)
        return 2;
    struct str bytes = {mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, PICTURE, 0), (size_t)info.st_size};
    if (bytes.ptr == MAP_FAILED || !confine_resources(memory + (uint64_t)info.st_size, seconds, FILE_MAX))
        return 1;
    confine_calls();
    gdSetErrorMethod(say_nothing);
    if (!image_head_read(bytes, &head))
        return report(head.format ? "none" : "unknown", 0, 0);
    if ((uint64_t)head.width * head.height > pixels)
        return report("pixels", head.width, head.height);
    return make(&head, bytes, (int)side);
}
