#include "common/name.h"

#include "common/text.h"

#include <pthread.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/uspoof.h>
#include <unicode/ustring.h>
#include <unicode/utf8.h>

enum { MARKS_MAX = 4, VIRAMA = 9, LOOK_UNITS = 2048 };

/* A name's code points. */
struct points {
    UChar32 at[NAME_POINTS_MAX];
    int count;
};

static struct {
    pthread_once_t once;
    const USpoofChecker *skeletons;
    const UNormalizer2 *fold;
    UChar reserved[3][16]; /* the looks of `reserved` below */
    int32_t reserved_len[3];
} unicode = {.once = PTHREAD_ONCE_INIT};

/* ---- plain ASCII ---- */

static bool is_ascii(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] & 0x80)
            return false;
    return true;
}

static bool ascii_ok(struct str name)
{
    char before = ' ';
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        if (byte < ' ' || byte > '~' || (byte == ' ' && before == ' '))
            return false;
        before = byte;
    }
    return before != ' ';
}

/* ---- what a code point is ---- */

enum part { PART_VISIBLE, PART_MARK, PART_BLANK, PART_JOINER, PART_OTHER };

/* Unicode counts these among letters and symbols, and has no property that says that they show nothing. */
static bool shows_nothing(UChar32 point)
{
    return point == 0x2800 ||                      /* Braille pattern blank */
           point == 0xfffc ||                      /* object replacement: stands for what is not there */
           point == 0x1d159 ||                     /* musical null notehead */
           point == 0x13441 || point == 0x13442 || /* Egyptian blanks */
           point == 0x16fe4;                       /* Khitan filler */
}

static enum part part_of(UChar32 point)
{
    uint32_t mask = U_MASK(u_charType(point));
    if (point == ' ')
        return PART_BLANK;
    if (point == 0x200c || point == 0x200d)
        return PART_JOINER;
    if (u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || shows_nothing(point))
        return PART_OTHER;
    if (mask & U_GC_M_MASK)
        return PART_MARK;
    return mask & (U_GC_L_MASK | U_GC_N_MASK | U_GC_P_MASK | U_GC_S_MASK) ? PART_VISIBLE : PART_OTHER;
}

/* ---- joiners ---- */

static UJoiningType joining(UChar32 point)
{
    return (UJoiningType)u_getIntPropertyValue(point, UCHAR_JOINING_TYPE);
}

/* Whether letters on both sides of the joiner at `i` would be joined in writing if it were not there. */
static bool parts_letters(const struct points *points, int i)
{
    int left = i - 1, right = i + 1;
    while (left >= 0 && joining(points->at[left]) == U_JT_TRANSPARENT)
        left--;
    while (right < points->count && joining(points->at[right]) == U_JT_TRANSPARENT)
        right++;
    if (left < 0 || right >= points->count)
        return false;
    UJoiningType before = joining(points->at[left]), behind = joining(points->at[right]);
    return (before == U_JT_LEFT_JOINING || before == U_JT_DUAL_JOINING) &&
           (behind == U_JT_RIGHT_JOINING || behind == U_JT_DUAL_JOINING);
}

static bool joiner_ok(const struct points *points, int i)
{
    if (!i || i + 1 == points->count || part_of(points->at[i + 1]) != PART_VISIBLE)
        return false;
    if (u_getCombiningClass(points->at[i - 1]) == VIRAMA)
        return true;
    return points->at[i] == 0x200c && parts_letters(points, i);
}

/* ---- emoji of several code points ---- */

static bool is_emoji_part(UChar32 point)
{
    return point == 0xfe0f || point == 0x200d || point == 0x20e3 || (point >= 0xe0020 && point <= 0xe007f);
}

/* How many code points from `i` on are an emoji with parts that cannot be seen by themselves; 0: there is none. */
static int emoji_length(const struct points *points, int i)
{
    UChar units[2 * NAME_POINTS_MAX];
    int32_t len = 0;
    bool hidden = false;
    int end = i;
    do {
        UChar32 point = points->at[end++];
        U16_APPEND_UNSAFE(units, len, point);
        hidden |= is_emoji_part(point);
    } while (end < points->count && (is_emoji_part(points->at[end]) || points->at[end - 1] == 0x200d ||
                                     u_hasBinaryProperty(points->at[end], UCHAR_EMOJI_MODIFIER)));
    return hidden && u_stringHasBinaryProperty(units, len, UCHAR_RGI_EMOJI) ? end - i : 0;
}

bool name_is_emoji(struct str text)
{
    enum { BYTES = 64 };
    UChar units[BYTES + 2];
    int32_t len = 0;
    UErrorCode error = U_ZERO_ERROR;
    if (!text.len || text.len > BYTES)
        return false;
    u_strFromUTF8(units, BYTES, &len, text.ptr, (int32_t)text.len, &error);
    if (U_FAILURE(error))
        return false;
    if (u_stringHasBinaryProperty(units, len, UCHAR_RGI_EMOJI))
        return true;
    units[len++] = 0xfe0f;
    return u_stringHasBinaryProperty(units, len, UCHAR_RGI_EMOJI);
}

/* ---- words of two alphabets ---- */

static UScriptCode script_of(UChar32 point)
{
    UErrorCode err = U_ZERO_ERROR;
    return uscript_getScript(point, &err);
}

/* Those of which words are mixed with Latin ones, and which look like themselves. */
static bool may_stand_beside_latin(UScriptCode script)
{
    return script == USCRIPT_COMMON || script == USCRIPT_INHERITED || script == USCRIPT_HAN ||
           script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA || script == USCRIPT_HANGUL ||
           script == USCRIPT_BOPOMOFO;
}

static bool looks_latin(UChar32 point)
{
    UChar units[2], out[64];
    int32_t len = 0, at = 0;
    UErrorCode err = U_ZERO_ERROR;
    U16_APPEND_UNSAFE(units, len, point);
    int32_t out_len = uspoof_getSkeleton(unicode.skeletons, 0, units, len, out, 64, &err);
    while (U_SUCCESS(err) && at < out_len) {
        UChar32 seen;
        U16_NEXT_UNSAFE(out, at, seen);
        if (script_of(seen) == USCRIPT_LATIN)
            return true;
    }
    return false;
}

static bool mixes_alphabets(const struct points *points)
{
    bool latin = false, like_latin = false;
    for (int i = 0; i < points->count; i++) {
        UChar32 point = points->at[i];
        UScriptCode script;
        if (u_isalpha(point)) {
            script = script_of(point);
            latin |= script == USCRIPT_LATIN;
            like_latin |= script != USCRIPT_LATIN && !may_stand_beside_latin(script) && looks_latin(point);
        } else if (part_of(point) == PART_VISIBLE || point == ' ') {
            latin = like_latin = false; /* another word */
        }
        if (latin && like_latin)
            return true;
    }
    return false;
}

/* ---- the rule ---- */

static void begin(void);

static void decode(struct str name, struct points *points)
{
    const uint8_t *bytes = (const uint8_t *)name.ptr;
    points->count = 0;
    for (int32_t at = 0; at < (int32_t)name.len;) {
        UChar32 point;
        U8_NEXT_UNSAFE(bytes, at, point);
        CG_ASSERT(points->count < NAME_POINTS_MAX);
        points->at[points->count++] = point;
    }
}

static bool parts_ok(const struct points *points)
{
    enum part before = PART_BLANK;
    int marks = 0;
    for (int i = 0, len; i < points->count; i += len) {
        len = emoji_length(points, i);
        enum part part = len ? PART_VISIBLE : part_of(points->at[i]);
        len = len ? len : 1;
        marks = part == PART_MARK ? marks + 1 : 0;
        if (part == PART_OTHER || (part == PART_BLANK && before == PART_BLANK) ||
            (part == PART_JOINER && !joiner_ok(points, i)))
            return false;
        if (part == PART_MARK &&
            (before == PART_BLANK || before == PART_JOINER || marks > MARKS_MAX || points->at[i] == points->at[i - 1]))
            return false;
        before = part;
    }
    return before != PART_BLANK;
}

enum name_kind name_judge(struct str name, size_t max_chars)
{
    struct points points;
    CG_ASSERT(max_chars <= NAME_POINTS_MAX);
    if (text_check_label(name, max_chars))
        return NAME_BAD;
    if (is_ascii(name))
        return ascii_ok(name) ? NAME_OK : NAME_OLD;
    pthread_once(&unicode.once, begin);
    decode(name, &points);
    return parts_ok(&points) && !mixes_alphabets(&points) ? NAME_OK : NAME_OLD;
}

/* ---- names that look alike ---- */

static const char *const reserved[] = {"system", "系统", "系統"};
enum { RESERVED = sizeof reserved / sizeof reserved[0], RESERVED_POINTS_MAX = 7 /* "systern" */ };

static bool fold(const UChar *in, int32_t len, UChar *out, int32_t *out_len)
{
    UErrorCode err = U_ZERO_ERROR;
    *out_len = unorm2_normalize(unicode.fold, in, len, out, LOOK_UNITS, &err);
    return U_SUCCESS(err);
}

static bool skeleton(const UChar *in, int32_t len, UChar *out, int32_t *out_len)
{
    UErrorCode err = U_ZERO_ERROR;
    *out_len = uspoof_getSkeleton(unicode.skeletons, 0, in, len, out, LOOK_UNITS, &err);
    return U_SUCCESS(err);
}

/* Small capitals, letters in squares and the like have neither a decomposition nor a skeleton, but a name: "LATIN LETTER
 * SMALL CAPITAL T", "NEGATIVE SQUARED LATIN CAPITAL LETTER T". */
static UChar32 plain_letter(UChar32 point)
{
    char name[96];
    UErrorCode err = U_ZERO_ERROR;
    if (point < 0x80 || (script_of(point) != USCRIPT_LATIN && u_charType(point) != U_OTHER_SYMBOL))
        return point;
    int32_t len = u_charName(point, U_UNICODE_CHAR_NAME, name, sizeof name, &err);
    if (U_FAILURE(err) || len < 2 || name[len - 2] != ' ' || !(strstr(name, "LATIN ") || strstr(name, "REGIONAL ")))
        return point;
    return name[len - 1] >= 'A' && name[len - 1] <= 'Z' ? name[len - 1] - 'A' + 'a' : point;
}

/* Without accents and blanks. */
static int32_t make_plain(UChar *text, int32_t len)
{
    int32_t kept = 0;
    for (int32_t at = 0; at < len;) {
        UChar32 point;
        U16_NEXT_UNSAFE(text, at, point);
        point = plain_letter(point);
        if (!(U_MASK(u_charType(point)) & (U_GC_M_MASK | U_GC_Z_MASK | U_GC_CF_MASK)))
            U16_APPEND_UNSAFE(text, kept, point);
    }
    return kept;
}

/* The skeleton whatever the case: of a letter's two forms often only one looks like another letter. False: too long to
 * look like a reserved name. */
static bool look(const UChar *text, int32_t len, bool upper, UChar *out, int32_t *out_len)
{
    UChar other[LOOK_UNITS];
    UErrorCode err = U_ZERO_ERROR;
    int32_t other_len;
    if (!fold(text, len, other, &other_len))
        return false;
    other_len = make_plain(other, other_len);
    if (upper)
        *out_len = u_strToUpper(out, LOOK_UNITS, other, other_len, "", &err);
    else
        u_memcpy(out, other, *out_len = other_len);
    if (U_FAILURE(err) || !skeleton(out, *out_len, other, &other_len))
        return false;
    other_len = make_plain(other, other_len);
    if (!fold(other, other_len, out, out_len))
        return false;
    u_memcpy(other, out, other_len = *out_len);
    return skeleton(other, other_len, out, out_len);
}

static void begin(void)
{
    UErrorCode err = U_ZERO_ERROR;
    unicode.skeletons = uspoof_open(&err);
    unicode.fold = unorm2_getNFKCCasefoldInstance(&err);
    CG_ASSERT(U_SUCCESS(err)); /* its tables are part of the library */
    for (int i = 0; i < RESERVED; i++) {
        UChar text[16], out[LOOK_UNITS];
        int32_t len;
        u_strFromUTF8(text, 16, &len, reserved[i], -1, &err);
        CG_ASSERT(U_SUCCESS(err) && look(text, len, false, out, &unicode.reserved_len[i]));
        CG_ASSERT(unicode.reserved_len[i] <= 16);
        u_memcpy(unicode.reserved[i], out, unicode.reserved_len[i]);
    }
}

/* Nothing becomes shorter by folding or in a skeleton, but for marks and blanks. */
static bool may_look_reserved(struct str name)
{
    size_t points = 0;
    if (is_ascii(name))
        return name.len && (name.ptr[0] | 0x20) == 's';
    for (int32_t at = 0; at < (int32_t)name.len && points <= RESERVED_POINTS_MAX;) {
        UChar32 point;
        U8_NEXT_UNSAFE((const uint8_t *)name.ptr, at, point);
        points += part_of(point) == PART_VISIBLE;
    }
    return points <= RESERVED_POINTS_MAX;
}

bool name_looks_reserved(struct str name)
{
    UChar text[4 * NAME_POINTS_MAX], out[LOOK_UNITS];
    int32_t len, out_len;
    UErrorCode err = U_ZERO_ERROR;
    if (!may_look_reserved(name))
        return false;
    pthread_once(&unicode.once, begin);
    u_strFromUTF8(text, 4 * NAME_POINTS_MAX, &len, name.ptr, (int32_t)name.len, &err);
    for (int upper = 0; U_SUCCESS(err) && upper < 2; upper++) {
        if (!look(text, len, upper, out, &out_len))
            continue;
        for (int i = 0; i < RESERVED; i++)
            if (out_len == unicode.reserved_len[i] && !u_memcmp(out, unicode.reserved[i], out_len))
                return true;
    }
    return false;
}

enum name_kind name_judge_speaker(struct str name, size_t max_chars)
{
    enum name_kind kind = name_judge(name, max_chars);
    return kind == NAME_OK && name_looks_reserved(name) ? NAME_OLD : kind;
}
