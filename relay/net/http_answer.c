/* http_answer.c: writes answers and streams to the socket; what the kernel does not take waits in `out`. */
#include "common/json.h"
#include "common/container.h"
#include "common/metrics.h"
#include "relay/net/http_conn.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECES_MAX = 5 };

/* ---- bytes out ---- */

void http_answer_send(struct http_conn *conn, const struct str *pieces, size_t count)
{
    struct iovec iov[PIECES_MAX];
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
    ssize_t sent = 0;
    CG_ASSERT(count <= PIECES_MAX);
    if (conn->state == HTTP_BROKEN)
        return;
    for (size_t i = 0; i < count; i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)pieces[i].ptr, pieces[i].len};
    if (!conn->out.len)
        sent = sendmsg(conn->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn->state = HTTP_BROKEN;
        return;
    }
    size_t skip = sent > 0 ? (size_t)sent : 0;
    for (size_t i = 0; i < count; i++) {
        size_t gone = skip < pieces[i].len ? skip : pieces[i].len;
        skip -= gone;
        buf_add(&conn->out, pieces[i].ptr + gone, pieces[i].len - gone);
    }
    debt_set(&conn->debt, conn->out.cap);
}

/* More waits for all clients than may, and for this one most. */
void http_answer_too_much(struct debt *debt)
{
    struct http_conn *conn = container_of(debt, struct http_conn, debt);
    metric_inc(METRIC_WAITING_CLOSED);
    buf_fini(&conn->out);
    debt_set(debt, 0);
    conn->state = HTTP_BROKEN;
    http_conn_wake(conn);
}

void http_answer_flush(struct http_conn *conn)
{
    if (!conn->out.len)
        return;
    ssize_t sent = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        conn->state = HTTP_BROKEN;
    if (sent <= 0)
        return;
    conn->limit = HTTP_NO_LIMIT; /* it reads: its time begins anew */
    buf_consume(&conn->out, (size_t)sent);
    if (!conn->out.len)
        buf_fini(&conn->out);
    debt_set(&conn->debt, conn->out.cap);
}

/* ---- whole answers ---- */

static void owed(const struct http_conn *conn)
{
    CG_ASSERT(conn->state == HTTP_OWED || conn->state == HTTP_BROKEN);
}

/* Tells the browser that a page of another site may read this. */
static struct str cors(const struct http_call *call, char out[HTTP_CORS_MAX])
{
    char origin[HTTP_ORIGIN_MAX];
    if (call->origin != ORIGIN_LISTED)
        return STR("");
    struct str from = call->request.header(&call->request, "origin", origin, sizeof origin);
    int len = snprintf(out, HTTP_CORS_MAX,
                       "Access-Control-Allow-Origin: %.*s\r\nAccess-Control-Allow-Credentials: true\r\n"
                       "Access-Control-Expose-Headers: Retry-After\r\nVary: Origin\r\n",
                       (int)from.len, from.ptr);
    CG_ASSERT(len > 0 && len < HTTP_CORS_MAX);
    return (struct str){out, (size_t)len};
}

void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body)
{
    struct http_conn *conn = http_conn_of(call);
    char head[320], more[HTTP_CORS_MAX];
    owed(conn);
    call->gone = NULL;
    if (status >= 500)
        metric_inc(METRIC_HTTP_FAILED);
    else if (status >= 400)
        metric_inc(METRIC_HTTP_REFUSED);
    if (conn->server->draining)
        conn->keep_alive = false;
    int len =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %u %s\r\nContent-Type: %.80s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n%s",
                 status, http_status_text(status), type, body.len, conn->keep_alive ? "" : "Connection: close\r\n");
    CG_ASSERT(len > 0 && (size_t)len < sizeof head);
    bool bare = !strcmp(call->method, "HEAD");
    struct str pieces[] = {{head, (size_t)len}, cors(call, more), str_of(headers), STR("\r\n"), bare ? STR("") : body};
    http_answer_send(conn, pieces, sizeof pieces / sizeof pieces[0]);
    if (conn->state != HTTP_BROKEN)
        conn->state = HTTP_ANSWERED;
    http_conn_wake(conn);
}

void http_refuse_token(struct http_call *call, enum token_refusal refusal)
{
    struct buf body;
    buf_init(&body, 512);
    json_begin_object(&body);
    json_add_text(&body, "error", token_refusal_text(refusal));
    json_add_text(&body, "code", token_refusal_code(refusal));
    json_end_object(&body);
    http_reply(call, 401, "application/json; charset=utf-8", "", buf_str(&body));
    buf_fini(&body);
}

void http_reply_text(struct http_call *call, unsigned status, const char *text)
{
    char line[128];
    int len = snprintf(line, sizeof line, "%.120s\n", text ? text : http_status_text(status));
    http_reply(call, status, "text/plain; charset=utf-8", "", (struct str){line, (size_t)len});
}

void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg)
{
    owed(http_conn_of(call));
    call->gone = gone;
    call->arg = arg;
}

/* ---- streams ---- */

void http_begin_stream(struct http_call *call, const char *type, const char *headers)
{
    struct http_conn *conn = http_conn_of(call);
    char head[256], more[HTTP_CORS_MAX];
    owed(conn);
    int len = snprintf(head, sizeof head,
                       "HTTP/1.1 200 OK\r\nContent-Type: %.80s\r\nCache-Control: no-store, no-transform\r\n"
                       "X-Content-Type-Options: nosniff\r\nConnection: close\r\n",
                       type);
    CG_ASSERT(len > 0 && (size_t)len < sizeof head);
    struct str pieces[] = {{head, (size_t)len}, cors(call, more), str_of(headers), STR("\r\n")};
    conn->keep_alive = false;
    http_answer_send(conn, pieces, sizeof pieces / sizeof pieces[0]);
    if (conn->state != HTTP_BROKEN)
        conn->state = HTTP_STREAMING;
    http_conn_wake(conn);
}

void http_stream_session(struct http_call *call, uint64_t session_id, struct sessions *sessions)
{
    struct http_conn *conn = http_conn_of(call);
    conn->sessions = sessions;
    conn->session_id = session_id;
    call->gone = NULL;
}

static enum send_result stream_send(void *socket, struct str bytes)
{
    struct http_conn *conn = http_conn_of(socket);
    http_answer_send(conn, &bytes, 1);
    if (conn->state == HTTP_BROKEN || conn->out.len)
        http_conn_wake(conn);
    return conn->state == HTTP_BROKEN ? SEND_DEAD : conn->out.len ? SEND_BLOCKED : SEND_MORE;
}

/* A stream has no close frames, so the client only sees its end. */
static void stream_close(void *socket, unsigned code, const char *reason)
{
    struct http_conn *conn = http_conn_of(socket);
    (void)code;
    (void)reason;
    if (conn->state == HTTP_STREAMING)
        conn->state = HTTP_STREAM_CLOSING;
    http_conn_wake(conn);
}

static void stream_kill(void *socket)
{
    struct http_conn *conn = http_conn_of(socket);
    conn->state = HTTP_BROKEN;
    http_conn_wake(conn);
}

static void stream_pause(void *socket, bool paused)
{
    (void)socket; /* nothing is read from it */
    (void)paused;
}

const struct transport http_stream = {
    .send = stream_send,
    .close = stream_close,
    .kill = stream_kill,
    .pause = stream_pause,
};
