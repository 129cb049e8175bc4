#include "relay/encoding.h"

#include "relay/chatroom.h"

const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_CHATROOM] = &chatroom_encoding,
};
