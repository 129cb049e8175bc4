#include "rest/calls/health.h"

#include "common/json.h"
#include "common/store/db_address.h"
#include "common/metrics.h"
#include "common/redis/redis_sync.h"
#include "common/store/store.h"
#include "rest/services/redis_client.h"

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"

static int tell_live(struct call *call)
{
    json_begin_object(call->out);
    json_add_bool(call->out, "live", true);
    json_end_object(call->out);
    return 200;
}

static int tell_ready(struct call *call)
{
    size_t servers;
    bool db = !store_ping(call->backends->store), redis = !redis_client_ping(call->backends->redis, &servers);
    struct db_state state = db_state();
    bool ready = db && state.writable;
    json_begin_object(call->out);
    json_add_bool(call->out, "ready", ready);
    json_add_text(call->out, "db", db ? "up" : "down");
    json_add_u64(call->out, "db_address", state.address);
    json_add_bool(call->out, "db_writable", state.writable);
    json_add_text(call->out, "redis", redis ? "up" : "down");
    json_add_key(call->out, "redis_servers");
    redis_sync_add_state(call->backends->redis, call->out);
    json_end_object(call->out);
    return ready ? 200 : 503;
}

static int tell_metrics(struct call *call)
{
    metrics_print(call->out);
    return 200;
}

static const struct route rows[] = {
    {.method = "GET",
     .path = "/healthz",
     .operators = true,
     .handler = tell_live,
     .doc = "200 while the process serves"},
    {.method = "GET",
     .path = "/readyz",
     .operators = true,
     .handler = tell_ready,
     .doc = "200 while the database answers and takes writes, else 503; tells of Redis too"},
    {.method = "GET",
     .path = "/metrics",
     .operators = true,
     .type = TYPE_METRICS,
     .handler = tell_metrics,
     .doc = "counters and gauges as Prometheus text"},
};

bool health_is(struct str path)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (str_eq(path, str_of(rows[i].path)))
            return true;
    return false;
}

const struct route_table health_routes = ROUTE_TABLE(rows);
