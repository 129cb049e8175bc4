/* mem.h: allocation that cannot fail. Every size that reaches it is bounded by a setting, so running
 * out means the machine is out of memory: the process says so and stops, and its peers take over. */
#ifndef CG_COMMON_MEM_H
#define CG_COMMON_MEM_H

#include <stddef.h>

/* Zeroed memory of `size` bytes; free() it. */
void *mem_zalloc(size_t size);

/* realloc() that aborts instead of returning NULL. */
void *mem_realloc(void *ptr, size_t size);

/* A NUL-terminated copy of `len` bytes; free() it. */
char *mem_strndup(const char *text, size_t len);
char *mem_strdup(const char *text);

/* NUL-terminated copies of both texts in one piece of memory: free() the first, which is returned, and both are gone. */
char *mem_strndup_two(const char *first, size_t first_len, const char *second, size_t second_len, char **second_copy);

#endif
