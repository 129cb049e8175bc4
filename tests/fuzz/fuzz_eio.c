/* Engine.IO from outside: a packet or a whole payload. What is read from a payload, put together again, is the same
 * payload: the parser neither invents nor loses anything. Of version 3, whose lengths can be said in many ways, what is
 * read comes back from either form that it is put into. */
#include "common/text.h"
#include "relay/socketio/eio_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all of a payload of version 3 and puts it into a binary one. */
static enum err read_v3(struct str payload, bool binary, struct buf *out)
{
    struct eio_packet packet;
    struct buf scratch;
    enum err err;
    buf_init(&scratch, payload.len);
    while (!(err = eio3_payload_next(&payload, binary, &scratch, &packet))) {
        CG_ASSERT(!packet.binary || packet.type == EIO_MESSAGE);
        eio3_payload_add(out, packet.type, packet.binary, packet.data);
    }
    CG_ASSERT(err == ERR_NOT_FOUND || err == ERR_INVALID);
    CG_ASSERT(!out->failed);
    buf_fini(&scratch);
    return err;
}

static void version_3(struct str payload, bool binary)
{
    struct buf first, again, text;
    bool valid = text_utf8_valid(payload) || binary;
    buf_init(&first, payload.len * 8 + 64);
    buf_init(&again, payload.len * 8 + 64);
    if (!read_v3(payload, binary, &first) || first.len) {
        struct str waits = buf_str(&first);
        CG_ASSERT(!first.len || (read_v3(waits, true, &again) == ERR_NOT_FOUND && str_eq(waits, buf_str(&again))));
        buf_clear(&again);
        buf_init(&text, eio3_payload_text_cost(first.len));
        eio3_payload_text(waits, &text);
        CG_ASSERT(!text.failed);
        if (valid && text_utf8_valid(buf_str(&text)))
            CG_ASSERT(read_v3(buf_str(&text), false, &again) == ERR_NOT_FOUND && str_eq(waits, buf_str(&again)));
        buf_fini(&text);
    }
    buf_fini(&first);
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size}, rest = text;
    struct eio_packet packet;
    struct buf scratch, again;
    bool base64 = size && *data == 'b', breaks = size && (memchr(data, '\r', size) || memchr(data, '\n', size));
    buf_init(&scratch, size);
    enum err err = eio_packet_parse(text, &scratch, &packet);
    CG_ASSERT(base64 || !err == (size && *data >= '0' && *data <= '6'));
    CG_ASSERT(err || packet.binary == base64);
    CG_ASSERT(err || base64 || packet.data.len == size - 1);
    buf_init(&again, size + 1);
    while (!(err = eio_payload_next(&rest, &scratch, &packet)))
        eio_payload_add(&again, packet.type, packet.binary, packet.data);
    CG_ASSERT(err == ERR_NOT_FOUND || err == ERR_INVALID);
    CG_ASSERT(!again.failed && again.len <= size);
    if (err == ERR_NOT_FOUND && !breaks) /* those of base64 are not kept */
        CG_ASSERT(!size || str_eq(buf_str(&again), text));
    buf_fini(&scratch);
    buf_fini(&again);
    version_3(text, false);
    version_3(text, true);
    return 0;
}
