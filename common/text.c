#include "common/hex.h"
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

enum err text_decode_url(struct str text, bool plus, char *out, size_t size, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        int byte = (unsigned char)text.ptr[i];
        if (byte == '%') {
            int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.ptr[i + 2]) : -1;
            if (low < 0)
                return ERR_INVALID;
            byte = high << 4 | low;
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        if (!byte)
            return ERR_INVALID;
        if (*len + 1 >= size)
            return ERR_TOO_BIG;
        out[(*len)++] = (char)byte;
    }
    if (size)
        out[*len] = '\0';
    return ERR_OK;
}

/* ---- what a sender's clock says ---- */

static bool take(struct str *rest, const char *text)
{
    size_t len = strlen(text);
    if (rest->len < len || memcmp(rest->ptr, text, len) != 0)
        return false;
    *rest = (struct str){rest->ptr + len, rest->len - len};
    return true;
}

static bool take_any(struct str *rest, const char *const *texts)
{
    while (*texts && !take(rest, *texts))
        texts++;
    return *texts;
}

/* How many digits it has, at most `most`; 0: none, or the number is not within [low, high]. */
static size_t take_number(struct str *rest, size_t most, int low, int high, int *value)
{
    size_t len = 0;
    *value = 0;
    for (; len < most && len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9'; len++)
        *value = *value * 10 + (rest->ptr[len] - '0');
    *rest = (struct str){rest->ptr + len, rest->len - len};
    return *value < low || *value > high ? 0 : len;
}

/* Also what browsers put before AM and PM. */
static bool take_blanks(struct str *rest)
{
    static const char *const blanks[] = {" ", "\u00a0", "\u202f", NULL};
    bool some = false;
    while (take_any(rest, blanks))
        some = true;
    return some;
}

static bool date_exists(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* Year first with one of three marks, or as en-US has it. */
static bool take_date(struct str *rest)
{
    static const char *const marks[][3] = {{"-", "-", ""}, {"/", "/", ""}, {"年", "月", "日"}};
    int year, month, day;
    size_t i = 0;
    if (take_number(rest, 4, 1, 9999, &year) != 4) {
        month = year;
        return month >= 1 && month <= 12 && take(rest, "/") && take_number(rest, 2, 1, 31, &day) && take(rest, "/") &&
               take_number(rest, 4, 1000, 9999, &year) && date_exists(year, month, day);
    }
    while (i < 3 && !take(rest, marks[i][0]))
        i++;
    return i < 3 && year >= 1000 && take_number(rest, 2, 1, 12, &month) && take(rest, marks[i][1]) &&
           take_number(rest, 2, 1, 31, &day) && take(rest, marks[i][2]) && date_exists(year, month, day);
}

/* Z, +0800, +08:00, GMT+8. False: it begins as one and is none. */
static bool take_zone(struct str *rest)
{
    static const char *const names[] = {"GMT", "UTC", NULL}, *const signs[] = {"+", "-", NULL};
    int hours, minutes;
    if (take(rest, "Z"))
        return true;
    bool named = take_any(rest, names);
    if (!take_any(rest, signs))
        return true;
    size_t len = take_number(rest, 2, 0, 14, &hours);
    bool colon = len && take(rest, ":");
    size_t more = take_number(rest, 2, 0, 59, &minutes);
    return len && (more == 2 || (named && !more && !colon));
}

static bool take_time(struct str *rest)
{
    static const char *const before[] = {"上午", "下午", "凌晨", "清晨", "早上", "中午", "傍晚", "晚上", NULL};
    static const char *const after[] = {"AM", "PM", "am", "pm", NULL};
    int hour, minute, second, fraction;
    take_any(rest, before);
    if (!take_number(rest, 2, 0, 23, &hour) || !take(rest, ":") || take_number(rest, 2, 0, 59, &minute) != 2)
        return false;
    if (take(rest, ":") && take_number(rest, 2, 0, 59, &second) != 2)
        return false;
    if (take(rest, ".") && !take_number(rest, 9, 0, 999999999, &fraction))
        return false;
    struct str half = *rest;
    take_blanks(&half);
    if (take_any(&half, after))
        *rest = half;
    return true;
}

bool text_is_sent_at(struct str text)
{
    struct str rest = text;
    if (text.len > TEXT_SENT_AT_BYTES || !take_date(&rest))
        return false;
    bool comma = take(&rest, ",");
    if (!comma && take(&rest, "T")) {
        if (!take_time(&rest))
            return false;
    } else {
        if (!take_blanks(&rest) || !take_zone(&rest))
            return false;
        take_blanks(&rest);
        if (!take_time(&rest))
            return false;
    }
    if (take_blanks(&rest) && !rest.len)
        return false;
    return take_zone(&rest) && !rest.len && text_length(text) <= TEXT_SENT_AT_CHARS;
}
