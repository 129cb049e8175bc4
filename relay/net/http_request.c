/* http_request.c: turns a connection's bytes into calls of routes. */
#include "common/container.h"
#include "common/metrics.h"
#include "relay/core/protocol.h"
#include "relay/net/http_conn.h"

#include <stdio.h>
#include <strings.h>

#define TYPE_JSON "application/json; charset=utf-8"
#define TYPE_TEXT "text/plain; charset=utf-8"

enum { REQUESTS_PER_TURN = 16 }; /* of one connection: others wait too */

/* ---- struct request ---- */

static struct str argument(const struct request *request, const char *name, char *out, size_t size)
{
    const struct http_conn *conn = request->source;
    return http_head_argument(&conn->head, conn->in.data, name, out, size);
}

static struct str header(const struct request *request, const char *name, char *out, size_t size)
{
    const struct http_conn *conn = request->source;
    return http_head_value(&conn->head, conn->in.data, name, out, size);
}

void http_request_forget(struct http_conn *conn)
{
    conn->head = (struct http_head){.method = ""};
    conn->seen = conn->body_len = 0;
    conn->skipped = false;
    conn->chunks = (struct http_chunks){0};
    conn->route = NULL;
    conn->call.method = "";
    conn->call.request = (struct request){.path = STR(""), .argument = argument, .header = header, .source = conn};
    conn->call.body = STR("");
    conn->call.origin = ORIGIN_OWN;
    conn->call.gone = NULL;
    conn->call.arg = NULL;
    if (conn->call.proxied) /* the next request may be another client's */
        conn->call.peer[0] = '\0';
}

/* ---- refusals ---- */

static bool has_body(const struct http_head *head)
{
    return head->chunked || head->content_length;
}

static void refuse(struct http_conn *conn, unsigned status, const char *type, struct str body)
{
    bool whole = conn->state == HTTP_IN_BODY && !has_body(&conn->head) && (status == 404 || status == 405);
    conn->call.method = conn->head.method;
    conn->keep_alive = conn->keep_alive && whole; /* else what follows is not known to be a request */
    conn->state = HTTP_OWED;
    if (conn->head.upgrade)
        metric_inc(METRIC_CONNECTIONS_REFUSED);
    if (type)
        http_reply(&conn->call, status, type, status == 503 ? "Retry-After: 1\r\n" : "", body);
    else
        http_reply_text(&conn->call, status, NULL);
}

void http_request_refuse(struct http_conn *conn, unsigned status, const char *json)
{
    refuse(conn, status, json ? TYPE_JSON : NULL, str_of(json));
}

void http_request_crowded(struct unfinished *unfinished)
{
    struct http_conn *conn = container_of(unfinished, struct http_conn, unfinished);
    if (conn->inside || (conn->state != HTTP_IN_HEAD && conn->state != HTTP_IN_BODY))
        return;
    refuse(conn, 503, "text/plain; charset=utf-8", STR("Try again later\n"));
    buf_fini(&conn->in);
    http_request_forget(conn);
    unfinished_set(unfinished, 0, 0);
}

static bool is_get(const struct http_head *head)
{
    return !strcmp(head->method, "GET");
}

static const struct http_route *claimant(const struct http_conn *conn)
{
    for (const struct http_route *const *at = conn->server->config.routes; *at; at++)
        if ((*at)->claims(conn->call.request.path))
            return *at;
    return NULL;
}

static size_t max_body(const struct http_conn *conn)
{
    return conn->route && conn->route->max_body ? conn->route->max_body(conn->server->config.settings) : 0;
}

/* A browser asks whether a page of another site may (Fetch, "CORS-preflight request"). */
static bool is_preflight(const struct http_conn *conn)
{
    const struct http_head *head = &conn->head;
    return !strcmp(head->method, "OPTIONS") && conn->route && conn->route->foreign && !has_body(head) &&
           conn->call.origin == ORIGIN_LISTED &&
           http_head_find(head, conn->in.data, "access-control-request-method").ptr;
}

/* What can be said before the body has come: 0 to go on. */
static unsigned refusal(const struct http_conn *conn)
{
    const struct http_head *head = &conn->head;
    if (origin_is_refused(conn->call.origin) && (head->upgrade || (conn->route && conn->route->foreign)))
        return 403;
    if (head->upgrade || is_preflight(conn))
        return 0;
    if (!conn->route)
        return is_get(head) ? 404 : 405;
    if (!has_body(head))
        return 0;
    if (!conn->route->max_body)
        return is_get(head) || !strcmp(head->method, "HEAD") ? 400 : 405;
    return (uint64_t)head->content_length > max_body(conn) ? 413 : 0;
}

/* ---- a request's way ---- */

/* nginx says who it is on its own socket, where nobody else can speak. */
static void believe_proxy(struct http_conn *conn)
{
    conn->call.peer[0] = '\0';
    header(&conn->call.request, "x-forwarded-for", conn->call.peer, sizeof conn->call.peer);
    for (char *at = conn->call.peer; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '?'; /* it goes into logs */
}

/* Names the refused origin, so that the operator knows which one to list. */
static void refuse_origin(struct http_conn *conn)
{
    char origin[HTTP_ORIGIN_MAX], host[HTTP_ORIGIN_MAX], said[ORIGIN_TEXT_MAX];
    const struct request *request = &conn->call.request;
    enum origin why = conn->call.origin;
    const char *json = conn->route ? conn->route->foreign : NULL;
    struct buf body;
    buf_init(&body, 1024);
    origin_refuse(why, header(request, "origin", origin, sizeof origin), header(request, "host", host, sizeof host),
                  said);
    if (json) {
        buf_add_text(&body, json);
        origin_add_to(&body, why, said);
    } else {
        buf_addf(&body, "pages of %s may not use this server (setting: %s)\n", said, origin_setting(why));
    }
    refuse(conn, 403, json ? TYPE_JSON : TYPE_TEXT, buf_str(&body));
    buf_fini(&body);
}

/* A header that would not fit is no origin that anybody listed. */
static enum origin origin_of(const struct http_conn *conn)
{
    const struct request *request = &conn->call.request;
    const struct settings *settings = conn->server->config.settings;
    const struct origin_rules rules = {settings->origins, settings->server_names};
    char origin[HTTP_ORIGIN_MAX], host[HTTP_ORIGIN_MAX], scheme[8];
    bool has_origin = http_head_find(&conn->head, conn->in.data, "origin").ptr;
    struct str from = header(request, "origin", origin, sizeof origin);
    struct str proto = conn->call.proxied ? header(request, "x-forwarded-proto", scheme, sizeof scheme) : STR("");
    if (has_origin && !from.len)
        return ORIGIN_FOREIGN;
    return origin_judge(&rules, from, header(request, "host", host, sizeof host), proto);
}

/* "/v1/" is "/v1": clients put addresses together from parts. */
static struct str without_slash(struct str path)
{
    path.len -= path.len > 1 && path.ptr[path.len - 1] == '/';
    return path;
}

static void begin(struct http_conn *conn)
{
    const struct http_head *head = &conn->head;
    conn->call.method = head->method;
    conn->call.request.path = without_slash((struct str){conn->in.data + head->path_at, head->path_len});
    conn->call.handed = conn->handed || http_head_find(head, conn->in.data, HTTP_HANDED_HEADER).ptr;
    /* A socket that another relay gave us is most likely a balancer's, which still takes it for that relay's: what came
     * next on it would all be for others. */
    conn->keep_alive = head->keep_alive && !conn->server->draining && !conn->call.alone && !conn->handed;
    conn->route = head->upgrade ? NULL : claimant(conn);
    if (conn->call.proxied)
        believe_proxy(conn);
    if (conn->call.alone) /* the client's address is known only now */
        http_conn_wait(conn);
    conn->call.origin = origin_of(conn);
    conn->state = HTTP_IN_BODY;
}

/* True once there is a head or a refusal. */
static bool take_head(struct http_conn *conn)
{
    /* Some clients end a body with an empty line that is not part of it (RFC 9112 section 2.2). */
    if (!conn->seen && !conn->skipped && conn->in.len >= 2 && !memcmp(conn->in.data, "\r\n", 2)) {
        buf_consume(&conn->in, 2);
        conn->skipped = true;
    }
    if (!conn->in.len || (conn->in.len == 1 && conn->in.data[0] == '\r'))
        return false;
    unsigned status = http_head_parse(&conn->head, buf_str(&conn->in), &conn->seen);
    if (!status && !conn->head.len)
        return false;
    metric_inc(METRIC_HTTP_REQUESTS);
    conn->served = true;
    if (!status)
        begin(conn);
    bool parsed = !status;
    if (parsed)
        status = refusal(conn);
    if (status == 403)
        refuse_origin(conn);
    else if (status)
        http_request_refuse(conn, status, parsed && conn->route && status == 413 ? conn->route->too_large : NULL);
    return true;
}

/* True once it is whole or refused. */
static bool take_body(struct http_conn *conn)
{
    const struct http_head *head = &conn->head;
    size_t at = head->len + conn->body_len, used = 0;
    if (!head->chunked) {
        conn->body_len = conn->in.len - head->len;
        if (conn->body_len > (size_t)head->content_length)
            conn->body_len = (size_t)head->content_length;
        return conn->body_len == (size_t)head->content_length;
    }
    int64_t kept = http_chunks_take(&conn->chunks, conn->in.data + at, conn->in.len - at, &used);
    if (kept >= 0) {
        size_t left = conn->in.len - at - used;
        memmove(conn->in.data + at + kept, conn->in.data + at + used, left);
        conn->in.len = at + (size_t)kept + left;
        conn->body_len += (size_t)kept;
    }
    if (kept < 0 || conn->body_len > max_body(conn)) {
        http_request_refuse(conn, kept < 0 ? 400 : 413, kept < 0 ? NULL : conn->route->too_large);
        return true;
    }
    return conn->chunks.done;
}

void http_request_unchunk(struct http_conn *conn)
{
    static const char name[] = "Transfer-Encoding";
    struct http_head *head = &conn->head;
    struct str value = http_head_find(head, conn->in.data, "transfer-encoding");
    size_t from = (size_t)(value.ptr - conn->in.data), to = from;
    while (conn->in.data[to++] != '\n')
        ;
    while (strncasecmp(conn->in.data + from, name, sizeof name - 1) != 0)
        from--;
    char line[48];
    size_t len = (size_t)snprintf(line, sizeof line, "Content-Length: %zu\r\n", conn->body_len);
    buf_reserve(&conn->in, sizeof line);
    memmove(conn->in.data + from + len, conn->in.data + to, conn->in.len - to);
    memcpy(conn->in.data + from, line, len);
    conn->in.len = conn->in.len - to + from + len;
    head->len = (uint16_t)(head->len - to + from + len);
    head->chunked = false;
    head->content_length = (int64_t)conn->body_len;
    conn->call.request.path.ptr = conn->in.data + head->path_at;
}

static void dispatch(struct http_conn *conn)
{
    const struct http_config *config = &conn->server->config;
    conn->state = HTTP_OWED;
    conn->call.request.path.ptr = conn->in.data + conn->head.path_at; /* it may have moved while it grew */
    conn->call.body = (struct str){conn->in.data + conn->head.len, conn->body_len};
    enum token_refusal shut;
    if (conn->head.upgrade)
        config->upgrade(config->arg, &conn->call);
    else if (is_preflight(conn))
        http_reply(&conn->call, 200, "text/plain; charset=utf-8",
                   "Access-Control-Allow-Methods: GET, POST\r\n"
                   "Access-Control-Allow-Headers: " ORIGIN_HEADERS "\r\nAccess-Control-Max-Age: 600\r\n",
                   STR(""));
    else if (protocol_is_shut(config->settings, conn->route->name, conn->route->sees_to_tokens, &conn->call.request,
                              &shut))
        http_refuse_token(&conn->call, shut);
    else
        conn->route->handle(&conn->call);
}

static void next_request(struct http_conn *conn)
{
    buf_consume(&conn->in, conn->head.len + conn->body_len);
    if (!conn->in.len)
        buf_fini(&conn->in); /* an idle connection keeps no buffer */
    http_request_forget(conn);
    conn->state = HTTP_IN_HEAD;
    http_conn_wait(conn);
}

bool http_request_advance(struct http_conn *conn)
{
    static const struct str go_on = {"HTTP/1.1 100 Continue\r\n\r\n", 25};
    for (int requests = 0; requests < REQUESTS_PER_TURN; requests++) {
        if (conn->state == HTTP_ANSWERED && !conn->out.len && conn->keep_alive)
            next_request(conn);
        if (conn->state == HTTP_IN_HEAD && !take_head(conn))
            return false;
        if (conn->state == HTTP_IN_BODY && !take_body(conn)) {
            if (conn->head.expects)
                http_answer_send(conn, &go_on, 1);
            conn->head.expects = false;
            return false;
        }
        if (conn->state == HTTP_IN_BODY)
            dispatch(conn);
        if (conn->state != HTTP_ANSWERED || conn->out.len || !conn->keep_alive)
            return false;
    }
    return true;
}
