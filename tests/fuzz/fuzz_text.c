/* The rules for text: whatever they let through is UTF-8 and within its bounds, and cleaning content changes nothing
 * that is allowed. */
#include "common/text.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    bool valid = text_utf8_valid(text);
    if (!text_check_label(text, 64))
        CG_ASSERT(valid && text_length(text) >= 1 && text_length(text) <= 64 && !memchr(data, 0, size));
    if (!text_check_url(text, "/media/"))
        CG_ASSERT(valid && size <= TEXT_URL_MAX && !memchr(data, '"', size) && !memchr(data, ' ', size));
    if (text_is_sent_at(text))
        CG_ASSERT(valid && size <= TEXT_SENT_AT_BYTES && text_length(text) <= TEXT_SENT_AT_CHARS &&
                  !text_check_label(text, TEXT_SENT_AT_CHARS));
    if (text_check_content(text))
        return 0;
    CG_ASSERT(valid);
    struct buf clean, json;
    buf_init(&clean, size);
    buf_init(&json, size * 6 + 2);
    text_add_content(&clean, text);
    buf_add_json(&json, buf_str(&clean));
    CG_ASSERT(!clean.failed && clean.len == size && !text_check_content(buf_str(&clean)));
    CG_ASSERT(!json.failed && text_utf8_valid(buf_str(&json)));
    buf_fini(&clean);
    buf_fini(&json);
    return 0;
}
