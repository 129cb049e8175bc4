/* container.h: from a pointer to a member to the structure around it, for embedded timers, list links and
 * callbacks. */
#ifndef CG_COMMON_CONTAINER_H
#define CG_COMMON_CONTAINER_H

#include <stddef.h>

/* The `type` whose `member` `ptr` points to; `ptr` is not NULL. The dead branch makes the compiler check that the
 * pointer types match. */
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#endif
