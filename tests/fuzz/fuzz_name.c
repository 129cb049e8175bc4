/* The rule for names: what is given to somebody is a label, too, and holds nothing that cannot be seen but where emoji
 * and joined letters need it; what looks reserved does so in any case. */
#include "common/name.h"
#include "common/text.h"

#include <stdint.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_hidden(UChar32 point)
{
    uint32_t hidden = U_GC_C_MASK | U_GC_Z_MASK;
    return (U_MASK(u_charType(point)) & hidden || u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT)) &&
           point != ' ' && point != 0x200c && point != 0x200d && point != 0xfe0f &&
           (point < 0xe0020 || point > 0xe007f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str name = {(const char *)data, size};
    enum name_kind kind = name_judge(name, 64), wide = name_judge(name, NAME_POINTS_MAX);
    enum name_kind speaker = name_judge_speaker(name, 64);
    bool label = !text_check_label(name, 64);
    CG_ASSERT(label == (kind != NAME_BAD) && (kind == NAME_BAD || kind == wide));
    CG_ASSERT(speaker == kind || (kind == NAME_OK && speaker == NAME_OLD && name_looks_reserved(name)));
    if (text_utf8_valid(name))
        name_looks_reserved(name);
    if (kind != NAME_OK)
        return 0;
    CG_ASSERT(data[0] != ' ' && data[size - 1] != ' ');
    for (int32_t at = 0; at < (int32_t)size;) {
        UChar32 point;
        U8_NEXT_UNSAFE(data, at, point);
        CG_ASSERT(!is_hidden(point));
    }
    return 0;
}
