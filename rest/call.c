#include "rest/call.h"

#include "common/store.h"
#include "rest/turn.h"

void begin_slow(const struct backends *backends)
{
    turn_leave(backends->turn);
    store_refresh(backends->store);
}
