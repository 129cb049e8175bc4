/* check.h: cmocka with what it needs, and assertions on bytes. Included first by every unit test. */
#ifndef CG_TESTS_CHECK_H
#define CG_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/str.h"

/* A literal that may hold NULs, as a str. */
#define BYTES(literal) ((struct str){"" literal, sizeof(literal) - 1})

static inline void check_bytes(struct str got, struct str want, const char *file, int line)
{
    if ((got.ptr || !got.len) && str_eq(got, want))
        return;
    print_error("got  %zu bytes: %.*s\nwant %zu bytes: %.*s\n", got.len, (int)got.len, got.ptr, want.len, (int)want.len,
                want.ptr);
    _fail(file, line);
}

/* The bytes of `got` (a struct str) are exactly those of the literal. */
#define assert_bytes(got, literal) check_bytes(got, BYTES(literal), __FILE__, __LINE__)
#define assert_str(got, want)      check_bytes(got, want, __FILE__, __LINE__)

/* `count` times `unit`, NUL-terminated; free() it. */
static inline char *repeat(const char *unit, size_t count)
{
    size_t len = strlen(unit);
    char *text = malloc(len * count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * len, unit, len);
    text[len * count] = '\0';
    return text;
}

#endif
