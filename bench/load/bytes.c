#include "bench/load/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench-load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(2);
}

void *zalloc(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("no memory for %zu times %zu bytes", count, size);
    return memory;
}

char *bytes_room(struct bytes *bytes, size_t len)
{
    if (bytes->cap - bytes->len < len) {
        size_t cap = bytes->cap ? bytes->cap : FIRST_CAP;
        while (cap - bytes->len < len)
            cap *= 2;
        bytes->data = realloc(bytes->data, cap);
        if (!bytes->data)
            die("no memory for %zu bytes", cap);
        bytes->cap = cap;
    }
    return bytes->data + bytes->len;
}

void bytes_add(struct bytes *bytes, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(bytes_room(bytes, len), data, len);
    bytes->len += len;
}

void bytes_addf(struct bytes *bytes, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof text)
        die("a text is too long: %.60s", text);
    bytes_add(bytes, text, (size_t)len);
}

void bytes_drop(struct bytes *bytes, size_t len)
{
    bytes->len -= len;
    if (bytes->len)
        memmove(bytes->data, bytes->data + len, bytes->len);
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

struct text text_of(const char *string)
{
    return (struct text){string, strlen(string)};
}

const char *text_find(struct text text, const char *part)
{
    return text.len ? memmem(text.ptr, text.len, part, strlen(part)) : NULL;
}

bool text_begins(struct text text, const char *start)
{
    size_t len = strlen(start);
    return text.len >= len && !memcmp(text.ptr, start, len);
}

struct text text_field(struct text json, const char *key)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = text_find(json, pattern), *end = json.ptr + json.len;
    if (!at)
        return (struct text){"", 0};
    at += strlen(pattern);
    bool quoted = at < end && *at == '"';
    at += quoted;
    const char *stop = at;
    while (stop < end && (quoted ? *stop != '"' : *stop != ',' && *stop != '}' && *stop != ']'))
        stop++;
    return (struct text){at, (size_t)(stop - at)};
}

uint64_t text_number(struct text digits)
{
    uint64_t number = 0;
    for (size_t i = 0; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '9'; i++)
        number = number * 10 + (uint64_t)(digits.ptr[i] - '0');
    return number;
}
