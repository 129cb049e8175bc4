/* words.h: splits a text into the words that can be searched, folding case, accents and width. In scripts without
 * blanks between words, each character is a word and two adjacent ones form a pair, so that a word is found without
 * knowing where words end. Uses ICU; knows no index. Any thread. */
#ifndef CG_COMMON_SEARCH_WORDS_H
#define CG_COMMON_SEARCH_WORDS_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>

enum {
    WORD_KEY_MAX = 64,        /* bytes of a word that are used; longer ones are cut */
    WORDS_TEXT_MAX = 1 << 16, /* bytes of a text that are read */
};

struct word {
    size_t begin, end;   /* bytes of the text */
    size_t key, key_len; /* in `keys`: letters and digits, folded; an emoji */
    bool is_wide;        /* one character of a script without blanks between words */
    bool follows;        /* directly follows the word before it */
};

/* Zeroed: empty. Can be reused for several texts. */
struct words {
    struct word *at;
    size_t count, cap;
    struct buf keys;
};

void words_fini(struct words *words);
/* Reads the words of a text, which must be valid UTF-8. */
void words_read(struct words *words, struct str text);

static inline struct str words_key(const struct words *words, size_t i)
{
    return (struct str){words->keys.data + words->at[i].key, words->at[i].key_len};
}

/* Appends the text's tokens for the index: words and pairs, each after a blank. They consist of a-z, 0-9 and
 * characters outside ASCII. */
void words_add_tokens(const struct words *words, struct buf *out);

#endif
