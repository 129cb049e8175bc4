/* json.h: JSON from outside, vetted before json-c sees it.
 *
 * json-c, strict or not, takes overlong UTF-8, surrogates, control characters, NaN and single quotes; and an escaped NUL
 * cuts a key short. So every text is scanned once, first, without recursion: UTF-8, RFC 8259's grammar, escapes, and
 * bounds on depth and on the number of values. Its strict mode is not used: it adds nothing then, and in json-c 0.18
 * (Debian 13; not in 0.16, Debian 12) it takes the bytes of UTF-8 for control characters where char is signed.
 *
 * Text that only passes through us needs no tree: json_vet, json_token_next and json_array_cut give views of it. */
#ifndef CG_COMMON_JSON_H
#define CG_COMMON_JSON_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <json-c/json.h>
#include <stdint.h>
#include <string.h>

enum { JSON_MAX_DEPTH = 16, JSON_MAX_VALUES = 4096, JSON_VET_MAX_DEPTH = 1024 };

/* Whether `text` is exactly one JSON text, of any type. max_depth: containers in each other, at most
 * JSON_VET_MAX_DEPTH; max_values bounds the values that follow another one after a comma.
 * ERR_TOO_BIG for depth or count, ERR_INVALID for everything else. Unlike json_parse_object it takes the escapes
 * \u0000 and of half a surrogate pair, which browsers write for such strings: whoever decodes must replace them. */
enum err json_vet(struct str text, unsigned max_depth, unsigned max_values) CG_MUST_CHECK;

/* Without the byte order mark that some clients put before a text (RFC 8259 section 8.1 lets a reader ignore it).
 * json_parse_object takes a text with it; json_vet and what cuts a text want it taken off. */
struct str json_without_mark(struct str text);

/* The integer that a number is, however it is spelled: 1.0, 1e0, 10e-1 and -0 too, because many libraries have one type of
 * numbers, and to JavaScript these are the same. `text`: a number of JSON, or an argument of a query, of which leading
 * zeros are taken as well. False: it is none, has a fraction, or does not fit into 63 bits and a sign. */
bool json_whole(struct str text, int64_t *out);

/* A string with its quotes, a number, true, false, null, or one of { } [ ] */
struct json_token {
    struct str text;
    bool is_key; /* the name of an object's member; its value comes next */
};

/* The next token of a vetted text, commas and colons left out; moves *rest past it. False: no more. */
bool json_token_next(struct str *rest, struct json_token *token);

/* Cuts a vetted array into its elements, views of the text without the blanks around them.
 * ERR_INVALID: no array. ERR_TOO_BIG: more than `max`. */
enum err json_array_cut(struct str array, struct str *elements, size_t max, size_t *count) CG_MUST_CHECK;

/* Appends the members of an object that json_parse_object took, but those of these names (which end with NULL), as they
 * stand there, with commas between them. */
void json_add_others(struct buf *out, struct str object, const char *const *names);

/* ---- writing ----
 *
 * Values are appended one after the other, and commas come by themselves: between a value and what stands before it in
 * its object or array, which the buffer's last byte tells. `key`: the member's name, which needs no escape; NULL in an
 * array. Failure sticks in the buffer (buf.h). Nothing is allocated but what the buffer grows by. */

/* What json_add_key does; `len` is the key's, which is a constant where it is written. */
void json_put_key(struct buf *out, const char *key, size_t len);
/* Only the name, and without one only the comma: the value is written by who is called next, by any of these without a
 * key. */
static inline void json_add_key(struct buf *out, const char *key)
{
    json_put_key(out, key, key ? strlen(key) : 0);
}

/* The first of a text, whatever stands before it in the buffer. */
static inline void json_begin_object(struct buf *out)
{
    buf_add_char(out, '{');
}

static inline void json_begin_array(struct buf *out)
{
    buf_add_char(out, '[');
}

static inline void json_add_object(struct buf *out, const char *key)
{
    json_add_key(out, key);
    buf_add_char(out, '{');
}

static inline void json_add_array(struct buf *out, const char *key)
{
    json_add_key(out, key);
    buf_add_char(out, '[');
}

static inline void json_end_object(struct buf *out)
{
    buf_add_char(out, '}');
}

static inline void json_end_array(struct buf *out)
{
    buf_add_char(out, ']');
}

/* `text` is UTF-8. */
static inline void json_add_string(struct buf *out, const char *key, struct str text)
{
    json_add_key(out, key);
    buf_add_json(out, text);
}

static inline void json_add_text(struct buf *out, const char *key, const char *text)
{
    json_add_string(out, key, str_of(text));
}

static inline void json_add_u64(struct buf *out, const char *key, uint64_t number)
{
    json_add_key(out, key);
    buf_add_u64(out, number);
}

void json_add_int(struct buf *out, const char *key, int64_t number);
void json_add_bool(struct buf *out, const char *key, bool value);
void json_add_null(struct buf *out, const char *key);
/* One string of two texts. */
void json_add_joined(struct buf *out, const char *key, struct str one, struct str two);
/* JSON as it stands: a value, or without a key several values or members that have their commas; none if it is empty. */
void json_add_raw(struct buf *out, const char *key, struct str json);

/* Parses exactly one object. Numbers in it that are integers are json_type_int, however they were spelled
 * (json_whole). On success *out is owned by the caller (json_object_put).
 * ERR_TOO_BIG for depth or count, ERR_INVALID for everything else. */
enum err json_parse_object(struct str text, struct json_object **out) CG_MUST_CHECK;
/* The same of a text that is known to be UTF-8: a WebSocket's text message, which relay/net/ws.c has looked at. */
enum err json_parse_utf8_object(struct str text, struct json_object **out) CG_MUST_CHECK;

/* The string member `key`, borrowed from `object`. False if it is missing or no string.
 * Its bytes are valid UTF-8 without NUL. */
bool json_get_string(struct json_object *object, const char *key, struct str *out);

/* Whether `key` is there at all (null counts as absent). */
bool json_has(struct json_object *object, const char *key);

/* The first member that is none of `names` (which a blank parts), or NULL. Borrowed from `object`. */
const char *json_unknown(struct json_object *object, const char *names);

/* The integer member `key` within [min, max]. False if missing, of another type (a string of digits
 * is another type) or out of range. */
bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out);

#endif
