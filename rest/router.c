#include "rest/router.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/origin.h"
#include "common/store/store.h"
#include "common/text.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/idempotency.h"
#include "rest/services/moderate.h"

#define TYPE_JSON "application/json; charset=utf-8"

enum { ORIGIN_BYTES = 256, PARAMS_BYTES = 1024 };
enum { UNAVAILABLE_RETRY_S = 2 }; /* Retry-After of a 503 or 504 that has none of its own */

static const struct route_table *const *tables;

void router_init(const struct route_table *const *all)
{
    tables = all;
}

/* Every route of every table, in order: for (struct cursor c = {0}; (route = next(&c));) */
struct cursor {
    size_t table, row;
};

static const struct route *next(struct cursor *cursor)
{
    while (tables[cursor->table]) {
        const struct route_table *table = tables[cursor->table];
        if (cursor->row < table->count)
            return &table->rows[cursor->row++];
        *cursor = (struct cursor){cursor->table + 1, 0};
    }
    return NULL;
}

/* ---- paths ---- */

/* /mysql/ is what existing clients of the chatroom call; /api/ is the same under a name that says what it
 * is. */
#define ARTICLE_PREFIX "/mysql/"
static const char *const call_prefixes[] = {ARTICLE_PREFIX, "/api/"};

/* The server API: its own form of failures, and paths that come as the client wrote them. */
static bool is_api(struct str path)
{
    const struct str prefix = STR("/v1/");
    return path.len >= prefix.len && !memcmp(path.ptr, prefix.ptr, prefix.len);
}

static bool is_call(const struct route *route)
{
    return route->path[0] != '/';
}

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

/* Whether `path` is `pattern`; `params` gets what stands for its :names. */
static bool matches(const char *pattern, struct str path, struct str params[ROUTE_PARAMS])
{
    size_t count = 0, at = 0;
    while (*pattern) {
        if (*pattern != ':') {
            if (at == path.len || path.ptr[at++] != *pattern++)
                return false;
            continue;
        }
        CG_ASSERT(count < ROUTE_PARAMS);
        size_t start = at;
        while (at < path.len && path.ptr[at] != '/')
            at++;
        if (at == start)
            return false;
        params[count++] = (struct str){path.ptr + start, at - start};
        pattern += strcspn(pattern, "/");
    }
    while (count < ROUTE_PARAMS)
        params[count++] = (struct str){NULL, 0};
    return at == path.len;
}

/* "/users/login/" is "/users/login": clients put addresses together from parts. */
static struct str without_slash(struct str path)
{
    path.len -= path.len > 1 && path.ptr[path.len - 1] == '/';
    return path;
}

/* HEAD is GET whose body nobody sends on: nginx leaves it out. */
static bool takes_method(const struct route *route, struct str method)
{
    bool is_get = !strcmp(route->method, "GET");
    return str_eq(method, str_of(route->method)) || (is_get && str_eq(method, STR("HEAD")));
}

/* Decodes what stands for the :names of an address as it came, into `room`. Also a slash may stand in a name so. */
static bool decode(struct str params[ROUTE_PARAMS], char room[PARAMS_BYTES])
{
    char *at = room;
    for (size_t i = 0; i < ROUTE_PARAMS && params[i].ptr; i++) {
        size_t left = (size_t)(room + PARAMS_BYTES - at), len;
        if (text_decode_url(params[i], false, at, left, &len) || !text_utf8_valid((struct str){at, len}))
            return false;
        params[i] = (struct str){at, len};
        at += len;
    }
    return true;
}

static bool of_front_end(const struct route *route)
{
    for (size_t i = 0; tables[i]; i++)
        if (route >= tables[i]->rows && route < tables[i]->rows + tables[i]->count)
            return tables[i]->of_front_end;
    return false;
}

/* NULL if there is none; `allow` then has the methods that the path takes. */
static const struct route *find(const struct http_request *request, struct str params[ROUTE_PARAMS],
                                char allow[HTTP_ALLOW_MAX])
{
    struct str path = without_slash(request->path), name = call_name(path);
    const struct route *route;
    size_t len = 0;
    for (struct cursor cursor = {0, 0}; (route = next(&cursor));) {
        struct str asked = is_call(route) ? name : path;
        if (!asked.ptr || !matches(route->path, asked, params))
            continue;
        if (takes_method(route, request->method)) {
            *allow = '\0';
            return route;
        }
        len += (size_t)snprintf(allow + len, HTTP_ALLOW_MAX - len, "%s%s", len ? ", " : "", route->method);
        CG_ASSERT(len < HTTP_ALLOW_MAX);
    }
    return NULL;
}

/* ---- one request ---- */

static int handle(struct call *call, const struct route *route, struct str body)
{
    enum err err = idempotency_begin(call, route, body);
    if (err)
        return call_status(call, err, "idempotency");
    return call->repeatable->is_answered ? call->repeatable->claim.status : route->handler(call);
}

static int with_json(struct call *call, const struct route *route)
{
    size_t limit = route->max_body ? route->max_body : (size_t)call->backends->settings->max_body_bytes;
    struct buf body;
    buf_init(&body, limit);
    enum err err = http_read_body(call->request, limit, &body);
    int status = err == ERR_TOO_BIG ? 413 : 400;
    if (!err && !json_parse_object(buf_str(&body), &call->object)) {
        status = handle(call, route, buf_str(&body));
        json_object_put(call->object);
    }
    buf_fini(&body);
    return status;
}

/* The server API's caller is authenticated before anything else is checked. */
static enum err admit(struct call *call, const struct route *route, struct caller *caller)
{
    if (!route->scope)
        return of_front_end(route) ? caller_check_front_end(call, caller) : ERR_OK;
    begin_slow(call->backends);
    return caller_check(call, route, caller);
}

static int run(struct call *call, const struct route *route, struct caller *caller)
{
    struct http_query query;
    enum err err = admit(call, route, caller);
    if (err)
        return call_status(call, err, "caller");
    query.count = 0; /* the rest is 4 KiB that need not be cleared */
    if (route->takes_query && http_query_parse(&query, call->request->query))
        return 400;
    call->query = &query;
    bool is_backend = call->caller && !call->caller->is_user;
    if (route->creates && !is_backend)
        err = moderate_creation(call, call->caller ? call->caller->id : 0);
    if (err)
        return call_status(call, err, "creation");
    if (!route->quick && !route->scope)
        begin_slow(call->backends);
    int status = route->body == BODY_JSON ? with_json(call, route) : handle(call, route, STR(""));
    call->query = NULL; /* it ends here */
    return status;
}

static void answer(struct http_response *response, int status, const char *body)
{
    response->status = status;
    buf_clear(&response->body);
    buf_add_text(&response->body, body);
}

/* Puts the route's failure in the place of whatever was written. */
static void answer_failure(const struct route *route, const struct call *call, int status,
                           struct http_response *response)
{
    const struct failure failure = {.status = status,
                                    .error = call->error ? call->error : failure_error(status),
                                    .code = call->code ? call->code : failure_code(status),
                                    .retry_after_s = call->retry_after_s              ? call->retry_after_s
                                                     : status == 503 || status == 504 ? UNAVAILABLE_RETRY_S
                                                                                      : 0};
    response->retry_after_s = failure.retry_after_s;
    if (route->says_why)
        snprintf(response->refusal, sizeof response->refusal, "%s", failure.code);
    if (route->failed)
        response->type = TYPE_JSON;
    if (status == 401 && of_front_end(route) && settings_doors_closed(call->backends->settings)) {
        answer(response, status, ""); /* the articles know no tokens, so this failure has the form of later calls */
        failure_coded(&response->body, &failure);
    } else if (route->failure) {
        answer(response, status, route->failure);
    } else if (route->failed) {
        response->type = TYPE_JSON;
        answer(response, status, "");
        route->failed(&response->body, &failure);
    }
}

/* Of a path that has no route. */
static void answer_no_route(const struct http_request *request, struct failure failure, struct http_response *response)
{
    failure_form *form = is_api(request->path) ? failure_api : failure_coded;
    response->retry_after_s = failure.retry_after_s;
    answer(response, failure.status, "");
    form(&response->body, &failure);
}

static int refuse_origin(struct call *call)
{
    call->error = "pages of this origin may not use this server (settings: origins, server_names)";
    call->code = "origin";
    return 403;
}

static bool has_failed(int status)
{
    return status == 500 || status == 503;
}

/* It failed, but not before something was written: perhaps all that was asked for (the list that shows it could not be
 * read), perhaps a part. An answer that says that nothing was done would then be wrong. */
static int say_unknown(struct call *call)
{
    call->code = call->error = NULL;
    call->retry_after_s = 0;
    return 504;
}

static void serve_route(const struct route *route, enum origin origin, struct call *call,
                        struct http_response *response)
{
    struct caller caller;
    struct repeatable repeatable = {.is_claimed = false};
    response->type = route->type ? route->type : TYPE_JSON;
    call->repeatable = &repeatable;
    call->writes = store_writes(call->backends->store);
    store_pin(call->backends->store); /* what it reads and what it then writes are of one state of the database */
    response->status = origin_is_refused(origin) ? refuse_origin(call) : run(call, route, &caller);
    store_unpin(call->backends->store);
    if (route->body == BODY_STREAM && response->status != 401) /* what a stranger sends is not even read */
        http_discard_body(call->request);
    if (response->status < 400 && response->body.failed)
        response->status = 500;
    if (has_failed(response->status) && store_writes(call->backends->store) != call->writes)
        response->status = say_unknown(call);
    if (response->status >= 400 && !repeatable.is_answered)
        answer_failure(route, call, response->status, response);
    idempotency_end(call, route, response->status, buf_str(&response->body));
    caller_done(call);
    call->caller = NULL; /* they end here */
    call->repeatable = NULL;
    if (origin_is_refused(origin)) {
        char said[ORIGIN_TEXT_MAX];
        origin_refuse(origin, call->request->origin, call->request->host, said);
        if (!response->body.len) { /* a page for operators, which has no form */
            response->type = TYPE_JSON;
            failure_coded(&response->body, &(struct failure){.error = call->error, .code = call->code});
        }
        origin_add_to(&response->body, origin, said);
    }
    if (response->body.failed)
        answer(response, 500, "");
}

/* Under /mysql/ the body alone says that a call failed, as its clients' libraries throw at any status but 200 and their
 * pages then do nothing. What the call itself did not say keeps its status: too large, too often, a foreign page. */
static bool is_told_by_body(const struct route *route, const struct http_request *request, int status,
                            enum origin origin)
{
    const struct str prefix = STR(ARTICLE_PREFIX);
    return route && is_call(route) && !memcmp(request->path.ptr, prefix.ptr, prefix.len) && status != 413 &&
           status != 429 && status != 401 && !origin_is_refused(origin);
}

/* Its route, if it has one; its origin, and what the answer says of both. `room`: for names in the path. */
static const struct route *begin(const struct backends *backends, const struct http_request *request, struct call *call,
                                 char room[PARAMS_BYTES], enum origin *origin, struct http_response *response)
{
    const struct origin_rules rules = {backends->settings->origins, backends->settings->server_names};
    *call = (struct call){.request = request, .backends = backends, .out = &response->body};
    *origin = origin_judge(&rules, request->origin, request->host, request->scheme);
    response->type = TYPE_JSON;
    const struct route *route = find(request, call->params, response->allow);
    if (route && is_api(request->path) && !decode(call->params, room))
        route = NULL;
    if (route && route->operators && !origin_asks_here(request->host))
        *origin = ORIGIN_MISNAMED;
    if (*origin == ORIGIN_LISTED && request->origin.len <= ORIGIN_BYTES)
        response->origin = request->origin;
    return route;
}

static void count(const struct http_request *request, const struct route *route, const struct http_response *response)
{
    metric_inc(METRIC_HTTP_REQUESTS);
    if (response->status >= 500)
        metric_inc(METRIC_HTTP_FAILED);
    else if (response->status >= 400)
        metric_inc(METRIC_HTTP_REFUSED);
    log_debug("http.request", "route=%s status=%d bytes=%zu peer=%.*s", route ? route->path : "-", response->status,
              response->body.len, (int)request->remote.len, request->remote.ptr);
}

void router_serve(const struct backends *backends, const struct http_request *request, struct http_response *response)
{
    struct call call;
    char room[PARAMS_BYTES];
    enum origin origin;
    const struct route *route = begin(backends, request, &call, room, &origin, response);
    response->preflight = response->origin.len && !route && *response->allow && request->asked_method.len &&
                          str_eq(request->method, STR("OPTIONS"));
    if (route)
        serve_route(route, origin, &call, response);
    else if (response->preflight)
        answer(response, 200, "");
    else if (*response->allow)
        answer_no_route(request, (struct failure){405, "method not allowed", "method_not_allowed", 0}, response);
    else
        answer_no_route(request, (struct failure){404, "not found", "not_found", 0}, response);
    count(request, route, response);
    if (is_told_by_body(route, request, response->status, origin)) {
        response->status = 200;
        response->retry_after_s = 0;
    }
}

void router_refuse(const struct backends *backends, const struct http_request *request, struct http_response *response)
{
    struct call call;
    char room[PARAMS_BYTES];
    enum origin origin;
    const struct route *route = begin(backends, request, &call, room, &origin, response);
    call.error = "too many requests wait: try again later";
    call.code = "busy";
    answer_no_route(request, (struct failure){503, call.error, call.code, 0}, response);
    if (route)
        answer_failure(route, &call, 503, response);
    count(request, route, response);
}

void router_describe(struct buf *out)
{
    const struct route *route;
    for (struct cursor cursor = {0, 0}; (route = next(&cursor));)
        buf_addf(out, "  %-6s %s%-*s %s\n", route->method, is_call(route) ? call_prefixes[0] : "",
                 is_call(route) ? 34 : 41, route->path, route->doc);
}
