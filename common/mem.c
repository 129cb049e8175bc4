#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *ptr)
{
    if (!ptr) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return ptr;
}

void *mem_zalloc(size_t size)
{
    return must(calloc(1, size ? size : 1));
}

void *mem_realloc(void *ptr, size_t size)
{
    return must(realloc(ptr, size ? size : 1));
}

char *mem_strndup(const char *text, size_t len)
{
    char *copy = must(malloc(len + 1));
    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup_two(const char *first, size_t first_len, const char *second, size_t second_len, char **second_copy)
{
    char *copy = mem_zalloc(first_len + second_len + 2);
    if (first_len)
        memcpy(copy, first, first_len);
    *second_copy = copy + first_len + 1;
    if (second_len)
        memcpy(*second_copy, second, second_len);
    return copy;
}
