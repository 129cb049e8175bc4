/* What relays tell each other: whatever is read is written back as the same bytes. */
#include "common/message.h"
#include "common/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str at = {(const char *)data, size};
    struct wire_header header;
    struct message message;
    if (wire_get_header(&at, &header))
        return 0;
    struct wire_mark mark;
    (void)!wire_get_mark(at, &mark);
    struct buf again;
    buf_init(&again, size + 1);
    wire_add_header(&again, &header);
    while (at.len && !wire_get_message(&at, &header, &message)) {
        CG_ASSERT(text_utf8_valid(message.content) && text_utf8_valid(message.sender_name) &&
                  text_utf8_valid(message.audience));
        struct message *copy = message_dup(&message);
        wire_add_message(&again, copy);
        free(copy);
        size_t read = size - at.len;
        CG_ASSERT(!again.failed && again.len == read && !memcmp(again.data, data, read));
    }
    buf_fini(&again);
    return 0;
}
