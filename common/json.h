/* json.h: reads and writes JSON; input from outside is validated before json-c parses it. Any thread.
 *
 * json-c, strict or not, takes overlong UTF-8, surrogates, control characters, NaN and single quotes; and an escaped
 * NUL cuts a key short. So every text is first scanned once, without recursion, for UTF-8, RFC 8259's grammar,
 * escapes, and bounds on depth and number of values. json-c's strict mode is not used: it would add nothing, and in
 * json-c 0.18 (Debian 13; not in 0.16, Debian 12) it takes bytes of UTF-8 for control characters where char is signed.
 *
 * Text that is only passed on needs no tree: json_vet, json_token_next and json_array_cut give views of it. */
#ifndef CG_COMMON_JSON_H
#define CG_COMMON_JSON_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <json-c/json.h>
#include <stdint.h>
#include <string.h>

enum { JSON_MAX_DEPTH = 16, JSON_MAX_VALUES = 4096, JSON_VET_MAX_DEPTH = 1024 };

/* Whether `text` is exactly one JSON text, of any type. max_depth: nested containers, at most JSON_VET_MAX_DEPTH;
 * max_values bounds the number of commas between values. ERR_TOO_BIG for depth or count, ERR_INVALID for everything
 * else. Unlike json_parse_object it takes the escapes \u0000 and of half a surrogate pair, which browsers write for
 * such strings: code that decodes them must replace them. */
enum err json_vet(struct str text, unsigned max_depth, unsigned max_values) CG_MUST_CHECK;

/* The text without the byte order mark that some clients send (RFC 8259 section 8.1 lets a reader ignore it).
 * json_parse_object accepts it; for json_vet and the functions that split a text, remove it first. */
struct str json_without_mark(struct str text);

/* Reads an integer in any spelling: also 1.0, 1e0, 10e-1 and -0, because many languages have a single type of numbers.
 * `text` is a number of JSON, or a query argument, which may have leading zeros. False: it is no number, has a
 * fraction, or does not fit into int64_t. */
bool json_whole(struct str text, int64_t *out);

/* A string with its quotes, a number, true, false, null, or one of { } [ ] */
struct json_token {
    struct str text;
    bool is_key; /* the name of an object's member; its value comes next */
};

/* The next token of a validated text, skipping commas and colons; moves *rest past it. False: the end. */
bool json_token_next(struct str *rest, struct json_token *token);

/* Splits a validated array into its elements, views of the text without surrounding blanks. ERR_INVALID: no array.
 * ERR_TOO_BIG: more than `max` elements. */
enum err json_array_cut(struct str array, struct str *elements, size_t max, size_t *count) CG_MUST_CHECK;

/* Appends the members of an object that json_parse_object has accepted, unchanged and with commas, except those in
 * `names` (which ends with NULL). */
void json_add_others(struct buf *out, struct str object, const char *const *names);

/* ---- writing ----
 *
 * Values are appended one after the other. Commas are added automatically, depending on the buffer's last byte. `key`
 * is the member's name, which must need no escaping; NULL in an array. Failure is sticky in the buffer (buf.h).
 * Allocates nothing but the buffer. */

/* Implements json_add_key; inlining makes `len` a constant at the call. */
void json_put_key(struct buf *out, const char *key, size_t len);
/* Appends only a comma, if needed, and the name; the value must follow, by a call without a key. */
static inline void json_add_key(struct buf *out, const char *key)
{
    json_put_key(out, key, key ? strlen(key) : 0);
}

/* Begins a text of its own, without a comma. */
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
/* Appends two texts as one string. */
void json_add_joined(struct buf *out, const char *key, struct str one, struct str two);
/* Appends JSON unchanged: a value, or without a key several values or members with their commas; may be empty. */
void json_add_raw(struct buf *out, const char *key, struct str json);

/* Parses exactly one object. Integers are json_type_int in any spelling (json_whole). On success *out is owned by the
 * caller (json_object_put). ERR_TOO_BIG for depth or count, ERR_INVALID for everything else. */
enum err json_parse_object(struct str text, struct json_object **out) CG_MUST_CHECK;
/* The same for a text that is known to be UTF-8, such as a WebSocket's text message, which relay/net/ws.c has
 * checked. */
enum err json_parse_utf8_object(struct str text, struct json_object **out) CG_MUST_CHECK;

/* The string member `key`, borrowed from `object`. False if it is missing or no string.
 * Its bytes are valid UTF-8 without NUL. */
bool json_get_string(struct json_object *object, const char *key, struct str *out);

/* Whether `key` is present and not null. */
bool json_has(struct json_object *object, const char *key);

/* The first member that is not in `names` (separated by blanks), or NULL. Borrowed from `object`. */
const char *json_unknown(struct json_object *object, const char *names);

/* The integer member `key` within [min, max]. False if missing, of another type (a string of digits
 * is another type) or out of range. */
bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out);

#endif
