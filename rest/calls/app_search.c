/* app_search.c: the server API's search call (common/service/message_search.h). */
#include "rest/calls/app_search.h"

#include "common/clock.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/json.h"
#include "common/service/message_search.h"
#include "rest/calls/app_conversations.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/moderate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    CALLS = 10, /* a search is charged to a key as this many calls */
    ANSWER_BYTES = 1 << 20,
    RETRY_S = 5,
    RATE_IDLE_MS = 600000,
};

/* ---- who pays ---- */

static struct {
    pthread_mutex_t lock;
    struct rate_table users;
} rates = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int charge(struct call *call)
{
    const struct settings *settings = call->backends->settings;
    const struct rate rate = {settings->rate_search, settings->rate_search_burst};
    int64_t now_ms = clock_mono_ms(), retry_after_ms;
    if (!call->caller->is_user)
        return call_status(call, caller_charge(call, CALLS - 1), "caller"); /* one was charged already */
    if (!rate.per_s)
        return 200;
    pthread_mutex_lock(&rates.lock);
    rate_table_sweep(&rates.users, now_ms, RATE_IDLE_MS);
    struct rate_entry *entry = rate_table_use(&rates.users, call->caller->id, now_ms);
    bool taken = rate_take(&entry->bucket, rate, now_ms, &retry_after_ms);
    pthread_mutex_unlock(&rates.lock);
    if (taken)
        return 200;
    metric_inc(METRIC_RATE_REFUSED);
    call->retry_after_s = rate_seconds(retry_after_ms);
    return call_refuse(call, 429, "rate", "too many searches: try again later");
}

/* ---- what is asked for ---- */

static int take_query(struct call *call, struct message_search *search)
{
    struct str text;
    if (!http_query(call->query, "q", &text))
        return call_refuse_field(call, STR("q"), "must say what to look for");
    enum err err = search_query_read(&search->query, text);
    if (err)
        return call_refuse_field(call, STR("q"), message_search_wrong(err));
    if (!http_query_number(call->query, "limit", 1, MESSAGE_SEARCH_LIMIT_MAX, MESSAGE_SEARCH_LIMIT, &search->limit))
        return call_refuse_field(call, STR("limit"), "must be a number from 1 to 100");
    if (!http_query_number(call->query, "cursor", 1, INT64_MAX, INT64_MAX, &search->before))
        return call_refuse_field(call, STR("cursor"), "must be what `next` said");
    return 200;
}

/* Sets the actor. A user sees their own conversations; a server key acts for the user it names, or sees everything. */
static int take_actor(struct call *call, struct app_actor *actor)
{
    struct store_app_user user;
    struct str id;
    bool named = http_query(call->query, "user", &id);
    *actor = app_actor_of(call);
    if (actor->is_user && named && !str_eq(id, str_of(call->caller->user.id)))
        return call_refuse(call, 404, "no_such_user", "no such user");
    if (actor->is_user)
        return call_status(call, moderate(call, actor->user, 0, MODERATE_ENTER), "moderate");
    if (!named)
        return 200;
    enum err err = store_app_user_find(call->backends->store, id, &user);
    *actor = (struct app_actor){.is_user = true, .user = user.user, .role = user.role};
    return err == ERR_NOT_FOUND ? app_refuse(call, APP_NO_USER) : failure_status(err, "search");
}

static int take_conversations(struct call *call, const struct app_actor *actor, struct message_search *search)
{
    struct str id;
    enum app_refusal why = APP_ALLOWED;
    if (!http_query(call->query, "conversation", &id))
        id = STR("");
    else if (!id.len)
        return app_refuse(call, APP_NO_CONVERSATION);
    enum err err = message_search_within(call->backends->store, actor, search, id, &why);
    return err == ERR_DENIED && why ? app_refuse(call, why) : failure_status(err, "search");
}

/* ---- what is found ---- */

static int unavailable(struct call *call)
{
    call->retry_after_s = RETRY_S;
    return call_refuse(call, 503, "search_unavailable", "the index cannot be used now");
}

static int search_with(struct call *call, struct message_search *search)
{
    const struct backends *backends = call->backends;
    struct app_actor actor;
    enum err refused;
    int status = take_query(call, search);
    if (status == 200)
        status = charge(call);
    if (status == 200)
        status = take_actor(call, &actor);
    if (status == 200)
        status = take_conversations(call, &actor, search);
    if (status != 200)
        return status;
    if (!message_search_index(backends->search, backends->settings->search_dir))
        return unavailable(call);
    json_begin_object(call->out);
    enum err err = message_search_find(backends->store, backends->search, search, backends->settings->search_timeout_ms,
                                       call->out, &refused);
    json_end_object(call->out);
    return refused ? unavailable(call) : failure_status(err, "search");
}

/* A search occupies its thread; at most half of the threads search, so that other calls go on. */
static int find(struct call *call)
{
    static _Atomic int64_t under_way;
    int64_t most = call->backends->settings->rest_threads / 2;
    if (!call->backends->settings->search)
        return call_refuse(call, 404, "search_off", "search is off here (setting search)");
    if (atomic_fetch_add(&under_way, 1) >= (most ? most : 1)) {
        atomic_fetch_sub(&under_way, 1);
        metric_inc(METRIC_SEARCH_BUSY);
        call->retry_after_s = 1;
        return call_refuse(call, 503, "busy", "too many searches are under way: try again later");
    }
    struct message_search search = {.bytes = ANSWER_BYTES};
    int status = search_with(call, &search);
    atomic_fetch_sub(&under_way, 1);
    message_search_fini(&search);
    return status;
}

static const struct field query[] = {FIELD_NEEDED("q", TEXT), FIELD("conversation", TEXT), FIELD("user", TEXT),
                                     FIELD("limit", NUMBER),  FIELD("cursor", TEXT),       FIELD_END};

static const struct route rows[] = {
    {.method = "GET",
     .path = "/v1/search",
     .scope = SCOPE_READ,
     .users = true,
     .failed = failure_api,
     .takes_query = true,
     .query = query,
     .answer = app_search_answer,
     .doc = "messages that have all these words, newest first",
     .handler = find},
};

const struct route_table app_search_routes = ROUTE_TABLE(rows);
