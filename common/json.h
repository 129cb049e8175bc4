/* json.h: JSON from outside, vetted before json-c sees it.
 *
 * json-c's strict mode still takes overlong UTF-8, surrogates, control characters, NaN and single
 * quotes, and an escaped NUL cuts a key short. So every text is scanned once, first: UTF-8, RFC 8259's
 * alphabet outside strings, escapes inside them, and bounds on depth and on the number of values. */
#ifndef CG_COMMON_JSON_H
#define CG_COMMON_JSON_H

#include "common/err.h"
#include "common/str.h"

#include <json-c/json.h>
#include <stdint.h>

enum { JSON_MAX_DEPTH = 16, JSON_MAX_VALUES = 4096 };

/* Parses exactly one object. On success *out is owned by the caller (json_object_put).
 * ERR_TOO_BIG for depth or count, ERR_INVALID for everything else. */
enum err json_parse_object(struct str text, struct json_object **out) CG_MUST_CHECK;

/* The string member `key`, borrowed from `object`. False if it is missing or no string.
 * Its bytes are valid UTF-8 without NUL. */
bool json_get_string(struct json_object *object, const char *key, struct str *out);

/* Whether `key` is there at all (null counts as absent). */
bool json_has(struct json_object *object, const char *key);

/* The integer member `key` within [min, max]. False if missing, of another type (a string of digits
 * is another type) or out of range. */
bool json_get_int(struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out);

#endif
