/* name.h: the rules for names of people, rooms and spaces. One of the two modules that use ICU. Does not know which
 * names are taken. Any thread.
 *
 * Two names are the same if and only if their bytes are: no case folding, no trimming, no normalisation; the database
 * compares them as VARBINARY, by the same rule. So everything in a name must be visible. */
#ifndef CG_COMMON_NAME_H
#define CG_COMMON_NAME_H

#include "common/err.h"
#include "common/str.h"

enum { NAME_POINTS_MAX = 256 };

enum name_kind {
    NAME_OK,
    NAME_OLD, /* valid for existing users and rooms, but not for new ones */
    NAME_BAD, /* not a valid name */
};

/* 1..max_chars (at most NAME_POINTS_MAX) code points of these kinds, and nothing else:
 *   letters, numbers, punctuation and symbols that Unicode assigned and that show something;
 *   marks behind one of these, at most four in a row, and none twice in a row;
 *   single blanks U+0020 inside;
 *   the joiners U+200C and U+200D where a script needs them (RFC 5892, appendix A.1 and A.2);
 *   emoji of several code points (variation selector, joiner, keycap, tags) if Unicode recommends exactly them.
 * No word mixes Latin letters with letters of another alphabet that look like Latin ones. Anything else that
 * text_check_label accepts, which was the former rule, is NAME_OLD; so are characters newer than the library's
 * Unicode. Plain ASCII takes a fast path. */
enum name_kind name_judge(struct str name, size_t max_chars);

/* Whether it looks like "system" or "系统" (系統), the names under which clients show the server's own lines: equal apart
 * from case, accents, width and similar letters of other alphabets (Unicode's skeletons, UTS #39). `name` must be
 * valid UTF-8. */
bool name_looks_reserved(struct str name);

/* Whether it is exactly one emoji as Unicode recommends it, or the same without its variation selector. `text` must be
 * valid UTF-8 of at most 64 bytes. */
bool name_is_emoji(struct str text);

/* Both checks, for users whose messages appear next to the server's own lines. */
enum name_kind name_judge_speaker(struct str name, size_t max_chars);

#endif
