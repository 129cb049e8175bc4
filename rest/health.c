#include "rest/health.h"

#include "common/metrics.h"
#include "common/store.h"
#include "rest/presence.h"

int health_live(const struct backends *backends, struct str body, struct buf *out)
{
    (void)backends;
    (void)body;
    buf_add_text(out, "{\"live\":true}");
    return 200;
}

int health_ready(const struct backends *backends, struct str body, struct buf *out)
{
    (void)body;
    bool db = !store_ping(backends->store), redis = !presence_ping(backends->presence);
    buf_addf(out, "{\"ready\":%s,\"db\":\"%s\",\"redis\":\"%s\"}", db ? "true" : "false",
             db ? "up" : "down", redis ? "up" : "down");
    return db ? 200 : 503;
}

int health_metrics(const struct backends *backends, struct str body, struct buf *out)
{
    (void)backends;
    (void)body;
    metrics_print(out);
    return 200;
}
