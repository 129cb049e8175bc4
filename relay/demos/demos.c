#include "relay/demos/demos.h"

#include "common/metrics.h"

bool demo_is_full(size_t clients)
{
    if (clients < DEMO_CLIENTS_MAX)
        return false;
    metric_inc(METRIC_DEMO_REFUSED);
    return true;
}

void demo_client_came(size_t *clients)
{
    ++*clients;
    metric_add(METRIC_DEMO_CLIENTS, 1);
}

void demo_client_left(size_t *clients)
{
    --*clients;
    metric_add(METRIC_DEMO_CLIENTS, -1);
}
