#include "common/media_name.h"

#include <stdio.h>
#include <unistd.h>

const unsigned media_sides[] = {128, 320, 640, 1280, 0};

bool media_name_ok(struct str name)
{
    if (name.len < MEDIA_DIGITS + 2 || name.len > MEDIA_NAME_MAX || name.ptr[MEDIA_DIGITS] != '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i], last = i < MEDIA_DIGITS ? 'f' : 'z';
        if (i != MEDIA_DIGITS && !(c >= '0' && c <= '9') && !(c >= 'a' && c <= last))
            return false;
    }
    return true;
}

int media_remove(int directory, const char *name)
{
    char path[sizeof MEDIA_THUMBNAILS + 1 + MEDIA_THUMBNAIL_NAME_MAX];
    for (const unsigned *side = media_sides; *side; side++) {
        snprintf(path, sizeof path, MEDIA_THUMBNAILS "/%s.%u", name, *side);
        (void)unlinkat(directory, path, 0);
    }
    snprintf(path, sizeof path, MEDIA_THUMBNAILS "/%s." MEDIA_NO_THUMBNAIL, name);
    (void)unlinkat(directory, path, 0);
    return unlinkat(directory, name, 0);
}
