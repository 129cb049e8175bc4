#include "common/search/words.h"

#include "common/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

enum { KEYS_MAX = 4 * WORDS_TEXT_MAX, PARTS_MAX = 32 };

static const UNormalizer2 *plain; /* NULL if the library lacks its data: then accents and width count */
static pthread_once_t plain_once = PTHREAD_ONCE_INIT;

static void find_plain(void)
{
    UErrorCode err = U_ZERO_ERROR;
    plain = unorm2_getNFKDInstance(&err);
    if (U_FAILURE(err))
        plain = NULL;
}

void words_fini(struct words *words)
{
    free(words->at);
    buf_fini(&words->keys);
    *words = (struct words){0};
}

/* ---- what a character is ---- */

enum part { PART_GAP, PART_HIDDEN, PART_MARK, PART_LETTER, PART_WIDE, PART_EMOJI };

static bool is_wide_script(UChar32 point)
{
    UErrorCode err = U_ZERO_ERROR;
    switch (uscript_getScript(point, &err)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
    case USCRIPT_BOPOMOFO:
    case USCRIPT_YI:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR:
    case USCRIPT_TIBETAN: return true;
    default: return point == 0x30fc; /* the long vowel of Katakana, which is of no script */
    }
}

static enum part part_of(UChar32 point)
{
    if (point < 0x80)
        return u_isalnum(point) ? PART_LETTER : PART_GAP;
    if (point >= 0x4e00 && point <= 0x9fff)
        return PART_WIDE;
    uint32_t mask = U_MASK(u_charType(point));
    if (mask & (U_GC_L_MASK | U_GC_N_MASK | U_GC_M_MASK)) {
        if (is_wide_script(point))
            return PART_WIDE;
        if (u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
            return PART_HIDDEN;
        return mask & U_GC_M_MASK ? PART_MARK : PART_LETTER;
    }
    if (u_hasBinaryProperty(point, UCHAR_EMOJI_MODIFIER) ||
        u_hasBinaryProperty(point, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
        return PART_HIDDEN;
    return u_hasBinaryProperty(point, UCHAR_EMOJI_PRESENTATION) ||
                   u_hasBinaryProperty(point, UCHAR_EXTENDED_PICTOGRAPHIC)
               ? PART_EMOJI
               : PART_GAP;
}

/* ---- keys ---- */

static void add_point(struct words *words, UChar32 point)
{
    struct word *word = &words->at[words->count - 1];
    char bytes[U8_MAX_LENGTH];
    int32_t len = 0;
    U8_APPEND_UNSAFE(bytes, len, point);
    if (word->key_len + (size_t)len > WORD_KEY_MAX)
        return;
    buf_add(&words->keys, bytes, (size_t)len);
    word->key_len += (size_t)len;
}

/* Accents belong to letters; of what is wide a mark may make another sound, so it stays, and only width goes. */
static void add_folded(struct words *words, UChar32 point, enum part part)
{
    UChar units[PARTS_MAX];
    UErrorCode err = U_ZERO_ERROR;
    if (point < 0x80 || part == PART_EMOJI || (point >= 0x4e00 && point <= 0x9fff)) {
        add_point(words, point < 0x80 ? (UChar32)u_tolower(point) : point);
        return;
    }
    bool is_hangul = point >= 0xac00 && point <= 0xd7a3;
    int32_t len = plain && !is_hangul ? unorm2_getDecomposition(plain, point, units, PARTS_MAX, &err) : -1;
    if (U_FAILURE(err) || len <= 0) {
        add_point(words, u_foldCase(point, U_FOLD_CASE_DEFAULT));
        return;
    }
    for (int32_t at = 0; at < len;) {
        UChar32 of;
        U16_NEXT(units, at, len, of);
        uint32_t mask = U_MASK(u_charType(of));
        bool counts = mask & (U_GC_L_MASK | U_GC_N_MASK) || (part == PART_WIDE && mask & U_GC_M_MASK);
        if (counts)
            add_point(words, u_foldCase(of, U_FOLD_CASE_DEFAULT));
    }
}

static void begin_word(struct words *words, size_t begin, enum part part, bool follows)
{
    if (words->count == words->cap) {
        words->cap = words->cap ? 2 * words->cap : 64;
        words->at = mem_realloc(words->at, words->cap * sizeof words->at[0]);
    }
    words->at[words->count] = (struct word){
        .begin = begin, .key = words->keys.len, .is_wide = part == PART_WIDE, .follows = follows && words->count};
    words->count++;
}

/* Of a word that has no key nothing is known. */
static void end_word(struct words *words)
{
    if (words->count && !words->at[words->count - 1].key_len)
        words->count--;
}

void words_read(struct words *words, struct str text)
{
    enum part before = PART_GAP;
    const uint8_t *bytes = (const uint8_t *)text.ptr;
    int32_t len = (int32_t)(text.len < WORDS_TEXT_MAX ? text.len : WORDS_TEXT_MAX);
    pthread_once(&plain_once, find_plain);
    words->count = 0;
    words->keys.max = KEYS_MAX;
    buf_clear(&words->keys);
    for (int32_t at = 0, next = 0; next < len; at = next) {
        UChar32 point;
        U8_NEXT(bytes, next, (int32_t)len, point);
        enum part part = point < 0 ? PART_GAP : part_of(point); /* < 0: the bound has cut a character */
        bool goes_on = part == PART_HIDDEN || part == PART_MARK || (part == PART_LETTER && before == PART_LETTER);
        if (part == PART_HIDDEN && before == PART_GAP)
            continue;
        if (part == PART_MARK && before == PART_GAP)
            part = PART_GAP;
        if (part == PART_GAP) {
            before = PART_GAP;
            continue;
        }
        if (!goes_on) {
            end_word(words);
            begin_word(words, (size_t)at, part, before != PART_GAP);
            before = part;
        }
        if (part != PART_HIDDEN && part != PART_MARK)
            add_folded(words, point, part);
        if (words->count)
            words->at[words->count - 1].end = (size_t)next;
    }
    end_word(words);
}

void words_add_tokens(const struct words *words, struct buf *out)
{
    for (size_t i = 0; i < words->count; i++) {
        const struct word *word = &words->at[i];
        buf_add_char(out, ' ');
        buf_add_str(out, words_key(words, i));
        if (!i || !word->is_wide || !word->follows || !words->at[i - 1].is_wide)
            continue;
        buf_add_char(out, ' ');
        buf_add_str(out, words_key(words, i - 1));
        buf_add_str(out, words_key(words, i));
    }
}
