/* container.h: from a member back to the structure around it, for timers, list links and callbacks that are embedded. */
#ifndef CG_COMMON_CONTAINER_H
#define CG_COMMON_CONTAINER_H

#include <stddef.h>

/* The `type` whose `member` `ptr` points to, which is not NULL. The branch that is never taken makes the compiler compare
 * the two types of pointers. */
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#endif
