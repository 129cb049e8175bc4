/* name.h: what people, rooms and spaces may be called. It knows Unicode, and alone knows the library that does (ICU);
 * nothing of who has which name.
 *
 * Two names are the same if and only if their bytes are: no case folding, no trimming, no normalisation; the database
 * compares them as VARBINARY, by the same rule. So what may be a name must be seen, and seen whole. */
#ifndef CG_COMMON_NAME_H
#define CG_COMMON_NAME_H

#include "common/err.h"
#include "common/str.h"

enum { NAME_POINTS_MAX = 256 };

enum name_kind {
    NAME_OK,
    NAME_OLD, /* nobody is given it any more; who is called so already stays */
    NAME_BAD, /* nobody can be called so */
};

/* 1..max_chars (at most NAME_POINTS_MAX) code points of these kinds, and nothing else:
 *   letters, numbers, punctuation and symbols that Unicode assigned and that show something;
 *   marks behind one of these, at most four in a row, and none twice in a row;
 *   single blanks U+0020 inside;
 *   the joiners U+200C and U+200D where a script needs them (RFC 5892, appendix A.1 and A.2);
 *   emoji of several code points (variation selector, joiner, keycap, tags) if Unicode recommends exactly them.
 * No word mixes Latin letters with letters of another alphabet that look like Latin ones. Anything else of which
 * text_check_label is content, which was the rule before, is NAME_OLD; what the Unicode of the library does not know yet
 * is, too. Safe to call concurrently; plain ASCII costs nothing. */
enum name_kind name_judge(struct str name, size_t max_chars);

/* Whether people would take it for "system" or "系统" (系統), under which clients show the server's own lines: the same,
 * but for case, accents, width and letters of other alphabets that look alike (Unicode's skeletons, UTS #39). Of valid
 * UTF-8. Safe to call concurrently. */
bool name_looks_reserved(struct str name);

/* Whether it is exactly one emoji as Unicode recommends it, or the same without its variation selector. Of valid UTF-8 of
 * at most 64 bytes. Safe to call concurrently. */
bool name_is_emoji(struct str text);

/* Both: the name of somebody whose lines stand among the server's own. */
enum name_kind name_judge_speaker(struct str name, size_t max_chars);

#endif
