#include "rest/http/call.h"

#include "common/store/store.h"
#include "rest/http/turn.h"

void begin_slow(const struct backends *backends)
{
    turn_leave(backends->turn);
    store_refresh(backends->store);
}
