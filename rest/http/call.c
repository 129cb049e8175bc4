#include "rest/http/call.h"

#include "common/json.h"
#include "common/store/store.h"
#include "common/text.h"
#include "rest/http/gate.h"

#include <stdio.h>

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

int call_refuse(struct call *call, int status, const char *code, const char *error)
{
    call->code = code;
    call->error = error;
    return status;
}

int call_refuse_field(struct call *call, struct str name, const char *rule)
{
    enum { SHOWN = 40 };
    bool broken;
    struct str shown = {name.ptr, name.len < SHOWN ? name.len : SHOWN};
    shown.len = text_utf8_prefix(shown, &broken);
    snprintf(call->said, sizeof call->said, "%.*s: %s", (int)shown.len, shown.ptr, rule);
    return call_refuse(call, 400, "bad_argument", call->said);
}
