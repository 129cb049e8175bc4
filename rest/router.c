#include "rest/router.h"

#include "common/log.h"
#include "common/metrics.h"
#include "rest/chatroom.h"
#include "rest/health.h"

#define TYPE_JSON    "application/json; charset=utf-8"
#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

enum body_rule { BODY_NONE, BODY_JSON }; /* BODY_JSON: at most settings->max_body_bytes */

struct route {
    const char *method;
    bool is_call; /* below each of call_prefixes; else `path` is the whole path */
    const char *path;
    enum body_rule body;
    const char *type; /* Content-Type of its answers */
    route_handler *handler;
    const char *failure; /* the body of every answer from 400 on; NULL: what the handler wrote */
    const char *doc;
};

/* /mysql/ is what existing clients call; /api/ is the same under a name that says what it is. */
static const char *const call_prefixes[] = {"/mysql/", "/api/"};

static const struct route routes[] = {
    {"POST", true, "createChatroom", BODY_JSON, TYPE_JSON, chatroom_create,
     "{\"error\":\"创建失败\"}", "enter a room under a nick; makes what is missing of the two"},
    {"GET", true, "getRoomNums", BODY_NONE, TYPE_JSON, chatroom_count,
     "{\"success\":true,\"data\":0}", "how many rooms there are"},
    {"POST", true, "validateNickIdByRoomId", BODY_JSON, TYPE_JSON, chatroom_validate,
     "{\"success\":false}", "whether a user is a member of a room and online in it"},
    {"POST", true, "getRoomInfo", BODY_JSON, TYPE_JSON, chatroom_room_info,
     "{\"error\":\"查询报错\"}", "the name of a room"},
    {"POST", true, "getUserInfo", BODY_JSON, TYPE_JSON, chatroom_user_info,
     "{\"error\":\"查询报错\"}", "the name of a user"},
    {"GET", false, "/healthz", BODY_NONE, TYPE_JSON, health_live, NULL,
     "200 while the process serves"},
    {"GET", false, "/readyz", BODY_NONE, TYPE_JSON, health_ready, NULL,
     "200 while the database answers, else 503; tells of Redis too"},
    {"GET", false, "/metrics", BODY_NONE, TYPE_METRICS, health_metrics, NULL,
     "counters and gauges as Prometheus text"},
};

enum { ROUTES = sizeof routes / sizeof routes[0] };

/* `path` without the prefix of a call; .ptr NULL if it has none. */
static struct str call_name(struct str path)
{
    for (size_t i = 0; i < sizeof call_prefixes / sizeof call_prefixes[0]; i++) {
        size_t len = strlen(call_prefixes[i]);
        if (path.len > len && !memcmp(path.ptr, call_prefixes[i], len))
            return (struct str){path.ptr + len, path.len - len};
    }
    return (struct str){NULL, 0};
}

static const struct route *find(struct str path)
{
    struct str call = call_name(path);
    for (size_t i = 0; i < ROUTES; i++) {
        struct str asked = routes[i].is_call ? call : path;
        if (asked.ptr && str_eq(asked, str_of(routes[i].path)))
            return &routes[i];
    }
    return NULL;
}

/* HEAD is GET whose body nobody sends on: nginx leaves it out. */
static bool takes_method(const struct route *route, struct str method)
{
    bool is_get = !strcmp(route->method, "GET");
    return str_eq(method, str_of(route->method)) || (is_get && str_eq(method, STR("HEAD")));
}

static int read_and_handle(const struct backends *backends, const struct route *route,
                           const struct http_request *request, struct buf *out)
{
    if (route->body == BODY_NONE)
        return route->handler(backends, STR(""), out);
    size_t limit = (size_t)backends->settings->max_body_bytes;
    struct buf body;
    buf_init(&body, limit);
    enum err err = request->read_body(request, limit, &body);
    int status = err == ERR_TOO_BIG ? 413
                 : err              ? 400
                                    : route->handler(backends, buf_str(&body), out);
    buf_fini(&body);
    return status;
}

static void answer(struct http_response *response, int status, const char *body)
{
    response->status = status;
    buf_clear(&response->body);
    buf_add_text(&response->body, body);
}

void router_serve(const struct backends *backends, const struct http_request *request,
                  struct http_response *response)
{
    const struct route *route = find(request->path);
    response->type = TYPE_JSON;
    if (!route) {
        answer(response, 404, "{\"error\":\"not found\"}");
    } else if (!takes_method(route, request->method)) {
        response->allow = route->method; /* that HEAD goes with GET everybody knows */
        answer(response, 405, "{\"error\":\"method not allowed\"}");
    } else {
        response->type = route->type;
        response->status = read_and_handle(backends, route, request, &response->body);
        if (response->status >= 400 && route->failure)
            answer(response, response->status, route->failure);
        else if (response->body.failed)
            answer(response, 500, "");
    }
    metric_inc(METRIC_HTTP_REQUESTS);
    if (response->status >= 500)
        metric_inc(METRIC_HTTP_FAILED);
    else if (response->status >= 400)
        metric_inc(METRIC_HTTP_REFUSED);
    log_debug("http.request", "route=%s status=%d bytes=%zu peer=%.*s", route ? route->path : "-",
              response->status, response->body.len, (int)request->remote.len, request->remote.ptr);
}

void router_describe(struct buf *out)
{
    for (size_t i = 0; i < ROUTES; i++)
        buf_addf(out, "  %-4s %s%-*s %s\n", routes[i].method,
                 routes[i].is_call ? call_prefixes[0] : "", routes[i].is_call ? 22 : 29,
                 routes[i].path, routes[i].doc);
}
