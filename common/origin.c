#include "common/origin.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"

#include <limits.h>
#include <strings.h>
#include <unistd.h>

static bool same(struct str a, struct str b)
{
    return a.len == b.len && !strncasecmp(a.ptr, b.ptr, a.len);
}

/* A host and its port. */
struct authority {
    struct str name; /* an IPv6 address with its brackets; empty: malformed */
    struct str port; /* digits; empty: the scheme's */
};

static bool is_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return true;
}

static struct authority split(struct str text)
{
    const char *end = text.ptr + text.len,
               *close = text.len && *text.ptr == '[' ? memchr(text.ptr, ']', text.len) : NULL;
    const char *start = close ? close : text.ptr;
    const char *colon = text.len ? memchr(start, ':', (size_t)(end - start)) : NULL;
    if (!colon)
        return (struct authority){text, STR("")};
    struct str port = {colon + 1, (size_t)(end - colon) - 1};
    if (!is_digits(port)) /* chat.example:80@evil.example */
        return (struct authority){STR(""), STR("")};
    return (struct authority){{text.ptr, (size_t)(colon - text.ptr)}, port};
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

bool origin_asks_here(struct str host)
{
    return !host.len || is_loopback(split(host).name);
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

/* ---- the form of the lists ---- */

/* A host, and `port` says whether a port may follow. */
static bool is_host(struct str text, bool port)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || strchr("/?#@\\\"'<>*", text.ptr[i]))
            return false;
    struct authority parts = split(text);
    return parts.name.len && (port ? text.ptr[text.len - 1] != ':' : parts.name.len == text.len);
}

/* As browsers send it: SCHEME://HOST[:PORT], without a path. */
static bool is_origin(struct str item)
{
    const char *mark = memmem(item.ptr, item.len, "://", 3);
    if (str_eq(item, STR("*")) || same(item, STR("null")))
        return true;
    if (!mark || mark == item.ptr)
        return false;
    struct str host = {mark + 3, item.len - (size_t)(mark - item.ptr) - 3};
    return is_host(host, true);
}

static bool is_server_name(struct str item)
{
    return str_eq(item, STR("*")) || is_host(item, false);
}

static enum err check_list(const char *list, const char *setting, bool (*is)(struct str item), const char *form,
                           char why[256])
{
    for (list = list ? list + strspn(list, ", ") : ""; *list; list += strspn(list, ", ")) {
        struct str item = {list, strcspn(list, ", ")};
        if (!is(item)) {
            snprintf(why, 256, "%s: %.*s is not %s", setting, (int)(item.len > 100 ? 100 : item.len), item.ptr, form);
            return ERR_INVALID;
        }
        list += item.len;
    }
    return ERR_OK;
}

enum err origin_check(const struct origin_rules *rules, char why[256])
{
    enum err err = check_list(rules->origins, "origins", is_origin,
                              "of the form https://HOST or https://HOST:PORT, without a path, nor * or null", why);
    return err ? err
               : check_list(rules->server_names, "server_names", is_server_name,
                            "a name, without https:// and a port, nor *", why);
}

/* Of programs and of what is installed with a user's consent; no site can have its pages there. */
static bool is_no_site(struct str scheme)
{
    static const char *const schemes[] = {"chrome-extension", "moz-extension", "weapp", "capacitor", "ionic", "file"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (same(scheme, str_of(schemes[i])))
            return true;
    return false;
}

static struct str port_of(struct authority authority, struct str scheme)
{
    if (authority.port.len)
        return authority.port;
    return same(scheme, STR("https")) || same(scheme, STR("wss")) ? STR("443") : STR("80");
}

/* Whether to a browser it is one origin with the server: then it asks for no leave. */
static bool is_same_origin(struct str their_scheme, struct authority theirs, struct str our_scheme,
                           struct authority ours)
{
    bool fits = our_scheme.len ? same(their_scheme, our_scheme)
                               : same(their_scheme, STR("http")) || same(their_scheme, STR("https"));
    return fits && str_eq(port_of(theirs, their_scheme), port_of(ours, their_scheme));
}

/* No name leads to an address, so nothing can be made to lead to it. */
static bool is_address(struct str name)
{
    if (name.len && *name.ptr == '[')
        return true;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] != '.' && (name.ptr[i] < '0' || name.ptr[i] > '9'))
            return false;
    return name.len > 0;
}

static bool ends_in(struct str name, const char *end)
{
    size_t len = strlen(end);
    return name.len > len && !strncasecmp(name.ptr + name.len - len, end, len);
}

/* Names of a machine or a local network: nobody can register one, so nobody outside can make one lead here. */
static bool is_local_name(struct str name)
{
    static const char *const ends[] = {".localhost", ".local", ".internal", ".home.arpa"};
    if (!memchr(name.ptr, '.', name.len))
        return true;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_in(name, ends[i]))
            return true;
    char own[HOST_NAME_MAX + 1] = "";
    gethostname(own, sizeof own - 1);
    return same(name, str_of(own));
}

static bool is_secure(struct str scheme)
{
    return same(scheme, STR("https")) || same(scheme, STR("wss"));
}

/* A name that a page's owner has made to lead here. Not over TLS: there the browser was shown a certificate for the name,
 * which only its owner has. */
static bool is_misnamed(const char *server_names, struct str host, bool secure)
{
    struct str name = split(host).name;
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--; /* "chat.example." is the same name */
    return host.len && !secure && !is_listed(server_names, name) &&
           (!name.len || (!is_address(name) && !is_loopback(name) && !is_local_name(name)));
}

enum origin origin_judge(const struct origin_rules *rules, struct str origin, struct str host, struct str scheme)
{
    const char *mark = origin.ptr ? memmem(origin.ptr, origin.len, "://", 3) : NULL;
    struct str their_scheme = {origin.ptr, mark ? (size_t)(mark - origin.ptr) : 0};
    struct authority ours = split(host), theirs = {STR(""), STR("")};
    if (mark)
        theirs = split((struct str){mark + 3, origin.len - their_scheme.len - 3});
    bool secure = is_secure(scheme) || (is_secure(their_scheme) && same(theirs.name, ours.name));
    if (is_misnamed(rules->server_names, host, secure))
        return ORIGIN_MISNAMED;
    if (!origin.ptr || !origin.len)
        return ORIGIN_OWN;
    if (mark) {
        if (ours.name.len && same(theirs.name, ours.name))
            return is_same_origin(their_scheme, theirs, scheme, ours) ? ORIGIN_OWN : ORIGIN_LISTED;
        if (is_no_site(their_scheme) || (is_loopback(theirs.name) && is_loopback(ours.name)))
            return ORIGIN_LISTED;
    }
    return is_listed(rules->origins, origin) ? ORIGIN_LISTED : ORIGIN_FOREIGN;
}

/* ---- refusals ---- */

void origin_text(struct str origin, char out[ORIGIN_TEXT_MAX])
{
    size_t len = origin.len < ORIGIN_TEXT_MAX ? origin.len : ORIGIN_TEXT_MAX - 1;
    for (size_t i = 0; i < len; i++) {
        char c = origin.ptr[i];
        out[i] = (char)(c < 0x20 || c > 0x7e || c == '"' || c == '\\' ? '?' : c);
    }
    out[len] = '\0';
}

const char *origin_setting(enum origin why)
{
    return why == ORIGIN_MISNAMED ? "server_names" : "origins";
}

void origin_refuse(enum origin why, struct str origin, struct str host, char out[ORIGIN_TEXT_MAX])
{
    char from[ORIGIN_TEXT_MAX], to[ORIGIN_TEXT_MAX];
    origin_text(origin, from);
    origin_text(host, to);
    memcpy(out, why == ORIGIN_MISNAMED ? to : from, ORIGIN_TEXT_MAX);
    log_info("origin.refused", "origin=\"%s\" host=\"%s\" setting=%s", from, to, origin_setting(why));
    metric_inc(METRIC_ORIGIN_REFUSED);
}

void origin_add_to(struct buf *json, enum origin why, const char *said)
{
    if (!json->len || json->data[json->len - 1] != '}')
        return;
    json->len--;
    json_add_text(json, why == ORIGIN_MISNAMED ? "host" : "origin", said);
    json_end_object(json);
}
