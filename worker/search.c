/* search.c: the index may be lost, outdated, or of another database at any time. So this worker compares when it gets
 * the job: an index that has followed the feed at least as far as the database has recorded is complete; any other is
 * rebuilt from the messages while it follows the feed. Adding a message twice has no effect. */
#include "worker/search.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/search/search_index.h"
#include "common/search/words.h"
#include "common/store/store_search.h"
#include "worker/consumers.h"
#include "worker/follow.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A text of WORDS_TEXT_MAX bytes is known by not four times as many. */
enum {
    TOKENS_KEPT = 16 << 20,
    TOKENS_MAX = TOKENS_KEPT + STORE_SEARCH_KEYS * 4 * WORDS_TEXT_MAX,
    EPOCH_MS = 1000,
    LOOK_POLLS = 10,
    HELD_LEASES = 2,   /* who holds the file for so long beyond the lease is frozen */
    BUILD_KEYS = 4000, /* messages of one transaction of the index: the more, the less often its parts are merged */
};

static struct {
    const struct settings *settings;
    char name[FEED_JOB_MAX + 1];
    struct search_index *index;
    uint64_t holder;   /* the lease's number, */
    uint64_t compared; /* and that under which it was compared */
    int64_t asked_ms;  /* when the epoch was asked for */
    int64_t held_ms;   /* since when another process keeps the file locked; 0: it does not */
    bool is_tidy;
    int64_t looked_ms;  /* when some of it was compared with the database, */
    uint64_t looked_at; /* up to this id */
    /* the messages that are to be added */
    struct words words;
    struct buf tokens; /* one behind the other */
    struct search_entry *entries;
    size_t *ends; /* of each one's tokens */
    size_t count, room;
} own;

/* ---- messages, and what they are known by ---- */

static void take_message(void *arg, const struct store_searched *searched)
{
    (void)arg;
    const struct message *message = &searched->message;
    if (own.count == own.room) {
        own.room = own.room ? 2 * own.room : 512;
        own.entries = mem_realloc(own.entries, own.room * sizeof own.entries[0]);
        own.ends = mem_realloc(own.ends, own.room * sizeof own.ends[0]);
    }
    words_read(&own.words, message->content);
    words_add_tokens(&own.words, &own.tokens);
    own.entries[own.count] =
        (struct search_entry){.conversation = message->conversation, .seq = message->seq, .at_ms = message->at_ms};
    own.ends[own.count++] = own.tokens.len;
}

static void begin_messages(void)
{
    own.count = 0;
    if (own.tokens.cap > TOKENS_KEPT)
        buf_fini(&own.tokens);
    own.tokens.max = TOKENS_MAX;
    buf_clear(&own.tokens);
}

/* In a transaction of the index. */
static enum err add_messages(void)
{
    uint64_t is_full = 0;
    if (search_index_bytes(own.index) > (uint64_t)own.settings->search_bytes) {
        metric_add(METRIC_SEARCH_FULL, (int64_t)own.count);
        enum err err = search_index_number(own.index, SEARCH_FULL, &is_full);
        if (!err && !is_full)
            log_error("search.full", "bytes=%llu msg=\"what is new is not added any more: search_bytes\"",
                      (unsigned long long)search_index_bytes(own.index));
        return err ? err : search_index_set(own.index, SEARCH_FULL, 1);
    }
    if (own.tokens.failed)
        return ERR_TOO_BIG;
    for (size_t i = 0; i < own.count; i++) {
        size_t begin = i ? own.ends[i - 1] : 0;
        own.entries[i].tokens = (struct str){own.tokens.data + begin, own.ends[i] - begin};
    }
    metric_add(METRIC_SEARCH_INDEXED, (int64_t)own.count);
    return search_index_put(own.index, own.entries, own.count);
}

/* ---- the file ---- */

static void close_index(void)
{
    search_index_close(own.index);
    own.index = NULL;
}

/* Writing needs the file to itself. A worker that lost the job in the middle of a transaction ends that at once, but a frozen
 * one would keep the file for as long as it is frozen. */
static bool is_held_for_good(enum err err)
{
    int64_t now_ms = clock_mono_ms();
    if (err != ERR_BUSY)
        return false;
    if (!own.held_ms)
        own.held_ms = now_ms;
    return now_ms - own.held_ms >= HELD_LEASES * own.settings->feed_lease_ms;
}

/* Reports what the index said. One that is broken, or that a frozen process holds, is removed, to be built anew. */
static enum err index_failed(enum err err)
{
    bool is_held = is_held_for_good(err);
    log_error("search.failed", "err=%s msg=\"%s\"", err_name(err), search_index_error(own.index));
    search_index_rollback(own.index);
    close_index();
    if (is_held)
        log_error("search.held", "msg=\"another process keeps the index locked: a new one is made\"");
    if (err == ERR_INVALID || is_held) {
        (void)!search_index_remove(own.settings->search_dir);
        own.held_ms = 0;
    }
    return ERR_DOWN;
}

static enum err begin(void)
{
    enum err err = search_index_begin(own.index);
    if (!err)
        own.held_ms = 0;
    return err;
}

static enum err open_index(void)
{
    if (own.index && !search_index_is_current(own.index))
        close_index();
    if (own.index)
        return ERR_OK;
    own.compared = own.looked_at = 0;
    enum err err = search_index_open(own.settings->search_dir, true, &own.index);
    if (err == ERR_INVALID && !search_index_remove(own.settings->search_dir))
        err = search_index_open(own.settings->search_dir, true, &own.index);
    return err;
}

/* ---- is it what it should be ---- */

struct comparison {
    struct feed_stream *streams;
    size_t count, room;
};

static void on_stream(void *arg, const struct feed_stream *stream)
{
    struct comparison *comparison = arg;
    if (comparison->count == comparison->room) {
        comparison->room = comparison->room ? 2 * comparison->room : 64;
        comparison->streams = mem_realloc(comparison->streams, comparison->room * sizeof comparison->streams[0]);
    }
    comparison->streams[comparison->count++] = *stream;
}

static enum err has_followed(const struct comparison *comparison, bool *has)
{
    enum err err = ERR_OK;
    *has = true;
    for (size_t i = 0; !err && *has && i < comparison->count; i++) {
        uint64_t pos;
        err = search_index_passed(own.index, comparison->streams[i].id, &pos);
        *has = !err && pos >= comparison->streams[i].passed;
    }
    return err;
}

/* In a transaction: all messages are to be added, from the first one on. */
static enum err scan_from_start(void)
{
    enum err err = search_index_set(own.index, SEARCH_BUILDING, 1);
    if (!err)
        err = search_index_set(own.index, SEARCH_SCANNED, 0);
    return err ? err : search_index_set(own.index, SEARCH_SCANNED_AT, 0);
}

static enum err begin_building(uint64_t epoch, const struct comparison *comparison)
{
    enum err err = begin();
    if (!err)
        err = search_index_set(own.index, SEARCH_EPOCH, epoch);
    if (!err)
        err = scan_from_start();
    for (size_t i = 0; !err && i < comparison->count; i++)
        err = search_index_pass(own.index, comparison->streams[i].id, comparison->streams[i].passed);
    if (!err)
        err = search_index_commit(own.index);
    if (err)
        return index_failed(err);
    metric_inc(METRIC_SEARCH_BUILDS);
    log_info("search.building", "index=%s epoch=%llu", own.name, (unsigned long long)epoch);
    return ERR_OK;
}

/* Numbers of another epoch are of other messages: of these nothing stays. */
static enum err compare(struct job_lease *lease)
{
    uint64_t epoch, known = 0;
    struct comparison comparison = {0};
    bool has = false;
    if (own.holder != lease->holder) { /* what was seen under an earlier lease is over */
        own.holder = lease->holder;
        own.held_ms = 0;
    }
    if (own.compared == lease->holder && clock_mono_ms() - own.asked_ms < EPOCH_MS)
        return ERR_OK;
    enum err err = store_epoch(lease->store, &epoch);
    if (err)
        return err;
    own.asked_ms = clock_mono_ms();
    err = search_index_number(own.index, SEARCH_EPOCH, &known);
    if (!err && known && known != epoch) {
        log_warn("search.other_epoch", "epoch=%llu now=%llu", (unsigned long long)known, (unsigned long long)epoch);
        close_index();
        (void)!search_index_remove(own.settings->search_dir);
        if ((err = open_index()))
            return err;
        known = 0;
    }
    if (err)
        return index_failed(err);
    if (own.compared == lease->holder && known)
        return ERR_OK;
    err = store_feed_streams(lease->store, lease->job, on_stream, &comparison);
    if (!err && known && (err = has_followed(&comparison, &has)))
        err = index_failed(err);
    else if (!err && !has)
        err = begin_building(epoch, &comparison);
    free(comparison.streams);
    if (!err)
        own.compared = lease->holder;
    return err;
}

/* ---- what the feed gives ---- */

static void on_edited(void *arg, const struct store_search_key *key)
{
    struct store_search_key **next = arg;
    *(*next)++ = *key;
}

/* The messages that the rows are about: `keys` has room for all of them. */
static enum err gather(const struct feed_batch *batch, struct store_search_key *keys, size_t *count)
{
    struct store_search_key *edits = mem_zalloc(batch->count * sizeof *edits), *next;
    size_t edit_count = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < batch->count; i++) {
        const struct feed_row *row = &batch->rows[i];
        struct store_search_key key = {row->conversation, row->seq};
        if (row->kind == MESSAGE_EDIT)
            edits[edit_count++] = key;
        else if (row->kind == MESSAGE_TEXT || row->kind == MESSAGE_EMOJI)
            keys[(*count)++] = key;
    }
    next = keys + *count;
    for (size_t at = 0; !err && at < edit_count; at += STORE_SEARCH_KEYS) {
        size_t some = edit_count - at < STORE_SEARCH_KEYS ? edit_count - at : STORE_SEARCH_KEYS;
        err = store_search_edited(batch->store, edits + at, some, on_edited, &next);
    }
    *count = (size_t)(next - keys);
    free(edits);
    return err;
}

static enum err pass(const struct feed_batch *batch)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < batch->count; i++) {
        const struct feed_place *at = &batch->rows[i].at;
        if (i + 1 == batch->count || batch->rows[i + 1].at.stream != at->stream) /* the last of a run */
            err = search_index_pass(own.index, at->stream, at->pos);
    }
    return err;
}

/* In a transaction of the index: *refused is what the index said. */
static enum err add_some(struct store *store, const struct store_search_key *keys, size_t count, enum err *refused)
{
    begin_messages();
    enum err err = store_search_read(store, keys, count, 0, take_message, NULL);
    *refused = err ? ERR_OK : add_messages();
    return err;
}

static enum err take(const struct feed_batch *batch)
{
    struct store_search_key *keys = mem_zalloc(batch->count * sizeof *keys);
    size_t count = 0;
    enum err err = gather(batch, keys, &count), refused = ERR_OK;
    if (!err)
        refused = begin();
    for (size_t at = 0; !err && !refused && at < count; at += STORE_SEARCH_KEYS)
        err = add_some(batch->store, keys + at, count - at < STORE_SEARCH_KEYS ? count - at : STORE_SEARCH_KEYS,
                       &refused);
    free(keys);
    if (err) {
        search_index_rollback(own.index);
        return err;
    }
    if (!refused)
        refused = pass(batch);
    if (!refused)
        refused = search_index_commit(own.index);
    return refused ? index_failed(refused) : ERR_OK;
}

/* ---- what was stored before ---- */

static enum err write_scanned(const struct store_search_key *last)
{
    enum err err = begin();
    if (!err)
        err = add_messages();
    if (!err && last->conversation)
        err = search_index_set(own.index, SEARCH_SCANNED, last->conversation);
    if (!err && last->conversation)
        err = search_index_set(own.index, SEARCH_SCANNED_AT, last->seq);
    if (!err && !last->conversation)
        err = search_index_set(own.index, SEARCH_BUILDING, 0);
    if (!err)
        err = search_index_commit(own.index);
    return err ? index_failed(err) : ERR_OK;
}

/* *last: as store_search_scan has it. */
static enum err scan_some(struct store *store, struct store_search_key after, struct store_search_key *last)
{
    enum err err = ERR_OK;
    size_t keys = 0;
    do {
        err = store_search_scan(store, &after, STORE_SEARCH_KEYS, take_message, NULL, last);
        after = *last;
        keys += STORE_SEARCH_KEYS;
    } while (!err && last->conversation && keys < BUILD_KEYS && own.tokens.len < TOKENS_KEPT);
    return err;
}

/* ---- what is not there any more ---- */

/* Numbers of messages that were removed, erased or recalled lead nowhere, and cost a look each time. The index is gone through
 * again and again, the oldest first, which go first; slowly, and without a pause where some have gone. */
struct round {
    struct search_hit hits[STORE_SEARCH_KEYS];
    bool is_there[STORE_SEARCH_KEYS];
    size_t count;
};

static void on_known(void *arg, const struct search_hit *hit)
{
    struct round *round = arg;
    round->hits[round->count++] = *hit;
}

static void on_there(void *arg, const struct store_searched *searched)
{
    struct round *round = arg;
    for (size_t i = 0; i < round->count; i++)
        if (round->hits[i].conversation == searched->message.conversation &&
            round->hits[i].seq == searched->message.seq)
            round->is_there[i] = true;
}

static enum err drop(const struct round *round, size_t *dropped)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < round->count; i++) {
        if (round->is_there[i])
            continue;
        if (!*dropped)
            err = begin();
        if (!err)
            err = search_index_drop(own.index, round->hits[i].id);
        ++*dropped;
    }
    return !err && *dropped ? search_index_commit(own.index) : err;
}

static enum err look_for_gone(struct store *store, bool *more)
{
    static struct round round;
    struct store_search_key keys[STORE_SEARCH_KEYS];
    size_t dropped = 0;
    *more = false;
    if (clock_mono_ms() - own.looked_ms < own.settings->feed_poll_ms * LOOK_POLLS)
        return ERR_OK;
    own.looked_ms = clock_mono_ms();
    round = (struct round){.count = 0};
    enum err refused = search_index_list(own.index, own.looked_at, STORE_SEARCH_KEYS, on_known, &round);
    for (size_t i = 0; i < round.count; i++)
        keys[i] = (struct store_search_key){round.hits[i].conversation, round.hits[i].seq};
    enum err err = refused ? ERR_OK : store_search_read(store, keys, round.count, 0, on_there, &round);
    if (err)
        return err;
    if (!refused)
        refused = drop(&round, &dropped);
    if (refused)
        return index_failed(refused);
    own.looked_at = round.count ? round.hits[round.count - 1].id : 0;
    metric_add(METRIC_SEARCH_DROPPED, (int64_t)dropped);
    *more = dropped > 0;
    if (*more)
        own.looked_ms = 0;
    return ERR_OK;
}

/* Some more of it, and when it is all there, what makes it quicker. */
static enum err build(struct job_lease *lease, bool *more)
{
    struct store_search_key after = {0}, last;
    uint64_t is_building = 0;
    enum err err = search_index_number(own.index, SEARCH_BUILDING, &is_building);
    if (!err && is_building)
        err = search_index_number(own.index, SEARCH_SCANNED, &after.conversation);
    if (!err && is_building)
        err = search_index_number(own.index, SEARCH_SCANNED_AT, &after.seq);
    metric_set(METRIC_SEARCH_BUILDING, (int64_t)is_building);
    if (err)
        return index_failed(err);
    *more = true;
    if (is_building) {
        begin_messages();
        own.is_tidy = false;
        err = scan_some(lease->store, after, &last);
        if (!err && !(err = write_scanned(&last)) && !last.conversation)
            log_info("search.built", "index=%s", own.name);
        return err;
    }
    *more = !own.is_tidy;
    if (!own.is_tidy && (err = search_index_tidy(own.index, more)))
        return index_failed(err);
    own.is_tidy = !*more;
    return *more ? ERR_OK : look_for_gone(lease->store, more);
}

/* ---- the job ---- */

/* What no row tells of is found by going through all messages once more; those that are there are known by their places. */
static enum err look_again(struct store *store)
{
    (void)store;
    enum err err = begin();
    if (!err)
        err = scan_from_start();
    if (!err)
        err = search_index_commit(own.index);
    return err ? index_failed(err) : ERR_OK;
}

static const struct consumer consumer = {"search", "keeps an index of the messages (search = on)", take, NULL,
                                         look_again};

static void show(void)
{
    uint64_t documents;
    if (own.index && !search_index_number(own.index, SEARCH_DOCUMENTS, &documents)) {
        metric_set(METRIC_SEARCH_DOCUMENTS, (int64_t)documents);
        metric_set(METRIC_SEARCH_BYTES, (int64_t)search_index_bytes(own.index));
    }
}

static enum err turn(struct job_lease *lease, const void *arg, bool *more)
{
    (void)arg;
    bool follows = false, builds = false;
    enum err err = open_index();
    if (!err)
        err = compare(lease);
    if (!err)
        err = follow_turn(lease, &consumer, &follows);
    if (!err)
        err = job_keep(lease);
    if (!err)
        err = build(lease, &builds);
    show();
    *more = follows || builds;
    return err;
}

struct job_kind search_job(const struct settings *settings)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    snprintf(own.name, sizeof own.name, SEARCH_JOB_PREFIX "%.56s",
             *settings->search_name ? settings->search_name : host);
    own.settings = settings;
    return (struct job_kind){.name = own.name, .reads_feed = true, .turn = turn};
}

void search_end(void)
{
    close_index();
    words_fini(&own.words);
    buf_fini(&own.tokens);
    free(own.entries);
    free(own.ends);
}
