#include "rest/health.h"

#include "common/metrics.h"
#include "common/store.h"
#include "rest/presence.h"

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

static int tell_live(struct call *call)
{
    buf_add_text(call->out, "{\"live\":true}");
    return 200;
}

static int tell_ready(struct call *call)
{
    size_t servers;
    bool db = !store_ping(call->backends->store), redis = !presence_ping(call->backends->presence, &servers);
    buf_addf(call->out, "{\"ready\":%s,\"db\":\"%s\",\"redis\":\"%s\",\"redis_servers\":",
             db ? "true" : "false", db ? "up" : "down", redis ? "up" : "down");
    presence_add_state(call->backends->presence, call->out);
    buf_add_char(call->out, '}');
    return db ? 200 : 503;
}

static int tell_metrics(struct call *call)
{
    metrics_print(call->out);
    return 200;
}

static const struct route rows[] = {
    {.method = "GET",
     .path = "/healthz",
     .handler = tell_live,
     .doc = "200 while the process serves"},
    {.method = "GET",
     .path = "/readyz",
     .handler = tell_ready,
     .doc = "200 while the database answers, else 503; tells of Redis too"},
    {.method = "GET",
     .path = "/metrics",
     .type = TYPE_METRICS,
     .handler = tell_metrics,
     .doc = "counters and gauges as Prometheus text"},
};

const struct route_table health_routes = ROUTE_TABLE(rows);
