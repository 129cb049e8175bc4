#include "common/service/message_search.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/search/search_walk.h"
#include "common/store/store_search.h"

#include <stdlib.h>

enum {
    AT_ONCE = 50,          /* messages that are read and compared at least, once some were none after all */
    ROWS_BYTES = 64 << 20, /* of the messages that were read at once */
};

/* ---- what is looked for, and where ---- */

void message_search_fini(struct message_search *search)
{
    search_query_fini(&search->query);
    free(search->conversations);
}

const char *message_search_wrong(enum err err)
{
    return err == ERR_TOO_BIG ? "must be at most 256 bytes and 16 words or phrases" : "must hold a word";
}

enum err message_search_within(struct store *store, const struct app_actor *actor, struct message_search *search,
                               struct str id, enum app_refusal *why)
{
    struct store_app_conversation found;
    search->reader = actor->is_user ? actor->user : 0;
    if (id.len) {
        enum err err = app_find(store, actor, id, APP_READ, &found, NULL, why);
        if (err)
            return err;
        search->conversations = mem_zalloc(sizeof search->conversations[0]);
        search->conversations[0] = found.conversation;
        search->conversation_count = 1;
        return ERR_OK;
    }
    if (!search->reader)
        return ERR_OK;
    search->conversations = mem_zalloc(STORE_SEARCH_CONVERSATIONS * sizeof search->conversations[0]);
    return store_search_conversations(store, search->reader, search->conversations, &search->conversation_count);
}

struct search_index *message_search_index(struct search_index **index, const char *dir)
{
    if (*index && !search_index_is_current(*index)) {
        search_index_close(*index);
        *index = NULL;
    }
    if (!*index && search_index_open(dir, false, index))
        *index = NULL;
    return *index;
}

/* ---- what is found ---- */

struct finding {
    const struct message_search *wanted;
    struct search_walk walk;
    struct words words; /* of the message that is compared */
    struct search_hit hits[SEARCH_HITS_MAX];
    size_t hit_count;
    struct buf rows; /* of those that are to be shown, in no order */
    struct {
        size_t begin, end; /* in `rows`; 0, 0: it is not shown */
    } places[SEARCH_HITS_MAX];
    struct buf *out;
    uint64_t count; /* answered */
    uint64_t next;  /* 0: there is no more */
    bool is_cut;
};

/* As in a list of messages, with its conversation and where the words stand. */
static void add_row(struct buf *out, const struct store_searched *searched, const struct search_mark *marks,
                    size_t count)
{
    const struct message *message = &searched->message;
    json_begin_object(out);
    json_add_string(out, "conversation", searched->kind == KIND_APP ? searched->name : searched->public_id);
    json_add_u64(out, "ch", message->conversation);
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
    struct finding *finding = arg;
    struct search_mark marks[SEARCH_MARKS_MAX];
    size_t count, at = 0;
    while (at < finding->hit_count && (finding->hits[at].conversation != searched->message.conversation ||
                                       finding->hits[at].seq != searched->message.seq))
        at++;
    if (at == finding->hit_count ||
        !search_query_matches(&finding->wanted->query, searched->message.content, &finding->words, marks, &count))
        return;
    finding->places[at].begin = finding->rows.len;
    add_row(&finding->rows, searched, marks, count);
    finding->places[at].end = finding->rows.len;
}

/* Those that are to be shown, newest first, as many as there is room for. */
static void answer_hits(struct finding *finding)
{
    for (size_t i = 0; i < finding->hit_count; i++) {
        size_t len = finding->places[i].end - finding->places[i].begin;
        if (len) {
            json_add_raw(finding->out, NULL, (struct str){finding->rows.data + finding->places[i].begin, len});
            finding->count++;
        }
        finding->next = finding->hits[i].id;
        if (finding->count == finding->wanted->limit || finding->out->len > finding->wanted->bytes)
            return;
    }
    finding->next = finding->walk.before;
}

static bool is_full(const struct finding *finding)
{
    return finding->count == finding->wanted->limit || finding->out->len > finding->wanted->bytes;
}

/* ERR_INVALID and ERR_DOWN of the index in *refused. */
static enum err look(struct store *store, struct finding *finding, enum err *refused)
{
    enum search_walked walked = SEARCH_SOME;
    enum err err = ERR_OK;
    bool is_first = true;
    while (!err && walked == SEARCH_SOME && !is_full(finding)) {
        uint64_t left = finding->wanted->limit - finding->count, some = is_first || left > AT_ONCE ? left : AT_ONCE;
        is_first = false;
        *refused = search_walk_next(&finding->walk, finding->hits, some, &finding->hit_count, &walked);
        if (*refused)
            return ERR_OK;
        struct store_search_key keys[SEARCH_HITS_MAX];
        for (size_t i = 0; i < finding->hit_count; i++)
            keys[i] = (struct store_search_key){finding->hits[i].conversation, finding->hits[i].seq};
        memset(finding->places, 0, sizeof finding->places);
        buf_clear(&finding->rows);
        err = store_search_read(store, keys, finding->hit_count, finding->wanted->reader, on_searched, finding);
        if (!err && finding->rows.failed)
            err = ERR_TOO_BIG;
        if (!err)
            answer_hits(finding);
    }
    if (walked == SEARCH_CUT)
        finding->is_cut = true;
    bool is_where_it_was = finding->walk.before == finding->wanted->before; /* from there it would only do so again */
    if (walked == SEARCH_END || (walked == SEARCH_CUT && is_where_it_was))
        finding->next = 0;
    return err;
}

/* From where the words lead, in `tokens`. */
static enum err walk(struct store *store, struct search_index *index, struct finding *finding, struct str tokens,
                     int64_t timeout_ms, enum err *refused)
{
    const struct message_search *wanted = finding->wanted;
    int64_t until_ms = clock_mono_ms() + timeout_ms;
    search_walk_init(&finding->walk, index, tokens, wanted->before, until_ms);
    if (wanted->conversations)
        search_walk_within(&finding->walk, wanted->conversations, wanted->conversation_count);
    return look(store, finding, refused);
}

static void add_next(struct buf *out, uint64_t next)
{
    json_add_key(out, "next");
    if (next)
        buf_addf(out, "\"%llu\"", (unsigned long long)next);
    else
        buf_add_text(out, "null");
}

enum err message_search_find(struct store *store, struct search_index **index, const struct message_search *search,
                             int64_t timeout_ms, struct buf *out, enum err *refused)
{
    struct finding *finding = mem_zalloc(sizeof *finding);
    uint64_t is_building = 0, was_full = 0;
    struct buf tokens;
    enum err err = ERR_OK;
    finding->wanted = search;
    finding->out = out;
    buf_init(&finding->rows, ROWS_BYTES);
    buf_init(&tokens, 1 << 16);
    search_query_add_tokens(&search->query, &tokens);
    *refused = search_index_number(*index, SEARCH_BUILDING, &is_building);
    if (!*refused)
        *refused = search_index_number(*index, SEARCH_FULL, &was_full);
    json_add_array(out, "items");
    if (!*refused)
        err = walk(store, *index, finding, buf_str(&tokens), timeout_ms, refused);
    json_end_array(out);
    add_next(out, finding->next);
    json_add_bool(out, "complete", !finding->is_cut && !is_building && !was_full);
    if (*refused) {
        log_error("search.failed", "err=%s msg=\"%s\"", err_name(*refused), search_index_error(*index));
        search_index_close(*index);
        *index = NULL;
    }
    if (finding->is_cut)
        metric_inc(METRIC_SEARCH_CUT);
    search_walk_fini(&finding->walk);
    words_fini(&finding->words);
    buf_fini(&finding->rows);
    buf_fini(&tokens);
    free(finding);
    return err;
}
