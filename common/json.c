#include "common/json.h"

#include "common/hex.h"
#include "common/mem.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

/* What the grammar allows next. */
enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* after [ */
    EXPECT_KEY,
    EXPECT_KEY_OR_END, /* after { */
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
    EXPECT_NOTHING,
};

struct scan {
    struct str text;
    size_t at;
    bool strict; /* escapes must name characters */
    enum expect expect;
    unsigned depth;
    unsigned max_depth;
    unsigned commas;
    unsigned max_values;
    bool fractions;                            /* a number has a fraction or an exponent */
    uint64_t objects[JSON_VET_MAX_DEPTH / 64]; /* bit n: the container at depth n+1 is an object */
};

static int hex4(struct scan *scan)
{
    uint64_t value;
    if (scan->text.len - scan->at < 4 || !hex_number(scan->text.ptr + scan->at, 4, &value))
        return -1;
    scan->at += 4;
    return (int)value;
}

/* After "\u": a code unit that is not NUL, or a whole surrogate pair; unless strict, any code unit. */
static bool unicode_escape_ok(struct scan *scan)
{
    int unit = hex4(scan);
    if (!scan->strict)
        return unit >= 0;
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
    while (scan->at < scan->text.len && scan->text.ptr[scan->at] >= '0' && scan->text.ptr[scan->at] <= '9')
        scan->at++;
    return scan->at > start;
}

static bool take(struct scan *scan, const char *any)
{
    bool there = scan->at < scan->text.len && scan->text.ptr[scan->at] && strchr(any, scan->text.ptr[scan->at]);
    scan->at += there;
    return there;
}

/* RFC 8259 section 6, up to something that cannot belong to a number. json-c also takes "1.", "00" and "-01". */
static bool number_ok(struct scan *scan)
{
    take(scan, "-");
    if (!take(scan, "0") && !digits_ok(scan))
        return false;
    if (take(scan, ".")) {
        scan->fractions = true;
        if (!digits_ok(scan))
            return false;
    }
    if (take(scan, "eE")) {
        scan->fractions = true;
        take(scan, "+-");
        if (!digits_ok(scan))
            return false;
    }
    return !take(scan, "0123456789+-.eE");
}

static bool wants_value(const struct scan *scan)
{
    return scan->expect == EXPECT_VALUE || scan->expect == EXPECT_VALUE_OR_END;
}

static uint64_t *bit_of(struct scan *scan, unsigned depth, uint64_t *bit)
{
    *bit = UINT64_C(1) << (depth - 1) % 64;
    return &scan->objects[(depth - 1) / 64];
}

static bool in_object(struct scan *scan)
{
    uint64_t bit;
    return scan->depth && *bit_of(scan, scan->depth, &bit) & bit;
}

static void after_value(struct scan *scan)
{
    scan->expect = scan->depth ? EXPECT_COMMA_OR_END : EXPECT_NOTHING;
}

static enum err open_container(struct scan *scan, bool object)
{
    if (!wants_value(scan))
        return ERR_INVALID;
    if (scan->depth == scan->max_depth)
        return ERR_TOO_BIG;
    uint64_t bit, *bits = bit_of(scan, ++scan->depth, &bit);
    *bits = object ? *bits | bit : *bits & ~bit;
    scan->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return ERR_OK;
}

static enum err close_container(struct scan *scan, bool object)
{
    enum expect empty = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    if (!scan->depth || in_object(scan) != object || (scan->expect != EXPECT_COMMA_OR_END && scan->expect != empty))
        return ERR_INVALID;
    scan->depth--;
    after_value(scan);
    return ERR_OK;
}

static enum err comma(struct scan *scan)
{
    if (scan->expect != EXPECT_COMMA_OR_END)
        return ERR_INVALID;
    scan->expect = in_object(scan) ? EXPECT_KEY : EXPECT_VALUE;
    return ++scan->commas < scan->max_values ? ERR_OK : ERR_TOO_BIG;
}

static enum err string(struct scan *scan)
{
    bool key = scan->expect == EXPECT_KEY || scan->expect == EXPECT_KEY_OR_END;
    if (!(key || wants_value(scan)) || !string_ok(scan))
        return ERR_INVALID;
    if (key)
        scan->expect = EXPECT_COLON;
    else
        after_value(scan);
    return ERR_OK;
}

static enum err token(struct scan *scan)
{
    char c = scan->text.ptr[scan->at];
    if (c == 't' || c == 'f' || c == 'n' || c == '-' || (c >= '0' && c <= '9')) {
        if (!wants_value(scan) || !(c >= 'a' ? literal_ok(scan) : number_ok(scan)))
            return ERR_INVALID;
        after_value(scan);
        return ERR_OK;
    }
    scan->at++;
    switch (c) {
    case ' ':
    case '\t':
    case '\r':
    case '\n': return ERR_OK;
    case '"': return string(scan);
    case '{':
    case '[': return open_container(scan, c == '{');
    case '}':
    case ']': return close_container(scan, c == '}');
    case ',': return comma(scan);
    case ':':
        if (scan->expect != EXPECT_COLON)
            return ERR_INVALID;
        scan->expect = EXPECT_VALUE;
        return ERR_OK;
    default: return ERR_INVALID;
    }
}

/* A text that is UTF-8. */
static enum err vet(struct scan *scan)
{
    CG_ASSERT(scan->max_depth <= JSON_VET_MAX_DEPTH);
    while (scan->at < scan->text.len) {
        enum err err = token(scan);
        if (err)
            return err;
    }
    return scan->expect == EXPECT_NOTHING ? ERR_OK : ERR_INVALID;
}

enum err json_vet(struct str text, unsigned max_depth, unsigned max_values)
{
    struct scan scan = {.text = text, .max_depth = max_depth, .max_values = max_values};
    return text_utf8_valid(text) ? vet(&scan) : ERR_INVALID;
}

struct str json_without_mark(struct str text)
{
    static const struct str mark = {"\xef\xbb\xbf", 3};
    bool marked = text.len >= mark.len && !memcmp(text.ptr, mark.ptr, mark.len);
    return marked ? (struct str){text.ptr + mark.len, text.len - mark.len} : text;
}

/* ---- integers, however they are spelled ---- */

static void skip(struct str *rest, size_t len)
{
    rest->ptr += len;
    rest->len -= len;
}

/* digits * 10^zeros */
struct decimal {
    uint64_t digits;
    int64_t zeros; /* that follow them: only another digit makes something of them */
};

static bool put_digit(struct decimal *number, unsigned digit)
{
    number->zeros++;
    if (!digit)
        return true;
    for (; number->digits && number->zeros; number->zeros--)
        if (__builtin_mul_overflow(number->digits, 10, &number->digits))
            return false;
    number->zeros = 0;
    return !__builtin_add_overflow(number->digits, digit, &number->digits);
}

/* One digit at least; *count: how many. False, too, if they are too large. */
static bool put_digits(struct decimal *number, struct str *text, int64_t *count)
{
    for (*count = 0; text->len && *text->ptr >= '0' && *text->ptr <= '9'; ++*count) {
        if (!put_digit(number, (unsigned)(*text->ptr - '0')))
            return false;
        skip(text, 1);
    }
    return *count > 0;
}

static bool skip_one(struct str *text, const char *any)
{
    bool there = text->len && *text->ptr && strchr(any, *text->ptr);
    skip(text, there);
    return there;
}

/* After "e". */
static bool put_exponent(struct decimal *number, struct str *text)
{
    int64_t exponent = 0;
    bool negative = text->len && *text->ptr == '-';
    skip_one(text, "+-");
    size_t len = text->len;
    for (; text->len && *text->ptr >= '0' && *text->ptr <= '9'; skip(text, 1))
        if (exponent < INT32_MAX) /* more is all the same: no digits that anybody sends make up for that */
            exponent = exponent * 10 + (*text->ptr - '0');
    number->zeros += negative ? -exponent : exponent;
    return text->len < len;
}

bool json_whole(struct str text, int64_t *out)
{
    struct decimal number = {0};
    int64_t count, fraction = 0;
    bool negative = skip_one(&text, "-");
    if (!put_digits(&number, &text, &count) || (skip_one(&text, ".") && !put_digits(&number, &text, &fraction)))
        return false;
    number.zeros -= fraction;
    if ((skip_one(&text, "eE") && !put_exponent(&number, &text)) || text.len)
        return false;
    for (; number.digits && number.zeros > 0; number.zeros--)
        if (__builtin_mul_overflow(number.digits, 10, &number.digits))
            return false;
    if (number.digits > INT64_MAX || (number.digits && number.zeros < 0))
        return false;
    *out = negative ? -(int64_t)number.digits : (int64_t)number.digits;
    return true;
}

static size_t token_len(struct str text)
{
    if (text.ptr[0] == '"') {
        for (size_t i = 1; i < text.len; i++)
            if (text.ptr[i] == '\\')
                i++;
            else if (text.ptr[i] == '"')
                return i + 1;
        return text.len;
    }
    if (strchr("{}[]", text.ptr[0]))
        return 1;
    size_t len = 1;
    while (len < text.len && !strchr(" \t\r\n,:]}", text.ptr[len]))
        len++;
    return len;
}

static void skip_any(struct str *rest, const char *any)
{
    while (rest->len && *rest->ptr && strchr(any, *rest->ptr))
        skip(rest, 1);
}

bool json_token_next(struct str *rest, struct json_token *token)
{
    skip_any(rest, " \t\r\n,:");
    if (!rest->len)
        return false;
    token->text = (struct str){rest->ptr, token_len(*rest)};
    skip(rest, token->text.len);
    skip_any(rest, " \t\r\n");
    token->is_key = rest->len && *rest->ptr == ':';
    return true;
}

enum err json_array_cut(struct str array, struct str *elements, size_t max, size_t *count)
{
    struct json_token token;
    *count = 0;
    if (!json_token_next(&array, &token) || token.text.ptr[0] != '[')
        return ERR_INVALID;
    unsigned depth = 1;
    const char *start = NULL; /* of the element that is being read */
    while (json_token_next(&array, &token)) {
        char c = token.text.ptr[0];
        if (!start)
            start = token.text.ptr;
        if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && --depth == 0)
            break;
        if (depth > 1)
            continue;
        if (*count == max)
            return ERR_TOO_BIG;
        elements[(*count)++] = (struct str){start, (size_t)(token.text.ptr + token.text.len - start)};
        start = NULL;
    }
    return ERR_OK;
}

/* Whether the JSON string is one of them, however it is escaped. */
static bool is_one_of(struct str name, const char *const *names)
{
    struct str plain = {name.ptr + 1, name.len - 2};
    struct json_object *decoded = NULL;
    if (memchr(plain.ptr, '\\', plain.len)) {
        char *text = mem_strndup(name.ptr, name.len);
        decoded = json_tokener_parse(text);
        free(text);
        plain = (struct str){json_object_get_string(decoded), (size_t)json_object_get_string_len(decoded)};
    }
    while (*names && !str_eq(plain, str_of(*names)))
        names++;
    json_object_put(decoded);
    return *names;
}

void json_add_others(struct buf *out, struct str object, const char *const *names)
{
    const char *open = memchr(object.ptr, '{', object.len);
    CG_ASSERT(open);
    struct str rest = {open + 1, object.len - (size_t)(open + 1 - object.ptr)};
    struct json_token name, token;
    size_t before = out->len;
    while (json_token_next(&rest, &name) && name.is_key) {
        unsigned depth = 0;
        do {
            bool more = json_token_next(&rest, &token);
            CG_ASSERT(more);
            depth += *token.text.ptr == '{' || *token.text.ptr == '[';
            depth -= *token.text.ptr == '}' || *token.text.ptr == ']';
        } while (depth);
        if (is_one_of(name.text, names))
            continue;
        if (out->len > before)
            buf_add_char(out, ',');
        buf_add(out, name.text.ptr, (size_t)(token.text.ptr + token.text.len - name.text.ptr));
    }
}

/* The integer that a number with a fraction or an exponent is; else NULL. */
static struct json_object *as_integer(struct json_object *value)
{
    int64_t number;
    if (!json_object_is_type(value, json_type_double) || /* its text is what was parsed */
        !json_whole(str_of(json_object_get_string(value)), &number))
        return NULL;
    return json_object_new_int64(number);
}

/* Puts integers in the place of such numbers; no deeper than JSON_MAX_DEPTH. */
static void put_integers(struct json_object *value)
{
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            struct json_object *integer = as_integer(member);
            if (integer)
                json_object_object_add(value, key, integer);
            else
                put_integers(member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            struct json_object *element = json_object_array_get_idx(value, i), *integer = as_integer(element);
            if (integer)
                json_object_array_put_idx(value, i, integer);
            else
                put_integers(element);
        }
    }
}

enum err json_parse_object(struct str text, struct json_object **out)
{
    *out = NULL;
    return text_utf8_valid(text) ? json_parse_utf8_object(text, out) : ERR_INVALID;
}

enum err json_parse_utf8_object(struct str text, struct json_object **out)
{
    *out = NULL;
    text = json_without_mark(text);
    if (text.len > INT32_MAX)
        return ERR_TOO_BIG;
    struct scan scan = {.text = text, .strict = true, .max_depth = JSON_MAX_DEPTH, .max_values = JSON_MAX_VALUES};
    enum err err = vet(&scan);
    if (err)
        return err;
    struct json_tokener *tokener = json_tokener_new_ex(JSON_MAX_DEPTH + 1);
    CG_ASSERT(tokener);
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
    if (scan.fractions)
        put_integers(object);
    *out = object;
    return ERR_OK;
}

bool json_get_string(struct json_object *object, const char *key, struct str *out)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, json_type_string))
        return false;
    *out = (struct str){json_object_get_string(member), (size_t)json_object_get_string_len(member)};
    return true;
}

const char *json_unknown(struct json_object *object, const char *names)
{
    json_object_object_foreach(object, key, member)
    {
        size_t len = strlen(key);
        const char *at = names;
        (void)member;
        while (at && (strncmp(at, key, len) != 0 || (at[len] && at[len] != ' ')))
            at = (at = strchr(at, ' ')) ? at + 1 : NULL;
        if (!at || !len || strchr(key, ' '))
            return key;
    }
    return NULL;
}

bool json_has(struct json_object *object, const char *key)
{
    struct json_object *member;
    return json_object_object_get_ex(object, key, &member) && member;
}

bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    struct json_object *member;
    if (!json_object_object_get_ex(object, key, &member) || !json_object_is_type(member, json_type_int))
        return false;
    int64_t value = json_object_get_int64(member); /* beyond 64 bits json-c clamps, out of any range */
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

/* ---- writing ---- */

/* No value ends like this. */
static bool is_open(const struct buf *out)
{
    char last = '{';
    if (out->len)
        last = out->data[out->len - 1];
    return last == '{' || last == '[' || last == ':';
}

void json_put_key(struct buf *out, const char *key, size_t len)
{
    bool comma = !is_open(out);
    size_t need = comma + (key ? len + sizeof "\"\":" - 1 : 0);
    char *at = need ? buf_reserve(out, need) : NULL;
    if (!at)
        return;
    out->len += need;
    if (comma)
        *at++ = ',';
    if (!key)
        return;
    *at++ = '"';
    memcpy(at, key, len);
    memcpy(at + len, "\":", 2);
}

void json_add_int(struct buf *out, const char *key, int64_t number)
{
    json_add_key(out, key);
    if (number < 0)
        buf_add_char(out, '-');
    buf_add_u64(out, number < 0 ? -(uint64_t)number : (uint64_t)number);
}

void json_add_bool(struct buf *out, const char *key, bool value)
{
    json_add_raw(out, key, value ? STR("true") : STR("false"));
}

void json_add_null(struct buf *out, const char *key)
{
    json_add_raw(out, key, STR("null"));
}

void json_add_joined(struct buf *out, const char *key, struct str one, struct str two)
{
    json_add_key(out, key);
    buf_add_char(out, '"');
    buf_add_escaped(out, one);
    buf_add_escaped(out, two);
    buf_add_char(out, '"');
}

void json_add_raw(struct buf *out, const char *key, struct str json)
{
    if (!json.len)
        return;
    json_add_key(out, key);
    buf_add_str(out, json);
}
