#include "common/origin.h"

#include <strings.h>

static bool same(struct str a, struct str b)
{
    return a.len == b.len && !strncasecmp(a.ptr, b.ptr, a.len);
}

static struct str from(struct str text, size_t at)
{
    return (struct str){text.ptr + at, text.len - at};
}

/* A host and its port. */
struct authority {
    struct str name; /* an IPv6 address with its brackets */
    struct str port; /* empty: the scheme's */
};

static struct authority split(struct str text)
{
    const char *end = text.ptr + text.len,
               *close = text.len && *text.ptr == '[' ? memchr(text.ptr, ']', text.len) : NULL;
    const char *start = close ? close : text.ptr;
    const char *colon = text.len ? memchr(start, ':', (size_t)(end - start)) : NULL;
    if (!colon)
        return (struct authority){text, STR("")};
    return (struct authority){{text.ptr, (size_t)(colon - text.ptr)}, {colon + 1, (size_t)(end - colon) - 1}};
}

static bool is_loopback(struct str name)
{
    if (same(name, STR("localhost")) || same(name, STR("[::1]")))
        return true;
    size_t dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false; /* 127.0.0.1.example.org */
        dots += name.ptr[i] == '.';
    }
    return name.len > 4 && dots == 3 && !memcmp(name.ptr, "127.", 4);
}

static bool is_listed(const char *list, struct str origin)
{
    for (list = list ? list + strspn(list, ", ") : ""; *list; list += strspn(list, ", ")) {
        struct str item = {list, strcspn(list, ", ")};
        if (str_eq(item, STR("*")) || same(item, origin))
            return true;
        list += item.len;
    }
    return false;
}

enum origin origin_judge(const char *list, struct str origin, struct str host, struct str scheme)
{
    static const struct {
        struct str start, port;
    } schemes[] = {{{"http://", 7}, {"80", 2}}, {{"https://", 8}, {"443", 3}}};
    if (!origin.ptr || !origin.len)
        return ORIGIN_OWN;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct str start = schemes[i].start;
        if (origin.len <= start.len || !same((struct str){origin.ptr, start.len}, start))
            continue;
        struct authority theirs = split(from(origin, start.len)), ours = split(host);
        bool fits = !scheme.len || same(scheme, (struct str){start.ptr, start.len - 3});
        struct str their_port = theirs.port.len ? theirs.port : schemes[i].port;
        struct str our_port = ours.port.len ? ours.port : schemes[i].port;
        if (fits && ours.name.len && same(theirs.name, ours.name) && str_eq(their_port, our_port))
            return ORIGIN_OWN;
        if (is_loopback(theirs.name) && is_loopback(ours.name))
            return ORIGIN_LISTED;
    }
    return is_listed(list, origin) ? ORIGIN_LISTED : ORIGIN_FOREIGN;
}
