#include "bench/load/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a header, its name in small letters with a colon; length 0: there is none. */
static struct text header(struct text head, const char *name)
{
    size_t len = strlen(name);
    const char *end = head.ptr + head.len, *line = memchr(head.ptr, '\n', head.len);
    for (; line && (size_t)(end - line) > len + 1; line = memchr(line + 1, '\n', (size_t)(end - line - 1))) {
        if (strncasecmp(line + 1, name, len) != 0)
            continue;
        const char *value = line + 1 + len, *stop = memchr(value, '\r', (size_t)(end - value));
        while (value < end && *value == ' ')
            value++;
        return (struct text){value, stop && stop > value ? (size_t)(stop - value) : 0};
    }
    return (struct text){"", 0};
}

static bool is_word(struct text text, const char *word)
{
    return text.len == strlen(word) && !strncasecmp(text.ptr, word, text.len);
}

long answer_read_head(struct text bytes, struct answer *answer, size_t *body_len)
{
    const char *end = text_find(bytes, "\r\n\r\n");
    if (bytes.len >= 9 && !text_begins(bytes, "HTTP/1.1 "))
        return -1;
    if (!end)
        return 0;
    struct text head = {bytes.ptr, (size_t)(end + 4 - bytes.ptr)};
    struct text status = {head.ptr + 9, head.len - 9};
    *answer = (struct answer){.status = (unsigned)text_number(status), .head = head};
    answer->last = is_word(header(head, "connection:"), "close");
    answer->chunked = is_word(header(head, "transfer-encoding:"), "chunked");
    *body_len = answer->chunked ? 0 : text_number(header(head, "content-length:"));
    return (long)head.len;
}

long answer_read_chunk(struct text bytes, struct text *chunk)
{
    const char *line_end = memchr(bytes.ptr, '\n', bytes.len);
    char *digits_end;
    if (!line_end)
        return bytes.len > 32 ? -1 : 0;
    unsigned long len = strtoul(bytes.ptr, &digits_end, 16);
    size_t head = (size_t)(line_end + 1 - bytes.ptr);
    if (digits_end == bytes.ptr || len > 1UL << 30)
        return -1;
    if (bytes.len < head + len + 2)
        return 0;
    *chunk = (struct text){bytes.ptr + head, len};
    return memcmp(bytes.ptr + head + len, "\r\n", 2) ? -1 : (long)(head + len + 2);
}

static long read_chunks(struct text bytes, struct answer *answer)
{
    static struct bytes body;
    size_t used = 0;
    body.len = 0;
    for (;;) {
        struct text chunk;
        long size = bytes.len > used ? answer_read_chunk((struct text){bytes.ptr + used, bytes.len - used}, &chunk) : 0;
        if (size <= 0)
            return size;
        used += (size_t)size;
        if (!chunk.len)
            break;
        bytes_add(&body, chunk.ptr, chunk.len);
    }
    answer->body = (struct text){body.data, body.len};
    return (long)used;
}

long answer_read(struct text bytes, struct answer *answer)
{
    size_t body_len;
    long head = answer_read_head(bytes, answer, &body_len);
    if (head <= 0)
        return head;
    struct text rest = {bytes.ptr + head, bytes.len - (size_t)head};
    if (answer->chunked) {
        long size = rest.len ? read_chunks(rest, answer) : 0;
        return size > 0 ? head + size : size;
    }
    if (rest.len < body_len)
        return 0;
    answer->body = (struct text){rest.ptr, body_len};
    return head + (long)body_len;
}
