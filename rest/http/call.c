#include "rest/http/call.h"

#include "common/store/store.h"
#include "rest/http/gate.h"

void begin_slow(const struct backends *backends)
{
    gate_leave(backends->pass);
    store_refresh(backends->store);
}
