/* native_search.c: the search command, with the server API's functions (common/service/message_search.h), in a thread
 * of the pool.
 *
 * A search may occupy its thread for search_timeout_ms. At most half of the threads search, so that other look-ups go
 * on. */
#include "common/mem.h"
#include "common/metrics.h"
#include "common/service/message_search.h"
#include "relay/core/limits.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    COST = 1 + 20000 / 50, /* whose conversations these are: as many as store_search_conversations reads */
    INDEXES_MAX = 32,      /* half of the most threads that there are */
    UNAVAILABLE_MS = 5000,
    ROOM_BYTES = 1 << 20, /* for the one message that passes the bound of an answer */
};

static int64_t under_way; /* the loop's */

/* ---- indexes that are open: of the thread that has taken one ---- */

static struct {
    pthread_mutex_t lock;
    struct search_index *all[INDEXES_MAX];
    size_t count;
} idle = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct search_index *take_index(void)
{
    pthread_mutex_lock(&idle.lock);
    struct search_index *index = idle.count ? idle.all[--idle.count] : NULL;
    pthread_mutex_unlock(&idle.lock);
    return index;
}

static void put_index(struct search_index *index)
{
    pthread_mutex_lock(&idle.lock);
    bool is_kept = index && idle.count < INDEXES_MAX;
    if (is_kept)
        idle.all[idle.count++] = index;
    pthread_mutex_unlock(&idle.lock);
    if (!is_kept)
        search_index_close(index);
}

/* ---- in a thread of the pool ---- */

struct searching {
    struct native_asked asked;
    struct message_search search;
    char room[NATIVE_ID_MAX]; /* empty: all */

    enum app_refusal why;
    bool unavailable;
    struct buf out;
};

static void look(struct job *job, struct store *store)
{
    struct searching *searching = (struct searching *)job;
    const struct settings *settings = protocol_context.settings;
    const struct app_actor actor = {.is_user = true, .user = searching->asked.user};
    enum err refused = ERR_OK;
    job->err = message_search_within(store, &actor, &searching->search, str_of(searching->room), &searching->why);
    if (job->err) {
        job->err = job->err == ERR_DENIED && searching->why ? ERR_OK : job->err;
        return;
    }
    struct search_index *index = take_index();
    searching->unavailable = !message_search_index(&index, settings->search_dir);
    if (index) {
        job->err = message_search_find(store, &index, &searching->search, settings->search_timeout_ms, &searching->out,
                                       &refused);
        searching->unavailable = refused;
    }
    put_index(index);
    job->bytes = searching->out.cap;
}

/* ---- in the loop's ---- */

static void searching_free(struct searching *searching)
{
    message_search_fini(&searching->search);
    buf_fini(&searching->out);
    free(searching);
}

/* Where only an address is banned is known here alone. */
static bool is_banned(const struct native *native, const struct searching *searching)
{
    return *searching->room && !searching->why && searching->search.conversation_count &&
           protocol_banned(native->user, native->session->client.address, searching->search.conversations[0]);
}

static void answer(struct native *native, const struct searching *searching)
{
    int64_t re = searching->asked.re;
    struct buf out;
    if (is_banned(native, searching)) {
        native_refuse(native, re, app_refusal_code(APP_BANNED), app_refusal_text(APP_BANNED));
    } else if (searching->why) {
        native_refuse(native, re, app_refusal_code(searching->why), app_refusal_text(searching->why));
    } else if (searching->unavailable) {
        native_refuse_for(native, re, "search_unavailable", "the index cannot be used now", UNAVAILABLE_MS);
    } else if (searching->out.failed || searching->asked.forgotten != protocol_context.hub->forgotten) {
        native_fail(native, re, ERR_DOWN); /* some of what was found may be gone */
    } else {
        native_begin(&out, searching->out.len + 128, re);
        json_add_raw(&out, NULL, (struct str){searching->out.data + 1, searching->out.len - 1}); /* without its brace */
        native_end(native, &out);
    }
    native_answered((struct native_asked *)&searching->asked, native);
}

static void on_looked(struct job *job)
{
    struct searching *searching = (struct searching *)job;
    under_way--;
    struct native *native = native_asked_by(&searching->asked);
    if (native)
        answer(native, searching);
    searching_free(searching);
}

/* ---- the command ---- */

/* What is wrong: *field, and its rule; NULL: nothing is. */
static const char *read_search(struct json_object *object, struct searching *searching, const char **field)
{
    struct message_search *search = &searching->search;
    struct str text;
    int64_t number = MESSAGE_SEARCH_LIMIT;
    *field = "q";
    if (!json_get_string(object, "q", &text))
        return "must say what to look for";
    enum err err = search_query_read(&search->query, text);
    if (err)
        return message_search_wrong(err);
    *field = "limit";
    if (json_has(object, "limit") && !json_get_int(object, "limit", 1, MESSAGE_SEARCH_LIMIT_MAX, &number))
        return "must be a number up to 100";
    search->limit = (uint64_t)number;
    *field = "cursor";
    if (!native_read_next(object, &search->before))
        return "must be what `next` said";
    *field = "room";
    if (!json_has(object, "room"))
        return NULL;
    if (!json_get_string(object, "room", &text) || !native_is_id(text))
        return "must be the id of a conversation";
    memcpy(searching->room, text.ptr, text.len);
    return NULL;
}

/* Whether a search may begin now; else that was answered. */
static bool may_search(struct native *native, int64_t re)
{
    int64_t most = protocol_context.settings->db_pool_threads / 2, retry_after_ms;
    if (!limits_search(native->session->owner->limits, &native->session->client, &retry_after_ms)) {
        native_refuse_for(native, re, "rate", "too many searches: try again later", retry_after_ms);
        return false;
    }
    if (under_way < (most ? most : 1))
        return true;
    metric_inc(METRIC_SEARCH_BUSY);
    native_fail(native, re, ERR_BUSY);
    return false;
}

void native_search(struct native *native, int64_t re, struct json_object *object)
{
    const struct settings *settings = protocol_context.settings;
    const char *field;
    if (!native_is_of_app(native, re))
        return;
    if (!settings->search) {
        native_refuse(native, re, "search_off", "search is off here");
        return;
    }
    struct searching *searching = native_asked_new(native, re, sizeof *searching, look, on_looked);
    buf_init(&searching->out, (size_t)settings->history_bytes + ROOM_BYTES);
    searching->search.bytes = (size_t)settings->history_bytes;
    buf_add_char(&searching->out, '{');
    const char *wrong = read_search(object, searching, &field);
    if (wrong)
        native_refuse_argument(native, re, field, wrong);
    if (wrong || !may_search(native, re)) {
        searching_free(searching);
        return;
    }
    job_charge(&searching->asked.job, JOB_ASK, native->user, COST + searching->search.limit);
    struct message_search search = searching->search;
    struct buf out = searching->out;
    under_way++;
    if (!native_look_up_much(native, &searching->asked)) { /* the job is gone already */
        under_way--;
        message_search_fini(&search);
        buf_fini(&out);
    }
}
