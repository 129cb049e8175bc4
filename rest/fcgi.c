/* fcgi.c: libfcgi only reads and writes records here. It never accepts connections, because its accept loop holds a
 * thread for every idle connection, ends at EMFILE and cannot be woken. So a request object gets a connected socket
 * (ipcFd) and a listening socket of -1, which makes FCGX_Accept_r return as soon as that connection has no request. */
#include "rest/fcgi.h"

#include "common/mem.h"
#include "common/metrics.h"

#include <fcgiapp.h>
#include <stdlib.h>
#include <sys/socket.h>

/* What a peer may still have to send when its answer is known; past it the connection is closed. */
enum { DRAIN_MAX = 1 << 20, RESPONSE_HEADER_MAX = 1024 };

/* What libfcgi reads at once. */
enum { WHOLE_MAX = 8192 };

enum err fcgi_init(void)
{
    return FCGX_Init() ? ERR_INTERNAL : ERR_OK;
}

static struct str param(const FCGX_Request *request, const char *name)
{
    return str_of(FCGX_GetParam(name, request->envp));
}

/* nginx sends an empty CONTENT_LENGTH for a request without a body. */
static uint64_t content_length(const FCGX_Request *request)
{
    struct str text = param(request, "CONTENT_LENGTH");
    uint64_t length = 0;
    if (text.len > 18)
        return HTTP_LENGTH_BAD;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return HTTP_LENGTH_BAD;
        length = length * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    return length;
}

/* nginx says the raw address where the path is to be cut before it is decoded. */
static struct str path_of(const FCGX_Request *request)
{
    struct str raw = param(request, "REQUEST_URI"), path = param(request, "DOCUMENT_URI");
    const char *end = raw.len ? memchr(raw.ptr, '?', raw.len) : NULL;
    if (raw.len)
        return (struct str){raw.ptr, end ? (size_t)(end - raw.ptr) : raw.len};
    return path.len ? path : param(request, "SCRIPT_NAME");
}

struct fcgi_request {
    struct claim claim; /* first: a claim is its request */
    FCGX_Request fcgi;
    struct http_request http;
    uint64_t left; /* of the body, by its length */
};

/* libfcgi hands over a body that was cut short as if it were whole: only the length and the stream's
 * error tell. */
static enum err read_part(const struct http_request *request, char *room, size_t cap, size_t *got)
{
    struct fcgi_request *source = request->source;
    FCGX_Stream *in = source->fcgi.in;
    *got = 0;
    if (request->length == HTTP_LENGTH_BAD)
        return ERR_INVALID;
    if (!source->left)
        return FCGX_GetChar(in) == EOF && !FCGX_GetError(in) ? ERR_OK : ERR_INVALID;
    int want = (int)(cap < source->left ? cap : source->left);
    *got = (size_t)FCGX_GetStr(room, want, in);
    source->left -= *got;
    return *got == (size_t)want ? ERR_OK : ERR_INVALID;
}

/* Reads what is left of the request, so that the next one starts where it should. */
static bool drain(FCGX_Request *request)
{
    char scratch[4096];
    for (size_t total = 0; total < DRAIN_MAX; total += sizeof scratch)
        if (FCGX_GetStr(scratch, sizeof scratch, request->in) < (int)sizeof scratch)
            return !FCGX_GetError(request->in);
    return false;
}

/* Closing `err` first lets the data, the end of the stream and the end of the request leave in one
 * write. */
static bool send_response(FCGX_Request *request, const struct http_response *response)
{
    struct buf header;
    buf_init(&header, RESPONSE_HEADER_MAX);
    http_add_header(&header, response);
    bool fine = !header.failed && FCGX_PutStr(header.data, (int)header.len, request->out) == (int)header.len;
    if (fine && response->body.len)
        fine = FCGX_PutStr(response->body.data, (int)response->body.len, request->out) == (int)response->body.len;
    buf_fini(&header);
    FCGX_FClose(request->err);
    return FCGX_FClose(request->out) == 0 && fine;
}

bool fcgi_is_whole(int fd)
{
    enum { HEADER = 8, PARAMS = 4, STDIN = 5 };
    bool named = false; /* all parameters are there */
    unsigned char bytes[WHOLE_MAX];
    ssize_t got = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
    if (got <= 0)
        return true; /* closed, which is seen at once */
    for (size_t at = 0; at + HEADER <= (size_t)got;) {
        const unsigned char *record = bytes + at;
        size_t content = (size_t)record[4] << 8 | record[5];
        at += HEADER + content + record[6];
        named |= record[1] == PARAMS && !content;
        if (record[1] == STDIN && !content)
            return named && at <= (size_t)got;
    }
    return false;
}

/* ---- a request ---- */

struct fcgi_request *fcgi_read(int fd)
{
    struct fcgi_request *request = mem_zalloc(sizeof *request);
    FCGX_Request *fcgi = &request->fcgi;
    FCGX_InitRequest(fcgi, -1, 0);
    fcgi->ipcFd = fd;
    /* FCGX_Accept_r first finishes the request before this one, and would close fd */
    fcgi->keepConnection = 1;
    if (FCGX_Accept_r(fcgi) < 0) { /* the peer closed it, or spoke no FastCGI */
        free(request);
        return NULL;
    }
    request->left = content_length(fcgi);
    request->http = (struct http_request){
        .method = param(fcgi, "REQUEST_METHOD"),
        .path = path_of(fcgi),
        .query = param(fcgi, "QUERY_STRING"),
        .remote = param(fcgi, "REMOTE_ADDR"),
        .token = param(fcgi, "HTTP_TOKEN"),
        .authorization = param(fcgi, "HTTP_AUTHORIZATION"),
        .idempotency_key = param(fcgi, "HTTP_IDEMPOTENCY_KEY"),
        .content_type = param(fcgi, "CONTENT_TYPE"),
        .origin = param(fcgi, "HTTP_ORIGIN"),
        .host = param(fcgi, "HTTP_HOST"),
        .asked_method = param(fcgi, "HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
        .scheme = param(fcgi, "REQUEST_SCHEME"),
        .length = request->left,
        .read = read_part,
        .source = request,
    };
    return request;
}

const struct http_request *fcgi_http(const struct fcgi_request *request)
{
    return &request->http;
}

struct claim *fcgi_claim(struct fcgi_request *request)
{
    return &request->claim;
}

struct fcgi_request *fcgi_of_claim(struct claim *claim)
{
    return (struct fcgi_request *)(void *)claim;
}

bool fcgi_is_gone(const struct fcgi_request *request)
{
    char byte;
    return recv(request->fcgi.ipcFd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Frees it. */
static int finish(struct fcgi_request *request, bool goes_on)
{
    if (!goes_on)
        request->fcgi.keepConnection = 0;
    FCGX_Finish_r(&request->fcgi);
    int fd = request->fcgi.ipcFd;
    free(request);
    return fd;
}

int fcgi_answer(struct fcgi_request *request, router_answer *answer, const struct backends *backends,
                const atomic_bool *stopping)
{
    struct http_response response;
    http_response_init(&response);
    answer(backends, &request->http, &response);
    bool drained = drain(&request->fcgi), sent = send_response(&request->fcgi, &response);
    http_response_fini(&response);
    if (!sent)
        metric_inc(METRIC_HTTP_ABORTED);
    return finish(request, drained && sent && !*stopping);
}

void fcgi_drop(struct fcgi_request *request)
{
    metric_inc(METRIC_HTTP_ABORTED);
    FCGX_Free(&request->fcgi, 1);
    free(request);
}
