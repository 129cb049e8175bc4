/* socket_stubs.h: a WebSocket whose frames must be whole and JSON. Beside hub_stubs.h. */
#ifndef CG_TESTS_SOCKET_STUBS_H
#define CG_TESTS_SOCKET_STUBS_H

#include "hub_stubs.h"

static unsigned frames, answers; /* answers: those of the native protocol, which name their command */
static bool ended;

static size_t check_frame(struct str bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    CG_ASSERT(bytes.len >= 2 && at[0] == 0x81);
    size_t len = at[1], head = 2;
    if (len >= 126) {
        size_t wide = len == 126 ? 2 : 8;
        for (len = 0; head < 2 + wide; head++)
            len = len << 8 | at[head];
    }
    CG_ASSERT(head + len <= bytes.len);
    struct str text = {bytes.ptr + head, len};
    check_json(text);
    frames++;
    answers += memmem(text.ptr, text.len, "\"re\":", 5) != NULL;
    return head + len;
}

static enum send_result on_send(void *socket, struct str bytes)
{
    (void)socket;
    CG_ASSERT(!ended);
    while (bytes.len) {
        size_t len = check_frame(bytes);
        bytes = (struct str){bytes.ptr + len, bytes.len - len};
    }
    return SEND_MORE;
}

static void on_close(void *socket, unsigned code, const char *reason)
{
    (void)socket;
    CG_ASSERT(code >= 1000 && strlen(reason) <= 123);
    ended = true;
}

static void on_kill(void *socket)
{
    (void)socket;
    ended = true;
}

static void on_pause(void *socket, bool paused)
{
    (void)socket;
    (void)paused;
}

static const struct transport wire = {on_send, on_close, on_kill, on_pause, NULL};

#endif
