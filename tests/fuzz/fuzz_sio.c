/* Packets of Socket.IO from outside: what is taken has the parts that its type promises, and written again from them
 * it is the same packet. */
#include "common/json.h"
#include "common/text.h"
#include "relay/socketio/sio_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct str whole, struct str part)
{
    CG_ASSERT(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
    CG_ASSERT(!json_vet(part, JSON_VET_MAX_DEPTH, UINT32_MAX));
}

static void check_string(struct str json, size_t max)
{
    struct buf text;
    buf_init(&text, max);
    if (sio_json_string(json, &text))
        CG_ASSERT(!text.failed && text_utf8_valid(buf_str(&text)) && (!text.len || !memchr(text.data, 0, text.len)));
    else
        CG_ASSERT(*json.ptr != '"');
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    static struct sio_packet packet, copy;
    if (sio_packet_parse(text, &packet))
        return 0;
    CG_ASSERT(packet.nsp.len && *packet.nsp.ptr == '/' && packet.nsp.len <= SIO_NAMESPACE_MAX);
    CG_ASSERT(packet.attachments <= SIO_ATTACHMENTS_MAX && packet.arg_count <= SIO_ARGS_MAX);
    if (packet.type == SIO_EVENT || packet.type == SIO_BINARY_EVENT) {
        check_part(text, packet.name);
        check_string(packet.name, size);
    }
    for (size_t i = 0; i < packet.arg_count; i++) {
        check_part(text, packet.args[i]);
        check_string(packet.args[i], size);
    }
    struct buf again;
    buf_init(&again, size + 16);
    sio_packet_add_head(&again, packet.type, packet.attachments, packet.nsp, packet.ack_id);
    buf_add_str(&again, packet.payload);
    CG_ASSERT(!sio_packet_parse(buf_str(&again), &copy));
    CG_ASSERT(copy.type == packet.type && copy.attachments == packet.attachments && copy.ack_id == packet.ack_id &&
              copy.arg_count == packet.arg_count && str_eq(copy.nsp, packet.nsp) &&
              str_eq(copy.payload, packet.payload));
    buf_fini(&again);
    return 0;
}
