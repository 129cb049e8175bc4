/* Requests at the relay's own port: what is taken lies within the bytes, says the same however it was cut on its way,
 * and a body in chunks is the same whether it comes at once or byte by byte. */
#include "common/err.h"
#include "common/mem.h"
#include "relay/net/http.h"
#include "relay/net/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_head(const struct http_head *head, const char *bytes, size_t size)
{
    char out[64];
    CG_ASSERT(head->len <= size && head->len <= HTTP_HEAD_BYTES && !memcmp(bytes + head->len - 4, "\r\n\r\n", 4));
    CG_ASSERT(head->path_len && bytes[head->path_at] == '/' && head->path_at + head->path_len < head->len);
    CG_ASSERT(head->query_at + head->query_len < head->len);
    CG_ASSERT(head->content_length >= 0 && (!head->chunked || !head->content_length));
    CG_ASSERT(!head->upgrade || (!head->chunked && !head->content_length));
    for (size_t i = 0; i < head->len; i++)
        CG_ASSERT(bytes[i] != '\n' || bytes[i - 1] == '\r');
    struct str value = http_head_argument(head, bytes, "q", out, sizeof out);
    CG_ASSERT(value.len < sizeof out && !memchr(value.ptr, 0, value.len));
    value = http_head_find(head, bytes, "host");
    CG_ASSERT(!value.ptr || (value.ptr > bytes && value.ptr + value.len < bytes + head->len));
}

static void check_pieces(const struct http_head *whole, unsigned whole_status, const char *bytes, size_t size)
{
    struct http_head head = {0};
    unsigned status = 0;
    size_t seen = 0;
    for (size_t len = 1; len <= size && !status && !head.len; len++)
        status = http_head_parse(&head, (struct str){bytes, len}, &seen);
    if (!whole_status && whole->len)
        CG_ASSERT(!status && head.len == whole->len && head.path_at == whole->path_at);
    if (whole_status)
        CG_ASSERT(status); /* perhaps another one: an early doubt */
}

static void check_chunks(const char *bytes, size_t size)
{
    struct http_chunks at_once = {0}, slowly = {0};
    char *one = mem_strndup(bytes, size), *other = mem_strndup(bytes, size);
    size_t used = 0, taken = 0, len = 0;
    int64_t kept = http_chunks_take(&at_once, one, size, &used), got = 0;
    for (; taken < size && !slowly.done && got >= 0; taken++) {
        size_t byte;
        got = http_chunks_take(&slowly, other + taken, 1, &byte);
        if (got > 0)
            other[len++] = other[taken];
    }
    CG_ASSERT((kept < 0) == (got < 0));
    if (kept >= 0) {
        CG_ASSERT(used <= size && used == taken && at_once.done == slowly.done);
        CG_ASSERT((size_t)kept == len && !memcmp(one, other, len));
    }
    free(one);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct http_head head;
    size_t seen = 0;
    unsigned status = http_head_parse(&head, (struct str){bytes, size}, &seen);
    CG_ASSERT(!status || (status >= 400 && status < 600));
    if (!status && head.len)
        check_head(&head, bytes, size);
    if (size < 2048)
        check_pieces(&head, status, bytes, size);
    check_chunks(!status ? bytes + head.len : bytes, !status ? size - head.len : size);
    return 0;
}
