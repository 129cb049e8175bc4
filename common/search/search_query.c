#include "common/search/search_query.h"

/* ---- reading ---- */

/* The next phrase of what is left. False: there is none. */
static bool cut_phrase(struct str *rest, struct str *phrase)
{
    while (rest->len && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t' || rest->ptr[0] == '\n' || rest->ptr[0] == '\r'))
        rest->ptr++, rest->len--;
    if (!rest->len)
        return false;
    char end = rest->ptr[0] == '"' ? '"' : ' ';
    size_t len = 1;
    while (len < rest->len && rest->ptr[len] != end && (end == '"' || rest->ptr[len] != '"'))
        len++;
    *phrase = (struct str){rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    if (end == '"' && rest->len) /* the closing one */
        rest->ptr++, rest->len--;
    return true;
}

/* The words are read once, of the whole; a phrase is those that begin in it. */
enum err search_query_read(struct search_query *query, struct str text)
{
    struct str rest = text, phrase;
    size_t at = 0;
    *query = (struct search_query){0};
    if (text.len > SEARCH_QUERY_MAX)
        return ERR_TOO_BIG;
    words_read(&query->words, text);
    while (cut_phrase(&rest, &phrase)) {
        struct search_phrase found = {.first = at};
        while (at < query->words.count && query->words.at[at].begin < (size_t)(phrase.ptr + phrase.len - text.ptr))
            at++;
        found.count = at - found.first;
        if (!found.count)
            continue;
        if (query->count == SEARCH_PHRASES_MAX)
            return ERR_TOO_BIG;
        query->words.at[found.first].follows = false;
        query->phrases[query->count++] = found;
    }
    return query->count ? ERR_OK : ERR_INVALID;
}

void search_query_fini(struct search_query *query)
{
    words_fini(&query->words);
}

/* ---- for the index ---- */

static bool makes_pair(const struct words *words, size_t i)
{
    return words->at[i].is_wide && words->at[i].follows && words->at[i - 1].is_wide;
}

static void add_token(const struct words *words, size_t first, size_t count, struct buf *out)
{
    if (out->len)
        buf_add_text(out, " AND ");
    buf_add_char(out, '"');
    for (size_t i = first; i < first + count; i++)
        buf_add_str(out, words_key(words, i)); /* there is no quote in a key */
    buf_add_char(out, '"');
}

void search_query_add_tokens(const struct search_query *query, struct buf *out)
{
    const struct words *words = &query->words;
    for (size_t p = 0; p < query->count; p++) {
        const struct search_phrase *phrase = &query->phrases[p];
        for (size_t i = phrase->first; i < phrase->first + phrase->count; i++) {
            bool with_next = i + 1 < phrase->first + phrase->count && makes_pair(words, i + 1);
            if (i > phrase->first && makes_pair(words, i))
                add_token(words, i - 1, 2, out);
            else if (!with_next)
                add_token(words, i, 1, out);
        }
    }
}

/* ---- in a text ---- */

/* Two of them beside each other are one word to whoever asks, so nothing may stand between them in the text either. */
static bool stands_at(const struct search_query *query, const struct search_phrase *phrase, const struct words *words,
                      size_t at)
{
    if (phrase->count > words->count - at)
        return false;
    for (size_t i = 0; i < phrase->count; i++) {
        const struct word *its = &words->at[at + i];
        if (!str_eq(words_key(&query->words, phrase->first + i), words_key(words, at + i)) ||
            (i && makes_pair(&query->words, phrase->first + i) && !its->follows))
            return false;
    }
    return true;
}

/* They come in the order in which they begin; what touches is one, what is too much is left out. */
static void add_mark(struct search_mark *marks, size_t *count, struct search_mark mark)
{
    if (*count && marks[*count - 1].end >= mark.begin)
        marks[*count - 1].end = mark.end > marks[*count - 1].end ? mark.end : marks[*count - 1].end;
    else if (*count < SEARCH_MARKS_MAX)
        marks[(*count)++] = mark;
}

/* From bytes to units of UTF-16: characters of four bytes are two of them. */
static void count_units(struct str text, struct search_mark *marks, size_t count)
{
    size_t at = 0, units = 0;
    for (size_t i = 0; i < 2 * count; i++) {
        size_t *place = i % 2 ? &marks[i / 2].end : &marks[i / 2].begin;
        for (; at < *place; at++)
            units += ((unsigned char)text.ptr[at] & 0xc0) != 0x80 ? 1 + ((unsigned char)text.ptr[at] >= 0xf0) : 0;
        *place = units;
    }
}

bool search_query_matches(const struct search_query *query, struct str text, struct words *words,
                          struct search_mark marks[SEARCH_MARKS_MAX], size_t *count)
{
    bool found[SEARCH_PHRASES_MAX] = {false};
    *count = 0;
    words_read(words, text);
    for (size_t at = 0; at < words->count; at++) { /* by place, so that marks come in order */
        size_t end = 0;
        for (size_t p = 0; p < query->count; p++) {
            const struct search_phrase *phrase = &query->phrases[p];
            if (!stands_at(query, phrase, words, at))
                continue;
            found[p] = true;
            size_t last = words->at[at + phrase->count - 1].end;
            end = last > end ? last : end;
        }
        if (end)
            add_mark(marks, count, (struct search_mark){words->at[at].begin, end});
    }
    count_units(text, marks, *count);
    for (size_t p = 0; p < query->count; p++)
        if (!found[p])
            return false;
    return true;
}
