#include "common/redis/redis_health.h"

#include "common/json.h"
#include "common/log.h"
#include "common/metrics.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 2000 };

void redis_health_init(struct redis_health *health, const struct redis_servers *known)
{
    *health = (struct redis_health){.known = known};
    for (size_t i = 0; i < known->count; i++)
        health->servers[i].backoff = (struct backoff){.first_ms = BACKOFF_FIRST_MS, .most_ms = BACKOFF_MOST_MS};
}

/* ---- up and down ---- */

bool redis_health_is_up(const struct redis_health *health, size_t server)
{
    return health->servers[server].phase == REDIS_UP;
}

size_t redis_health_count_up(const struct redis_health *health)
{
    size_t up = 0;
    for (size_t i = 0; i < health->known->count; i++)
        up += redis_health_is_up(health, i);
    return up;
}

bool redis_health_all_up(const struct redis_health *health)
{
    return redis_health_count_up(health) == health->known->count;
}

static void set_gauges(const struct redis_health *health)
{
    metric_set(METRIC_REDIS_SERVERS_UP, (int64_t)redis_health_count_up(health));
    metric_set(METRIC_REDIS_UP, redis_health_all_up(health));
}

bool redis_health_may_try(struct redis_health *health, size_t server)
{
    struct redis_state *state = &health->servers[server];
    if (state->phase == REDIS_UNTRIED || state->phase == REDIS_UP)
        return true;
    if (!backoff_due(&state->backoff))
        return false;
    state->phase = REDIS_RETRYING;
    backoff_wait(&state->backoff);
    return true;
}

bool redis_health_came_up(struct redis_health *health, size_t server, const struct endpoint *at)
{
    struct redis_state *state = &health->servers[server];
    char text[ENDPOINT_TEXT_MAX];
    bool news = state->phase != REDIS_UP, moved = *state->at.host && !endpoint_same(&state->at, at);
    if (!news && !moved)
        return false;
    state->phase = REDIS_UP;
    state->at = *at;
    backoff_reset(&state->backoff);
    endpoint_text(at, text);
    if (!health->quiet)
        log_info("redis.up", "at=%s moved=%d", text, moved);
    if (moved)
        metric_inc(METRIC_REDIS_MOVES);
    set_gauges(health);
    return news;
}

static const char *place_text(const struct redis_server *server, const struct endpoint *tried,
                              char text[ENDPOINT_TEXT_MAX])
{
    if (!tried || !*tried->host)
        tried = &server->address;
    if (!*tried->host)
        return server->master;
    endpoint_text(tried, text);
    return text;
}

bool redis_health_lost(struct redis_health *health, size_t server, const struct endpoint *tried, const char *why)
{
    struct redis_state *state = &health->servers[server];
    char text[ENDPOINT_TEXT_MAX];
    bool was_up = state->phase == REDIS_UP;
    if (state->phase == REDIS_LOST)
        return false;
    bool news = was_up || state->phase == REDIS_UNTRIED; /* the attempts that fail afterwards are none */
    if (news && !health->quiet)
        log_warn("redis.down", "at=%s why=\"%.120s\"", place_text(&health->known->servers[server], tried, text), why);
    state->phase = REDIS_LOST;
    state->first_sentinel++;
    backoff_fail(&state->backoff);
    set_gauges(health);
    return was_up;
}

void redis_health_left(struct redis_health *health, size_t server)
{
    health->servers[server].phase = REDIS_UNTRIED;
    set_gauges(health);
}

const struct endpoint *redis_health_place(const struct redis_health *health, size_t server)
{
    const struct redis_server *known = &health->known->servers[server];
    return *known->master ? &health->servers[server].at : &known->address;
}

void redis_health_add(const struct redis_health *health, struct buf *out)
{
    json_add_array(out, NULL);
    for (size_t i = 0; i < health->known->count; i++) {
        char at[ENDPOINT_TEXT_MAX];
        endpoint_text(redis_health_place(health, i), at);
        json_add_object(out, NULL);
        json_add_text(out, "at", at);
        json_add_bool(out, "up", redis_health_is_up(health, i));
        json_end_object(out);
    }
    json_end_array(out);
}

/* ---- sentinels ---- */

struct redis_search redis_health_search(const struct redis_health *health, size_t server)
{
    return (struct redis_search){.first = health->servers[server].first_sentinel};
}

const struct endpoint *redis_search_sentinel(const struct redis_search *search, const struct redis_servers *known)
{
    if (search->asked >= known->sentinel_count)
        return NULL;
    return &known->sentinels[(search->first + search->asked) % known->sentinel_count];
}

void redis_search_next(struct redis_search *search)
{
    search->asked++;
}

void redis_health_found(struct redis_health *health, size_t server, const struct redis_search *search)
{
    health->servers[server].first_sentinel = search->first + search->asked;
}
