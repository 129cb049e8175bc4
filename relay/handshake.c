#include "relay/handshake.h"

#include "common/base64.h"
#include "common/metrics.h"
#include "common/text.h"
#include "relay/core/protocol.h"
#include "relay/socketio/eio.h"
#include "relay/net/http_parse.h"
#include "relay/net/ws.h"

#include <stdio.h>

enum { PATH_BYTES = 256, KEY_BYTES = 24 /* 16 in base64 */, PROTOCOLS_BYTES = 512 };

static const struct protocol *claimant(const struct handshake *handshake, const struct request *request)
{
    for (const struct protocol *const *at = handshake->protocols; *at; at++)
        if ((*at)->claims(request->path) && !((*at)->passes && (*at)->passes(request)))
            return *at;
    return NULL;
}

/* Whether a list with commas names it; case counts, as in RFC 6455. */
static bool lists(struct str list, struct str name)
{
    while (list.len) {
        const char *comma = memchr(list.ptr, ',', list.len);
        struct str item = {list.ptr, comma ? (size_t)(comma - list.ptr) : list.len};
        size_t past = item.len + (comma != NULL);
        list = (struct str){list.ptr + past, list.len - past};
        while (item.len && (item.ptr[0] == ' ' || item.ptr[0] == '\t'))
            item = (struct str){item.ptr + 1, item.len - 1};
        while (item.len && (item.ptr[item.len - 1] == ' ' || item.ptr[item.len - 1] == '\t'))
            item.len--;
        if (str_eq(item, name))
            return true;
    }
    return false;
}

/* 16 bytes in base64. */
static bool is_key(struct str text)
{
    return text.len == KEY_BYTES && !memcmp(text.ptr + KEY_BYTES - 2, "==", 2) &&
           base64_is((struct str){text.ptr, KEY_BYTES - 2});
}

/* RFC 6455 section 4.2.1, as far as http.h does not see to it. A protocol that has a subprotocol needs it offered;
 * another one chooses none of those that are, and the client decides what to make of that (section 4.2.2). */
static bool is_proper(const struct request *request, const struct protocol *protocol)
{
    char text[PROTOCOLS_BYTES];
    if (!is_key(request->header(request, "sec-websocket-key", text, sizeof text)))
        return false;
    return !protocol || !protocol->subprotocol ||
           lists(request->header(request, "sec-websocket-protocol", text, sizeof text), str_of(protocol->subprotocol));
}

static void refuse(struct http_call *call, unsigned status, const char *headers)
{
    metric_inc(METRIC_CONNECTIONS_REFUSED);
    http_reply(call, status, "text/plain; charset=utf-8", headers, STR(""));
}

/* Whether it has a segment that leads up: no protocol has such a path, and resolving it would change it. */
static bool climbs(struct str path)
{
    for (size_t i = 0; i + 2 < path.len; i++)
        if (!memcmp(path.ptr + i, "/..", 3) && (i + 3 == path.len || path.ptr[i + 3] == '/'))
            return true;
    return false;
}

/* The HTTP status that refuses it, or 0 and the protocol that takes it. `request` has the decoded path. A draining
 * relay sends newcomers elsewhere, except on a socket that nginx handed over, for which no nginx is left to ask
 * another relay: these are let in, and closed like all others. */
static unsigned judge(const struct handshake *handshake, const struct request *request, bool alone,
                      const struct protocol **protocol)
{
    *protocol = claimant(handshake, request);
    if (!is_proper(request, *protocol) || climbs(request->path))
        return 400;
    if ((handshake->draining && !alone) || !sessions_have_room(handshake->sessions))
        return 503;
    if (!*protocol)
        return 404;
    enum token_refusal shut;
    if (protocol_is_shut(handshake->settings, (*protocol)->name, (*protocol)->sees_to_tokens, request, &shut))
        return 401;
    return (*protocol)->refuse ? (*protocol)->refuse(request) : 0;
}

void handshake_upgrade(void *arg, struct http_call *call)
{
    struct handshake *handshake = arg;
    const struct protocol *protocol = NULL;
    struct request request = call->request;
    char path[PATH_BYTES], version[4];
    unsigned status;
    http_vouch(call); /* it is not to be put out for itself */
    if (!str_eq(call->request.header(&call->request, "sec-websocket-version", version, sizeof version), STR("13"))) {
        refuse(call, 426, "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n");
        return;
    }
    enum err err = text_decode_url(call->request.path, false, path, sizeof path, &request.path.len);
    request.path.ptr = path;
    if (err)
        status = err == ERR_TOO_BIG ? 404 : 400; /* no protocol has such a path */
    else
        status = judge(handshake, &request, call->alone, &protocol);
    int64_t retry_after_ms = 0;
    char headers[48] = "";
    if (!status)
        status = protocol_peer_refusal(str_of(call->peer), &retry_after_ms);
    if (status == 429)
        snprintf(headers, sizeof headers, "Retry-After: %lld\r\n", (long long)rate_seconds(retry_after_ms));
    if (status) {
        refuse(call, status, headers);
        return;
    }
    if (protocol == &eio_protocol && eio_upgrade(call))
        return; /* another relay's */
    struct ws_handshake taken = {protocol, &request, call->peer};
    struct str bytes;
    int fd = http_detach(call, &bytes);
    struct str behind = {call->body.ptr,
                         (size_t)(bytes.ptr + bytes.len - call->body.ptr)}; /* a handshake has no body */
    ws_adopt(handshake->ws, fd, behind, &taken);
}
