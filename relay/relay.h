/* relay.h: the relay's parts, for the files that connect them: main.c builds and tears down, drain.c shuts down,
 * status.c serves health and metrics. */
#ifndef CG_RELAY_RELAY_H
#define CG_RELAY_RELAY_H

#include "common/store/store_io.h"
#include "common/token.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff.h"
#include "relay/handshake.h"
#include "relay/net/http.h"
#include "relay/core/hub.h"
#include "relay/db/journal.h"
#include "relay/core/limits.h"
#include "relay/db/completion_queue.h"
#include "relay/core/presence.h"
#include "relay/db/db_pool.h"
#include "relay/net/ws.h"

struct relay {
    struct settings settings;
    uv_loop_t loop;
    struct completion_queue completions;
    struct wheel wheel;
    struct limits limits;
    struct lobby lobby;
    struct sessions sessions;
    struct hub hub;
    struct journal *journal;
    struct db_pool *db_pool;
    struct bus *bus;
    struct presence *presence;
    struct ws *ws;
    struct http_server *http;
    struct handoff *handoff;
    struct handshake handshake;
    struct token_keys tokens;
    uint64_t incarnation;
    unsigned char secret[STORE_SECRET_BYTES];
    uv_timer_t tick, drain, last_words;
    int64_t ticks_at; /* the wheel's next_tick when `tick` was set */
    uv_timer_t watchdog;
    uv_timer_t rested; /* wakes the loop at the end of a room's cooldown: hub_flush */
    size_t last_words_left;
    uv_prepare_t before_sleep;
    uv_signal_t on_term, on_int, on_hup;
    bool draining;
    int64_t drain_end_ms, drain_carry, drain_polls_carry; /* drain_share's */
    int exit_code;
};

#endif
