/* Engine.IO from outside: a packet or a whole payload. What is read from a payload, put together again, is the same
 * payload: the parser neither invents nor loses anything. */
#include "relay/eio_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
