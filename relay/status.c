#include "relay/status.h"

#include "common/json.h"
#include "common/store/db_address.h"
#include "common/metrics.h"
#include "common/origin.h"
#include "relay/relay.h"

enum { PAGE_BYTES = 256 * 1024 };

static const struct relay *status_of; /* a route has no argument */

static unsigned ready_body(const struct relay *relay, struct buf *body)
{
    struct db_state db = db_state();
    bool redis = bus_is_up(relay->bus);
    bool ready = db.up && db.writable && !relay->draining; /* without Redis nothing is refused: not held against it */
    json_begin_object(body);
    json_add_bool(body, "ready", ready);
    json_add_bool(body, "db", db.up);
    json_add_u64(body, "db_address", db.address);
    json_add_bool(body, "db_writable", db.writable);
    json_add_bool(body, "redis", redis);
    json_add_bool(body, "draining", relay->draining);
    json_add_u64(body, "connections", relay->sessions.count);
    json_add_key(body, "redis_servers");
    bus_add_state(relay->bus, body);
    json_end_object(body);
    buf_add_char(body, '\n');
    return ready ? 200 : 503;
}

static bool status_claims(struct str path)
{
    return str_eq(path, STR("/healthz")) || str_eq(path, STR("/readyz")) || str_eq(path, STR("/metrics"));
}

/* Only clients on this machine that name it by loopback: a page whose own name leads here (DNS rebinding) is on this
 * machine, too. */
static bool is_for_operators(struct http_call *call)
{
    char text[256];
    struct str host = call->request.header(&call->request, "host", text, sizeof text);
    bool near = !*call->peer || !strncmp(call->peer, "127.", 4) || !strcmp(call->peer, "::1");
    return near && origin_asks_here(host);
}

static void on_request(struct http_call *call)
{
    const char *type = "text/plain; charset=utf-8";
    struct str path = call->request.path;
    struct buf body;
    unsigned status = 200;
    if (strcmp(call->method, "GET") != 0 && strcmp(call->method, "HEAD") != 0) {
        http_reply_text(call, 405, NULL);
        return;
    }
    if (!is_for_operators(call)) {
        http_reply_text(call, 403, NULL);
        return;
    }
    buf_init(&body, PAGE_BYTES);
    if (str_eq(path, STR("/readyz"))) {
        type = "application/json; charset=utf-8";
        status = ready_body(status_of, &body);
    } else if (str_eq(path, STR("/metrics"))) {
        type = "text/plain; version=0.0.4; charset=utf-8";
        metrics_print(&body);
    } else {
        buf_add_text(&body, "ok\n");
    }
    http_reply(call, status, type, "", buf_str(&body));
    buf_fini(&body);
}

const struct http_route status_route = {.name = "status",
                                        .sees_to_tokens = true, /* it is operators' */
                                        .claims = status_claims,
                                        .handle = on_request,
                                        .foreign = "{\"error\":\"forbidden\",\"code\":\"origin\"}"};

void status_init(const struct relay *relay)
{
    status_of = relay;
}
