/* text.h: the rules for text from outside, applied before any other use. Any thread.
 *
 * Why our own: json-c and MariaDB both let overlong forms and surrogates through, and one such
 * message makes every receiving browser fail its socket (RFC 6455 section 8.1). */
#ifndef CG_COMMON_TEXT_H
#define CG_COMMON_TEXT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

/* Whether the bytes are UTF-8 by RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF. */
bool text_utf8_valid(struct str text);

/* The number of leading bytes that are whole code points. *broken: what follows them is not the beginning of one. */
size_t text_utf8_prefix(struct str text, bool *broken);

/* Decodes %XX; also '+' if `plus`. ERR_INVALID for malformed escapes and NUL, ERR_TOO_BIG if it does not fit with a
 * NUL. The result need not be UTF-8. */
enum err text_decode_url(struct str text, bool plus, char *out, size_t size, size_t *len) CG_MUST_CHECK;

/* Number of code points of valid UTF-8. */
size_t text_length(struct str text);

/* The rule for names used by programs (client ids, looked-up accounts), and the minimum for every existing name of a
 * person or a room; new ones must pass name_judge (name.h). 1..max_chars code points, not only blanks, no C0/C1
 * control, no NUL, no line or paragraph separator, no bidirectional control. */
enum err text_check_label(struct str text, size_t max_chars) CG_MUST_CHECK;

/* The rule for message content: no NUL and no C0 control but TAB, LF, CR. Empty is refused. */
enum err text_check_content(struct str text) CG_MUST_CHECK;

/* The rule for links in messages and avatars: http:// or https:// and something after it, or what begins with
 * `own_prefix` (settings->media_url); 1..TEXT_URL_MAX bytes of UTF-8 without blanks, controls, quotes, <, > or \. */
enum { TEXT_URL_MAX = 2048 };
enum err text_check_url(struct str text, const char *own_prefix) CG_MUST_CHECK;

/* Appends content with the bidirectional embeddings, overrides and isolates (U+202A..U+202E, U+2066..U+2069) replaced
 * by U+FFFD: they can make a line look like another. */
void text_add_content(struct buf *out, struct str text);

/* A date that exists and a time, in one of the forms that JavaScript writes: "YYYY-MM-DD HH:mm:ss", with slashes,
 * without leading zeros, with parts of a second, ISO 8601 with or without its zone, and what toLocaleString() gives in
 * zh-CN and en-US. Clients show it unchanged, so nothing else is accepted. */
enum { TEXT_SENT_AT_CHARS = 64, TEXT_SENT_AT_BYTES = 255 };
bool text_is_sent_at(struct str text);

#endif
