#include "common/media_name.h"

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
