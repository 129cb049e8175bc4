#include "common/json.h"

#include "common/text.h"

#include <string.h>

struct scan {
    struct str text;
    size_t at;
    unsigned depth;
    unsigned values;
};

static int hex4(struct scan *scan)
{
    int value = 0;
    if (scan->text.len - scan->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = scan->text.ptr[scan->at++];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* After "\u": a code unit that is not NUL, or a whole surrogate pair. */
static bool unicode_escape_ok(struct scan *scan)
{
    int unit = hex4(scan);
    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff))
        return false;
    if (unit < 0xd800 || unit > 0xdbff)
        return true;
    if (scan->text.len - scan->at < 2 || memcmp(scan->text.ptr + scan->at, "\\u", 2) != 0)
        return false;
    scan->at += 2;
    int low = hex4(scan);
    return low >= 0xdc00 && low <= 0xdfff;
}

/* After the opening quote, up to and with the closing one. */
static bool string_ok(struct scan *scan)
{
    while (scan->at < scan->text.len) {
        unsigned char c = (unsigned char)scan->text.ptr[scan->at++];
        if (c == '"')
            return true;
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (scan->at == scan->text.len)
            return false;
        c = (unsigned char)scan->text.ptr[scan->at++];
        if (c == 'u' ? !unicode_escape_ok(scan) : !strchr("\"\\/bfnrt", c) || !c)
            return false;
    }
    return false;
}

static bool literal_ok(struct scan *scan)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t len = strlen(words[i]);
        if (scan->text.len - scan->at >= len && !memcmp(scan->text.ptr + scan->at, words[i], len)) {
            scan->at += len;
            return true;
        }
    }
    return false;
}

static bool digits_ok(struct scan *scan)
{
    size_t start = scan->at;
    while (scan->at < scan->text.len && scan->text.ptr[scan->at] >= '0' &&
           scan->text.ptr[scan->at] <= '9')
        scan->at++;
    return scan->at > start;
}

static bool take(struct scan *scan, const char *any)
{
    bool there = scan->at < scan->text.len && scan->text.ptr[scan->at] &&
                 strchr(any, scan->text.ptr[scan->at]);
    scan->at += there;
    return there;
}

/* RFC 8259 section 6, up to something that cannot belong to a number. json-c also takes "1.", "00" and "-01". */
static bool number_ok(struct scan *scan)
{
    take(scan, "-");
    if (!take(scan, "0") && !digits_ok(scan))
        return false;
    if (take(scan, ".") && !digits_ok(scan))
        return false;
    if (take(scan, "eE")) {
        take(scan, "+-");
        if (!digits_ok(scan))
            return false;
    }
    return !take(scan, "0123456789+-.eE");
}

static enum err vet(struct str text)
{
    if (!text_utf8_valid(text))
        return ERR_INVALID;
    struct scan scan = {.text = text};
    while (scan.at < text.len) {
        char c = text.ptr[scan.at];
        if (c == 't' || c == 'f' || c == 'n' || c == '-' || (c >= '0' && c <= '9')) {
            if (!(c >= 'a' ? literal_ok(&scan) : number_ok(&scan)))
                return ERR_INVALID;
            continue;
        }
        scan.at++;
        switch (c) {
        case '"':
            if (!string_ok(&scan))
                return ERR_INVALID;
            break;
        case '{':
        case '[':
            if (++scan.depth > JSON_MAX_DEPTH)
                return ERR_TOO_BIG;
            break;
        case '}':
        case ']':
            if (scan.depth-- == 0)
                return ERR_INVALID;
            break;
        case ',':
            if (++scan.values > JSON_MAX_VALUES)
                return ERR_TOO_BIG;
            break;
        default:
            if (!c || !strchr(" \t\r\n:", c))
                return ERR_INVALID;
        }
    }
    return scan.depth ? ERR_INVALID : ERR_OK;
}

enum err json_parse_object(struct str text, struct json_object **out)
{
    *out = NULL;
    if (text.len > INT32_MAX)
        return ERR_TOO_BIG;
    enum err err = vet(text);
    if (err)
        return err;
    struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH + 1);
    CG_ASSERT(tokener);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
    struct json_object *object = json_tokener_parse_ex(tokener, text.ptr, (int)text.len);
    bool complete = json_tokener_get_error(tokener) == json_tokener_success;
    size_t end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    while (complete && end < text.len && strchr(" \t\r\n", text.ptr[end]) && text.ptr[end])
        end++;
    if (!complete || end != text.len || !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return ERR_INVALID;
    }
    *out = object;
    return ERR_OK;
}

bool json_get_string(struct json_object *object, const char *key, struct str *out)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_string))
        return false;
    *out = (struct str){json_object_get_string(member), (size_t)json_object_get_string_len(member)};
    return true;
}

bool json_has(struct json_object *object, const char *key)
{
    struct json_object *member;
    return json_object_object_get_ex(object, key, &member) && member;
}

bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, key, &member) ||
        !json_object_is_type(member, json_type_int))
        return false;
    int64_t value = json_object_get_int64(member); /* beyond 64 bits json-c clamps, out of any range */
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}
