#include "common/space_name.h"

#include "common/name.h"
#include "common/text.h"

/* First parts of paths that are served, or may be by what comes next to us. */
static const char *const reserved[] = {
    "api",    "chat",       "chatroom",  "css",    "favicon.ico", "favicon.svg", "healthz", "heads.svg",
    "index",  "index.html", "io",        "js",     "media",       "metrics",     "mysql",   "package.json",
    "readyz", "rooms",      "socket.io", "static", "users",       "v1",          "ws",
};

static bool is_relay(struct str name)
{
    static const struct str word = {"relay", 5};
    if (name.len <= word.len || memcmp(name.ptr, word.ptr, word.len) != 0)
        return str_eq(name, word);
    for (size_t i = word.len; i < name.len; i++)
        if (name.ptr[i] < '0' || name.ptr[i] > '9')
            return false;
    return true;
}

bool space_name_ok(struct str name)
{
    if (text_check_label(name, SPACE_NAME_MAX_CHARS) || name.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (strchr("/\\?#%", name.ptr[i]))
            return false;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (str_eq(name, str_of(reserved[i])))
            return false;
    return !is_relay(name);
}

bool space_name_new_ok(struct str name)
{
    return name_judge(name, SPACE_NAME_MAX_CHARS) == NAME_OK && space_name_ok(name);
}
