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

#define CALL(name, where, what) \
    {.method = "GET", \
     .path = (where), \
     .quick = true, \
     .handler = tell_##name, \
     .failed = failure_api, \
     .doc = "the frames of " what ", by the rules of AsyncAPI 3"}

static const struct route rows[] = {
    CALL(native, "/v1/asyncapi.json", "the native protocol"),
    CALL(chatroom, "/v1/asyncapi/chatroom.json", "chatrooms"),
    CALL(friends, "/v1/asyncapi/friends.json", "friend chat"),
    CALL(customers, "/v1/asyncapi/customers.json", "customer sessions"),
    CALL(spaces, "/v1/asyncapi/spaces.json", "spaces"),
    CALL(socketio, "/v1/asyncapi/socketio.json", "the Socket.IO chat room"),
};

const struct route_table asyncapi_routes = ROUTE_TABLE(rows);
