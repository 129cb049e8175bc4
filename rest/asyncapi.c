#include "rest/asyncapi.h"

#include "rest/http/failure.h"

/* The assembler reads the file, so that the program needs none when it runs. */
#define DOCUMENT(name, file) \
    __asm__(".pushsection .rodata\n" #name "_document:\n.incbin \"" file "\"\n" #name "_document_end:\n.popsection"); \
    extern const char name##_document[], name##_document_end[]; \
    static int tell_##name(struct call *call) \
    { \
        buf_add(call->out, name##_document, (size_t)(name##_document_end - name##_document)); \
        return 200; \
    }

DOCUMENT(native, "docs/asyncapi.json")
DOCUMENT(chatroom, "docs/clients/chatroom.asyncapi.json")
DOCUMENT(friends, "docs/clients/friends.asyncapi.json")
DOCUMENT(customers, "docs/clients/customers.asyncapi.json")
DOCUMENT(spaces, "docs/clients/spaces.asyncapi.json")
DOCUMENT(socketio, "docs/clients/socketio.asyncapi.json")

static const struct route rows[] = {
    {.method = "GET",
     .path = "/v1/asyncapi.json",
     .quick = true,
     .handler = tell_native,
     .failed = failure_api,
     .doc = "the frames of the native protocol, by the rules of AsyncAPI 3"},
    {.method = "GET",
     .path = "/v1/asyncapi/chatroom.json",
     .quick = true,
     .handler = tell_chatroom,
     .failed = failure_api,
     .doc = "the frames of chatrooms, by the rules of AsyncAPI 3"},
    {.method = "GET",
     .path = "/v1/asyncapi/friends.json",
     .quick = true,
     .handler = tell_friends,
     .failed = failure_api,
     .doc = "the frames of friend chat, by the rules of AsyncAPI 3"},
    {.method = "GET",
     .path = "/v1/asyncapi/customers.json",
     .quick = true,
     .handler = tell_customers,
     .failed = failure_api,
     .doc = "the frames of customer sessions, by the rules of AsyncAPI 3"},
    {.method = "GET",
     .path = "/v1/asyncapi/spaces.json",
     .quick = true,
     .handler = tell_spaces,
     .failed = failure_api,
     .doc = "the frames of spaces, by the rules of AsyncAPI 3"},
    {.method = "GET",
     .path = "/v1/asyncapi/socketio.json",
     .quick = true,
     .handler = tell_socketio,
     .failed = failure_api,
     .doc = "the frames of the Socket.IO chat room, by the rules of AsyncAPI 3"},
};

const struct route_table asyncapi_routes = ROUTE_TABLE(rows);
