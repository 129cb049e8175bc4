#include "common/text.h"

/* Decodes one code point at `at`; its length in bytes, or 0 if the bytes are not UTF-8. */
static size_t decode(struct str text, size_t at, uint32_t *point)
{
    const unsigned char *byte = (const unsigned char *)text.ptr + at;
    size_t left = text.len - at;
    if (byte[0] < 0x80) {
        *point = byte[0];
        return 1;
    }
    size_t len = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {[2] = 0x80, [3] = 0x800, [4] = 0x10000};
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || left < len)
        return 0;
    uint32_t value = byte[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    if (value < least[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *point = value;
    return len;
}

/* Whether more bytes can make a code point of the few that are there. */
static bool can_begin(const unsigned char *byte, size_t len)
{
    if (byte[0] < 0xc2 || byte[0] > 0xf4)
        return false;
    for (size_t i = 1; i < len; i++)
        if ((byte[i] & 0xc0) != 0x80)
            return false;
    if (len >= 2 && ((byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
                     (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f)))
        return false; /* overlong, a surrogate, past U+10FFFF */
    return len < (byte[0] >= 0xf0 ? 4u : byte[0] >= 0xe0 ? 3u : 2u);
}

size_t text_utf8_prefix(struct str text, bool *broken)
{
    size_t at = 0;
    *broken = false;
    while (at < text.len) {
        uint64_t word;
        if (text.len - at >= sizeof word) { /* eight ASCII bytes at a time */
            memcpy(&word, text.ptr + at, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                at += sizeof word;
                continue;
            }
        }
        uint32_t point;
        size_t len = decode(text, at, &point);
        if (!len) {
            *broken = !can_begin((const unsigned char *)text.ptr + at, text.len - at);
            break;
        }
        at += len;
    }
    return at;
}

bool text_utf8_valid(struct str text)
{
    bool broken;
    return text_utf8_prefix(text, &broken) == text.len;
}

size_t text_length(struct str text)
{
    size_t points = 0;
    for (size_t i = 0; i < text.len; i++)
        points += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return points;
}

static bool is_bidi_control(uint32_t point)
{
    return (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

static bool allowed_in_label(uint32_t point)
{
    if (point < 0x20 || (point >= 0x7f && point < 0xa0))
        return false; /* C0, DEL, C1 */
    if (point == 0x2028 || point == 0x2029 || point == 0x200e || point == 0x200f || point == 0x61c)
        return false; /* separators and bidirectional marks */
    if (point == 0xfeff || (point >= 0xfff9 && point <= 0xfffb))
        return false; /* byte order mark, interlinear annotation */
    return !is_bidi_control(point);
}

static bool is_blank(uint32_t point)
{
    return point == 0x20 || point == 0xa0 || point == 0x3000 || (point >= 0x2000 && point <= 0x200d) ||
           point == 0x2060 || point == 0x202f || point == 0x205f;
}

enum err text_check_label(struct str text, size_t max_chars)
{
    bool visible = false;
    size_t points = 0;
    for (size_t at = 0; at < text.len; points++) {
        uint32_t point;
        size_t len = decode(text, at, &point);
        if (!len || !allowed_in_label(point))
            return ERR_INVALID;
        visible |= !is_blank(point);
        at += len;
    }
    if (points > max_chars)
        return ERR_TOO_BIG;
    return visible ? ERR_OK : ERR_INVALID;
}

enum err text_check_content(struct str text)
{
    if (!text.len || !text_utf8_valid(text))
        return ERR_INVALID;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r')
            return ERR_INVALID;
    }
    return ERR_OK;
}

static bool begins_with(struct str text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len > len && !memcmp(text.ptr, prefix, len);
}

enum err text_check_url(struct str text, const char *own_prefix)
{
    if (text.len > TEXT_URL_MAX)
        return ERR_TOO_BIG;
    if (!begins_with(text, "http://") && !begins_with(text, "https://") && !begins_with(text, own_prefix))
        return ERR_INVALID;
    for (size_t at = 0; at < text.len;) {
        uint32_t point;
        size_t len = decode(text, at, &point);
        if (!len || !allowed_in_label(point) || is_blank(point) || (point < 0x80 && strchr("\"'`<>\\", (int)point)))
            return ERR_INVALID;
        at += len;
    }
    return ERR_OK;
}

void text_add_content(struct buf *out, struct str text)
{
    size_t plain = 0;
    for (size_t i = 0; i + 2 < text.len; i++) {
        const unsigned char *byte = (const unsigned char *)text.ptr + i;
        if (byte[0] != 0xe2)
            continue;
        uint32_t point;
        if (decode(text, i, &point) != 3 || !is_bidi_control(point))
            continue;
        buf_add(out, text.ptr + plain, i - plain);
        buf_add(out, "\xef\xbf\xbd", 3);
        i += 2;
        plain = i + 1;
    }
    buf_add(out, text.ptr + plain, text.len - plain);
}

static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool text_is_datetime(struct str text)
{
    if (text.len != 19)
        return false;
    const char *at = text.ptr;
    if (at[4] != '-' || at[7] != '-' || at[10] != ' ' || at[13] != ':' || at[16] != ':')
        return false;
    int year = digits(at, 4), month = digits(at + 5, 2), day = digits(at + 8, 2);
    int hour = digits(at + 11, 2), minute = digits(at + 14, 2), second = digits(at + 17, 2);
    if (year < 1000 || month < 1 || month > 12 || hour < 0 || hour > 23)
        return false;
    if (minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}
