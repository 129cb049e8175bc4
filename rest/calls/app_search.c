/* app_search.c: looking for messages. The index of this machine says where they might be; what is answered is read from the
 * database, by what the asker may read now, and compared once more: so what is gone, changed or forbidden is not shown,
 * however far behind the index is. */
#include "rest/calls/app_search.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/rate.h"
#include "common/search/search_query.h"
#include "common/search/search_walk.h"
#include "common/store/store_search.h"
#include "rest/calls/app_conversations.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/moderate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    LIMIT = 20,
    LIMIT_MAX = 100,
    AT_ONCE = 50,           /* messages that are read and compared at least, once some were none after all */
    ANSWER_BYTES = 1 << 20, /* about; what does not fit is on the next page */
    ROWS_BYTES = 64 << 20,  /* of the messages that were read at once */
    CALLS = 10,             /* as so many a search is charged to a key */
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
        return caller_charge(call, CALLS - 1); /* one was charged already */
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

struct search {
    struct search_query query;
    uint64_t limit, before;
    uint64_t reader;         /* who must be able to read it; 0: the application, which reads all */
    uint64_t *conversations; /* NULL: all; ascending */
    size_t conversation_count;

    struct search_walk walk;
    struct words words; /* of the message that is compared */
    struct search_hit hits[SEARCH_HITS_MAX];
    size_t hit_count;
    struct buf rows; /* of those that are to be shown, in no order */
    struct {
        size_t begin, end; /* in `rows`; 0, 0: it is not shown */
    } places[SEARCH_HITS_MAX];
    uint64_t count; /* answered */
    uint64_t next;  /* 0: there is no more */
    bool is_cut;
};

static int take_query(struct call *call, struct search *search)
{
    struct str text;
    if (!http_query(call->query, "q", &text))
        return call_refuse_field(call, STR("q"), "must say what to look for");
    enum err err = search_query_read(&search->query, text);
    if (err)
        return call_refuse_field(call, STR("q"),
                                 err == ERR_TOO_BIG ? "must be at most 256 bytes and 16 words or phrases"
                                                    : "must hold a word");
    if (!http_query_number(call->query, "limit", 1, LIMIT_MAX, LIMIT, &search->limit))
        return call_refuse_field(call, STR("limit"), "must be a number from 1 to 100");
    if (!http_query_number(call->query, "cursor", 1, INT64_MAX, INT64_MAX, &search->before))
        return call_refuse_field(call, STR("cursor"), "must be what `next` said");
    return 200;
}

/* As whom. A user sees what is theirs, a key what it says, or everything. */
static int take_reader(struct call *call, struct search *search)
{
    const struct caller *caller = call->caller;
    struct store_app_user user;
    struct str id;
    bool named = http_query(call->query, "user", &id);
    search->reader = caller->is_user ? caller->id : 0;
    if (caller->is_user && named && !str_eq(id, str_of(caller->user.id)))
        return call_refuse(call, 404, "no_such_user", "no such user");
    if (caller->is_user)
        return moderate(call, caller->id, 0, MODERATE_ENTER);
    if (!named)
        return 200;
    enum err err = store_app_user_find(call->backends->store, id, &user);
    search->reader = user.user;
    return err == ERR_NOT_FOUND ? call_refuse(call, 404, "no_such_user", "no such user")
                                : failure_status(err, "search");
}

static int take_conversations(struct call *call, struct search *search)
{
    struct store_app_conversation found;
    struct str id;
    enum err err;
    if (http_query(call->query, "conversation", &id)) {
        err = store_app_conversation_find(call->backends->store, id, search->reader, false, &found, NULL);
        bool theirs = found.kind == KIND_APP && (found.role || found.type == APP_PUBLIC);
        if (!err && search->reader && !theirs)
            err = ERR_NOT_FOUND;
        if (err)
            return app_failed(call, err);
        search->conversations = mem_zalloc(sizeof search->conversations[0]);
        search->conversations[0] = found.conversation;
        search->conversation_count = 1;
        return call->caller->is_user ? moderate(call, search->reader, found.conversation, MODERATE_ENTER) : 200;
    }
    if (!search->reader)
        return 200;
    search->conversations = mem_zalloc(STORE_SEARCH_CONVERSATIONS * sizeof search->conversations[0]);
    err = store_search_conversations(call->backends->store, search->reader, search->conversations,
                                     &search->conversation_count);
    return failure_status(err, "search");
}

/* ---- what is found ---- */

/* As in a list of messages, with its conversation and where the words stand. */
static void add_row(struct buf *out, const struct store_searched *searched, const struct search_mark *marks,
                    size_t count)
{
    const struct message *message = &searched->message;
    json_begin_object(out);
    json_add_string(out, "conversation", searched->kind == KIND_APP ? searched->name : searched->public_id);
    json_add_u64(out, "seq", message->seq);
    json_add_int(out, "ts", message->at_ms);
    json_add_object(out, "from");
    json_add_u64(out, "uid", message->sender);
    if (searched->sender_id.len)
        json_add_string(out, "id", searched->sender_id);
    json_add_string(out, "name", message->sender_name);
    json_end_object(out);
    json_add_text(out, "kind", message->kind == MESSAGE_EMOJI ? "emoji" : "text");
    json_add_string(out, "content", message->content);
    if (message->revised_by)
        json_add_u64(out, "edited", message->revised_by);
    json_add_raw(out, NULL, message_about(message));
    json_add_array(out, "highlights");
    for (size_t i = 0; i < count; i++) {
        json_add_array(out, NULL);
        json_add_u64(out, NULL, marks[i].begin);
        json_add_u64(out, NULL, marks[i].end);
        json_end_array(out);
    }
    json_end_array(out);
    json_end_object(out);
}

static void on_searched(void *arg, const struct store_searched *searched)
{
    struct search *search = arg;
    struct search_mark marks[SEARCH_MARKS_MAX];
    size_t count, at = 0;
    while (at < search->hit_count && (search->hits[at].conversation != searched->message.conversation ||
                                      search->hits[at].seq != searched->message.seq))
        at++;
    if (at == search->hit_count ||
        !search_query_matches(&search->query, searched->message.content, &search->words, marks, &count))
        return;
    search->places[at].begin = search->rows.len;
    add_row(&search->rows, searched, marks, count);
    search->places[at].end = search->rows.len;
}

/* Those that are to be shown, newest first, as many as there is room for. */
static void answer_hits(struct call *call, struct search *search)
{
    for (size_t i = 0; i < search->hit_count; i++) {
        size_t len = search->places[i].end - search->places[i].begin;
        if (len) {
            json_add_raw(call->out, NULL, (struct str){search->rows.data + search->places[i].begin, len});
            search->count++;
        }
        search->next = search->hits[i].id;
        if (search->count == search->limit || call->out->len > ANSWER_BYTES)
            return;
    }
    search->next = search->walk.before;
}

static bool is_full(const struct call *call, const struct search *search)
{
    return search->count == search->limit || call->out->len > ANSWER_BYTES;
}

/* ERR_INVALID and ERR_DOWN of the index in *refused. */
static enum err look(struct call *call, struct search *search, enum err *refused)
{
    enum search_walked walked = SEARCH_SOME;
    enum err err = ERR_OK;
    bool is_first = true;
    while (!err && walked == SEARCH_SOME && !is_full(call, search)) {
        uint64_t left = search->limit - search->count, some = is_first || left > AT_ONCE ? left : AT_ONCE;
        is_first = false;
        *refused = search_walk_next(&search->walk, search->hits, some, &search->hit_count, &walked);
        if (*refused)
            return ERR_OK;
        struct store_search_key keys[SEARCH_HITS_MAX];
        for (size_t i = 0; i < search->hit_count; i++)
            keys[i] = (struct store_search_key){search->hits[i].conversation, search->hits[i].seq};
        memset(search->places, 0, sizeof search->places);
        buf_clear(&search->rows);
        err = store_search_read(call->backends->store, keys, search->hit_count, search->reader, on_searched, search);
        if (!err && search->rows.failed)
            err = ERR_TOO_BIG;
        if (!err)
            answer_hits(call, search);
    }
    if (walked == SEARCH_CUT)
        search->is_cut = true;
    if (walked == SEARCH_END)
        search->next = 0;
    return err;
}

static int unavailable(struct call *call)
{
    call->retry_after_s = RETRY_S;
    return call_refuse(call, 503, "search_unavailable", "the index cannot be used now");
}

/* This thread's index, of the file that is there now. */
static struct search_index *find_index(struct call *call)
{
    struct search_index **index = call->backends->search;
    if (*index && !search_index_is_current(*index)) {
        search_index_close(*index);
        *index = NULL;
    }
    if (!*index && search_index_open(call->backends->settings->search_dir, false, index))
        *index = NULL;
    return *index;
}

static int search_in(struct call *call, struct search *search, struct search_index *index)
{
    uint64_t is_building = 0, was_full = 0;
    struct buf tokens;
    int64_t until_ms = clock_mono_ms() + call->backends->settings->search_timeout_ms;
    buf_init(&tokens, 1 << 16);
    search_query_add_tokens(&search->query, &tokens);
    enum err err = ERR_OK, refused = search_index_number(index, SEARCH_BUILDING, &is_building);
    if (!refused)
        refused = search_index_number(index, SEARCH_FULL, &was_full);
    if (!refused)
        refused = search_walk_init(&search->walk, index, buf_str(&tokens), search->before, until_ms);
    if (!refused && search->conversations)
        search_walk_within(&search->walk, search->conversations, search->conversation_count);
    json_begin_object(call->out);
    json_add_array(call->out, "items");
    if (!refused)
        err = look(call, search, &refused);
    json_end_array(call->out);
    if (search->next) {
        json_add_key(call->out, "next");
        buf_addf(call->out, "\"%llu\"", (unsigned long long)search->next);
    } else {
        json_add_null(call->out, "next");
    }
    json_add_bool(call->out, "complete", !search->is_cut && !is_building && !was_full);
    json_end_object(call->out);
    search_walk_fini(&search->walk);
    buf_fini(&tokens);
    if (refused) {
        log_error("search.failed", "err=%s msg=\"%s\"", err_name(refused), search_index_error(index));
        search_index_close(index);
        *call->backends->search = NULL;
        return unavailable(call);
    }
    if (search->is_cut)
        metric_inc(METRIC_SEARCH_CUT);
    return failure_status(err, "search");
}

static int search_with(struct call *call, struct search *search)
{
    int status = take_query(call, search);
    if (status == 200)
        status = charge(call);
    if (status == 200)
        status = take_reader(call, search);
    if (status == 200)
        status = take_conversations(call, search);
    if (status != 200)
        return status;
    struct search_index *index = find_index(call);
    return index ? search_in(call, search, index) : unavailable(call);
}

/* Who searches keeps a thread busy: half of them at most, so that the others' calls go on. */
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
    struct search *search = mem_zalloc(sizeof *search);
    buf_init(&search->rows, ROWS_BYTES);
    int status = search_with(call, search);
    atomic_fetch_sub(&under_way, 1);
    search_query_fini(&search->query);
    words_fini(&search->words);
    buf_fini(&search->rows);
    free(search->conversations);
    free(search);
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
