/* words.h: what of a text is looked for: its words, without case, accents and width. Scripts that part their words with
 * blanks have words; of the others each character is one, and two beside each other make a pair, so that a word of these
 * is found without knowing where words end. Knows Unicode (ICU), and no index. */
#ifndef CG_COMMON_SEARCH_WORDS_H
#define CG_COMMON_SEARCH_WORDS_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>

enum {
    WORD_KEY_MAX = 64,        /* bytes of a word that count; what is longer is cut */
    WORDS_TEXT_MAX = 1 << 16, /* bytes of a text that are looked at */
};

struct word {
    size_t begin, end;   /* bytes of the text */
    size_t key, key_len; /* in `keys`: letters and digits, folded; an emoji */
    bool is_wide;        /* one character of a script without blanks between words */
    bool follows;        /* nothing stands between it and the word before it */
};

/* A zeroed one is empty, and may be read into again and again. */
struct words {
    struct word *at;
    size_t count, cap;
    struct buf keys;
};

void words_fini(struct words *words);
/* Of valid UTF-8. */
void words_read(struct words *words, struct str text);

static inline struct str words_key(const struct words *words, size_t i)
{
    return (struct str){words->keys.data + words->at[i].key, words->at[i].key_len};
}

/* Appends what an index is to know the text by: words and pairs, each with a blank before it. They hold a-z, 0-9 and
 * what is not ASCII. */
void words_add_tokens(const struct words *words, struct buf *out);

#endif
