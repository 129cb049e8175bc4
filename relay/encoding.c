#include "relay/encoding.h"

#include "relay/chatroom.h"
#include "relay/customer.h"
#include "relay/demos.h"
#include "relay/friends.h"
#include "relay/native.h"
#include "relay/rooms.h"
#include "relay/space.h"

const struct encoding *const encodings[ENCODING_COUNT] = {
    [ENCODING_CHATROOM] = &chatroom_encoding,
    [ENCODING_FRIENDS_LOW] = &friends_low_encoding,
    [ENCODING_FRIENDS_HIGH] = &friends_high_encoding,
    [ENCODING_CUSTOMER] = &customer_encoding,
    [ENCODING_SPACE] = &space_encoding,
    [ENCODING_EVENTS] = &events_encoding,
    [ENCODING_STREAM] = &stream_encoding,
    [ENCODING_POLL] = &poll_encoding,
    [ENCODING_NATIVE] = &native_encoding,
    [ENCODING_NATIVE_PRESENCE] = &native_presence_encoding,
    [ENCODING_EVENTS_PADDED] = &events_padded_encoding,
    [ENCODING_DEMO_GREET] = &demo_greet_encoding,
};
