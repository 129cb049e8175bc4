/* bytes.h: a buffer that grows, and the little that is needed to look into texts. Memory that cannot be had ends the
 * program. */
#ifndef BENCH_BYTES_H
#define BENCH_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* data[0..len) is what it holds; nothing ends with NUL. A zeroed one is empty. */
struct bytes {
    char *data;
    size_t len, cap;
};

/* A view of somebody else's bytes. */
struct text {
    const char *ptr;
    size_t len;
};

/* Room for `len` more bytes at the end; returns where they go. The caller adds what it wrote to `len`. */
char *bytes_room(struct bytes *bytes, size_t len);
void bytes_add(struct bytes *bytes, const void *data, size_t len);
void bytes_addf(struct bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the first `len` bytes away. */
void bytes_drop(struct bytes *bytes, size_t len);
void bytes_free(struct bytes *bytes);

struct text text_of(const char *string);
/* Where `part` (a C string) begins in the text; NULL: nowhere. */
const char *text_find(struct text text, const char *part);
bool text_begins(struct text text, const char *start);
/* The string or number that stands behind the first "KEY": of a JSON text; for strings without escapes only. Length 0:
 * there is none. */
struct text text_field(struct text json, const char *key);
uint64_t text_number(struct text digits);

/* calloc that does not fail. */
void *zalloc(size_t count, size_t size);
/* Says why on standard error and ends the program with 2: it could not run. */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
