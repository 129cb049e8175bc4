#include "common/err.h"

#include <unistd.h>

const char *err_name(enum err err)
{
    static const char *const names[] = {
        [ERR_OK] = "ok",
        [ERR_INVALID] = "invalid",
        [ERR_TOO_BIG] = "too_big",
        [ERR_NOT_FOUND] = "not_found",
        [ERR_DENIED] = "denied",
        [ERR_DUPLICATE] = "duplicate",
        [ERR_RETRY] = "retry",
        [ERR_BUSY] = "busy",
        [ERR_DOWN] = "down",
        [ERR_UNKNOWN] = "unknown",
        [ERR_INTERNAL] = "internal",
    };
    return (unsigned)err < sizeof names / sizeof names[0] ? names[err] : "internal";
}

_Noreturn void err_need_ends(const char *what)
{
    fprintf(stderr, "cannot begin: the system refuses %s\n", what);
    _exit(1); /* threads may run: nothing of theirs is taken apart */
}
