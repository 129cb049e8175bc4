/* Query strings: what is decoded is UTF-8 without NUL and never longer than what came. */
#include "common/text.h"
#include "rest/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_query query;
    uint64_t number;
    size_t bytes = 0;
    enum err err = http_query_parse(&query, (struct str){(const char *)data, size});
    CG_ASSERT(!err || !query.count);
    for (size_t i = 0; i < query.count; i++) {
        struct str name = query.pairs[i].name, value = query.pairs[i].value;
        CG_ASSERT(text_utf8_valid(name) && text_utf8_valid(value));
        CG_ASSERT(!memchr(name.ptr, 0, name.len) && !memchr(value.ptr, 0, value.len));
        bytes += name.len + value.len;
    }
    CG_ASSERT(bytes <= size);
    if (http_query_number(&query, "limit", 1, 200, 50, &number))
        CG_ASSERT(number >= 1 && number <= 200);
    return 0;
}
