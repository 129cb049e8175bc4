/* The chatrooms over plain HTTP: a whole request with its query, headers and body, as a client sends it. Whatever
 * it is: one answer with a status that the interface knows, JSON where it says so, and no script or event line in a
 * stream but its own. */
#include "hub_stubs.h"

#include "common/buf.h"
#include "relay/net/http.h"
#include "relay/net/http_parse.h"
#include "relay/protocols/chatroom_http.h"
#include "relay/protocols/chatroom_http_stream.h"
#include "relay/protocols/chatroom_http_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the one call ---- */

static struct {
    struct http_call call;
    struct http_head head;
    const char *bytes;
    unsigned status;
    bool streaming, is_events, held;
    struct buf out;
    struct session *session;
} visit;

static struct str argument(const struct request *request, const char *name, char *out, size_t size)
{
    (void)request;
    return http_head_argument(&visit.head, visit.bytes, name, out, size);
}

static struct str header(const struct request *request, const char *name, char *out, size_t size)
{
    struct str value = http_head_find(&visit.head, visit.bytes, name);
    (void)request;
    if (!value.ptr || value.len >= size)
        return STR("");
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return (struct str){out, value.len};
}

void http_hold(struct http_call *call, void (*gone)(void *arg, struct http_call *call), void *arg)
{
    CG_ASSERT(call == &visit.call && !visit.status && !visit.held);
    visit.held = true;
    call->gone = gone;
    call->arg = arg;
}

void http_reply(struct http_call *call, unsigned status, const char *type, const char *headers, struct str body)
{
    static const unsigned known[] = {200, 400, 404, 405, 500, 503};
    bool is_known = false;
    CG_ASSERT(call == &visit.call && !visit.status);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        is_known |= status == known[i];
    CG_ASSERT(is_known && !strchr(type, '\r'));
    CG_ASSERT(!*headers || !strcmp(headers + strlen(headers) - 2, "\r\n"));
    if (!strncmp(type, "application/json", 16))
        check_json(body);
    visit.status = status;
    call->gone = NULL;
}

void http_vouch(struct http_call *call)
{
    CG_ASSERT(call == &visit.call);
}

void http_begin_stream(struct http_call *call, const char *type, const char *headers)
{
    http_reply(call, 200, type, headers, STR(""));
    visit.streaming = true;
    visit.is_events = !strncmp(type, "text/event-stream", 17);
}

void http_stream_session(struct http_call *call, uint64_t session_id, struct sessions *all)
{
    CG_ASSERT(call == &visit.call && visit.streaming);
    visit.session = sessions_find(all, session_id);
    CG_ASSERT(visit.session);
}

static enum send_result on_send(void *socket, struct str bytes)
{
    CG_ASSERT(socket == &visit.call && visit.streaming);
    buf_add_str(&visit.out, bytes);
    return SEND_MORE;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    (void)socket;
    (void)code;
    (void)reason;
}

static void on_kill(void *socket)
{
    (void)socket;
}

const struct transport http_stream = {.send = on_send, .close = on_close, .kill = on_kill};

/* ---- what a browser would make of a stream ---- */

static bool begins(struct str text, const char *with)
{
    return text.len >= strlen(with) && !memcmp(text.ptr, with, strlen(with));
}

static struct str take_line(struct str *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    CG_ASSERT(end);
    struct str line = {rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (struct str){end + 1, rest->len - line.len - 1};
    return line;
}

static void check_event_line(struct str line)
{
    CG_ASSERT(!memchr(line.ptr, '\r', line.len));
    if (begins(line, "data: "))
        check_json((struct str){line.ptr + 6, line.len - 6});
    else
        CG_ASSERT(!line.len || begins(line, "id: ") || begins(line, "event: ") || begins(line, "retry: ") ||
                  begins(line, ":"));
}

static void check_script_line(struct str line)
{
    static const char open[] = "<script>parent.", close[] = ")</script>";
    if (begins(line, "<!"))
        return;
    CG_ASSERT(begins(line, open) && line.len > sizeof open + sizeof close);
    const char *paren = memchr(line.ptr, '(', line.len), *end = line.ptr + line.len - (sizeof close - 1);
    CG_ASSERT(paren && !memcmp(end, close, sizeof close - 1));
    CG_ASSERT(chatroom_http_callback_ok(
        (struct str){line.ptr + sizeof open - 1, (size_t)(paren - line.ptr) - sizeof open + 1}));
    struct str json = {paren + 1, (size_t)(end - paren) - 1};
    CG_ASSERT(!memchr(json.ptr, '<', json.len));
    check_json(json);
}

static void check_stream(void)
{
    struct str rest = buf_str(&visit.out);
    check_text(rest, 1 << 24);
    while (rest.len) {
        struct str line = take_line(&rest);
        if (visit.is_events)
            check_event_line(line);
        else
            check_script_line(line);
    }
}

/* ---- a request ---- */

static void go(int64_t ms)
{
    clock_freeze(now_ms += ms);
    wheel_advance(&wheel);
}

static void answer_post(void)
{
    if (!posted)
        return;
    struct session *session = sessions_find(&sessions, posted_by.session_id);
    struct store_post post = {.err = mood.log_too_short ? ERR_UNKNOWN : ERR_OK, .message = *posted};
    post.message.seq = LAST + 1;
    CG_ASSERT(session);
    session->protocol->posted(session, posted_by.number, &post);
    free(posted);
    posted = NULL;
}

static void handle(struct str body)
{
    visit.call.method = visit.head.method;
    visit.call.body = body;
    visit.call.request = (struct request){
        .path = {visit.bytes + visit.head.path_at, visit.head.path_len}, .argument = argument, .header = header};
    if (!chatroom_http_route.claims(visit.call.request.path) || body.len > chatroom_http_route.max_body(&settings))
        return;
    buf_init(&visit.out, 1 << 24);
    chatroom_http_route.handle(&visit.call);
    CG_ASSERT(visit.status || waiting_count || visit.held);
    do_jobs();
    answer_post();
    go(settings.poll_max_ms + 1000); /* a held poll ends empty */
    CG_ASSERT(visit.status);
    if (visit.streaming)
        check_stream();
    if (visit.session)
        session_ended(visit.session);
    buf_fini(&visit.out);
    go(settings.poll_presence_ms + 1000);
    CG_ASSERT(!sessions.count && !present && !waiting_count);
}

static __attribute__((constructor)) void begin(void)
{
    char most[] = "poll_max_ms=1s", presence[] = "poll_presence_ms=1s", ping[] = "ping_interval_ms=1h";
    char *sets[] = {most, presence, ping};
    stubs_init(sets, 3);
    CG_ASSERT(!log_open("fuzz", "/dev/null", LOG_ERROR));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t seen = 0;
    if (!size)
        return 0;
    memset(&visit, 0, sizeof visit);
    visit.bytes = (const char *)data + 1;
    mood.post = data[0] & 1 ? ERR_BUSY : ERR_OK;
    mood.log_too_short = data[0] & 2;
    if (http_head_parse(&visit.head, (struct str){visit.bytes, size - 1}, &seen) || !visit.head.len ||
        visit.head.upgrade)
        return 0;
    handle((struct str){visit.bytes + visit.head.len, size - 1 - visit.head.len});
    return 0;
}
