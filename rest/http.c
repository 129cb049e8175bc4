#include "rest/http.h"

void http_response_init(struct http_response *response)
{
    *response = (struct http_response){.status = 500, .type = "text/plain; charset=utf-8"};
    buf_init(&response->body, HTTP_RESPONSE_MAX);
}

void http_response_fini(struct http_response *response)
{
    buf_fini(&response->body);
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } rows[] = {
        {200, "OK"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {413, "Content Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Unknown";
}

void http_add_header(struct buf *out, const struct http_response *response)
{
    buf_addf(out, "Status: %d %s\r\n", response->status, http_reason(response->status));
    buf_addf(out, "Content-Type: %s\r\n", response->type);
    buf_addf(out, "Content-Length: %zu\r\n", response->body.len);
    if (response->allow)
        buf_addf(out, "Allow: %s\r\n", response->allow);
    buf_add_text(out, "Cache-Control: no-store\r\n\r\n");
}
