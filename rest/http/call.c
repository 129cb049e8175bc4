#include "rest/http/call.h"

#include "common/json.h"
#include "common/store/store.h"
#include "rest/http/gate.h"

void begin_slow(const struct backends *backends)
{
    gate_leave(backends->pass);
    store_refresh(backends->store);
}

void call_begin_data(struct call *call)
{
    json_begin_object(call->out);
    json_add_bool(call->out, "success", true);
    json_add_key(call->out, "data");
}
