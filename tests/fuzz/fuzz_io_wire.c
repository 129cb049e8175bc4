/* What relays tell each other about namespaces, and whom events are for: whatever is read is written back as the same
 * bytes. */
#include "common/audience.h"
#include "common/io_notice.h"
#include "common/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_audience(struct str text)
{
    static struct audience audience;
    if (audience_parse(text, &audience))
        return;
    struct buf again;
    buf_init(&again, text.len);
    for (size_t i = 0; i < audience.count; i++) {
        CG_ASSERT(audience.names[i].name.len && text_utf8_valid(audience.names[i].name));
        audience_add(&again, audience.names[i].kind, audience.names[i].name);
    }
    CG_ASSERT(!again.failed && str_eq(buf_str(&again), text));
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    check_audience(bytes);
    struct io_notice notice;
    if (io_notice_get(bytes, &notice))
        return 0;
    CG_ASSERT(text_utf8_valid(notice.audience) && text_utf8_valid(notice.body));
    check_audience(notice.audience);
    struct buf again;
    buf_init(&again, size);
    io_notice_add(&again, &notice);
    CG_ASSERT(!again.failed && str_eq(buf_str(&again), bytes));
    buf_fini(&again);
    return 0;
}
