#include "rest/http/http.h"

#include "common/json.h"
#include "common/origin.h"
#include "common/text.h"

enum err http_read_body(const struct http_request *request, size_t limit, struct buf *body)
{
    size_t got;
    if (request->length == HTTP_LENGTH_BAD)
        return ERR_INVALID;
    if (request->length > limit)
        return ERR_TOO_BIG;
    do {
        char more; /* the last look must find the end, so it needs room even in a full buffer */
        size_t room = request->length - body->len;
        enum err err = request->read(request, room ? buf_reserve(body, room) : &more, room ? room : 1, &got);
        if (err)
            return err;
        if (got > room)
            return ERR_INVALID;
        body->len += got;
    } while (got);
    return body->len == request->length ? ERR_OK : ERR_INVALID;
}

/* ---- the query string ---- */

/* Decodes `text` to *at and moves *at past it; decoding never makes text longer. */
static bool decode(struct http_query *query, struct str text, char **at, struct str *out)
{
    size_t room = (size_t)(query->text + sizeof query->text - *at);
    out->ptr = *at;
    if (text_decode_url(text, true, *at, room, &out->len))
        return false;
    *at += out->len;
    return text_utf8_valid(*out);
}

/* Cuts `rest` at the first `end`; what follows stays in it. */
static struct str cut(struct str *rest, char end)
{
    const char *found = rest->len ? memchr(rest->ptr, end, rest->len) : NULL;
    struct str part = {rest->ptr, found ? (size_t)(found - rest->ptr) : rest->len};
    size_t gone = part.len + (found ? 1 : 0);
    *rest = (struct str){rest->ptr + gone, rest->len - gone};
    return part;
}

enum err http_query_parse(struct http_query *query, struct str text)
{
    char *at = query->text;
    size_t count = 0;
    query->count = 0;
    if (text.len > HTTP_QUERY_BYTES)
        return ERR_TOO_BIG;
    while (text.len) {
        struct str value = cut(&text, '&');
        if (!value.len)
            continue;
        if (count == HTTP_QUERY_PAIRS)
            return ERR_TOO_BIG;
        struct str name = cut(&value, '=');
        if (!decode(query, name, &at, &query->pairs[count].name) ||
            !decode(query, value, &at, &query->pairs[count].value))
            return ERR_INVALID;
        count++;
    }
    query->count = count;
    return ERR_OK;
}

bool http_query(const struct http_query *query, const char *name, struct str *value)
{
    for (size_t i = 0; i < query->count; i++)
        if (str_eq(query->pairs[i].name, str_of(name))) {
            *value = query->pairs[i].value;
            return true;
        }
    return false;
}

bool http_query_number(const struct http_query *query, const char *name, uint64_t min, uint64_t max, uint64_t fallback,
                       uint64_t *value)
{
    struct str text;
    *value = fallback;
    if (!http_query(query, name, &text))
        return true;
    int64_t number;
    if (!json_whole(text, &number) || number < 0)
        return false;
    *value = (uint64_t)number;
    return *value >= min && *value <= max;
}

void http_discard_body(const struct http_request *request)
{
    char chunk[4096];
    size_t got;
    while (!request->read(request, chunk, sizeof chunk, &got) && got)
        ;
}

/* ---- the answer ---- */

void http_response_init(struct http_response *response)
{
    *response = (struct http_response){.status = 500, .type = "text/plain; charset=utf-8"};
    buf_init(&response->body, HTTP_RESPONSE_MAX);
}

void http_response_fini(struct http_response *response)
{
    buf_fini(&response->body);
}

/* "Bad Request" for 400; "Unknown" for what is in no list. */
static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Unknown";
}

void http_add_header(struct buf *out, const struct http_response *response)
{
    buf_addf(out, "Status: %d %s\r\n", response->status, reason_of(response->status));
    buf_addf(out, "Content-Type: %s\r\n", response->type);
    buf_addf(out, "Content-Length: %zu\r\n", response->body.len);
    if (*response->allow)
        buf_addf(out, "Allow: %s\r\n", response->allow);
    if (response->retry_after_s)
        buf_addf(out, "Retry-After: %lld\r\n", (long long)response->retry_after_s);
    if (*response->refusal)
        buf_addf(out, "X-Chaguan-Refusal: %s\r\n", response->refusal);
    if (response->origin.len)
        buf_addf(out,
                 "Access-Control-Allow-Origin: %.*s\r\nAccess-Control-Allow-Credentials: true\r\n"
                 "Access-Control-Expose-Headers: Retry-After\r\nVary: Origin\r\n",
                 (int)response->origin.len, response->origin.ptr);
    if (response->preflight)
        buf_addf(out,
                 "Access-Control-Allow-Methods: %s\r\n"
                 "Access-Control-Allow-Headers: " ORIGIN_HEADERS "\r\n"
                 "Access-Control-Max-Age: 600\r\n",
                 response->allow);
    buf_add_text(out, "Cache-Control: no-store\r\n\r\n");
}
