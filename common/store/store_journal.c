/* store_journal.c: the one transaction that every message of every protocol goes through.
 *
 *   lock the conversations' rows, in order of id, and read their last numbers and times,
 *   and with them the epoch                                                               1 statement
 *   insert all messages under the next numbers                                            1
 *   write the last numbers and times back                                                 1
 *   of comings and goings, note which numbers they have                                   1
 *   with the feed: take places in this writer's stream, write a row for each message      2
 *   commit                                                                                1
 *
 * Edits and recalls cost a few more: what they are about is looked up before the insert and changed after it, all in one
 * statement each.
 *
 * A message's client_id was usually never seen, so it is not looked for: the unique key finds the
 * repeats, and only then are they looked up, together, in a second attempt. A post that the database refuses for
 * good is found by halving the batch, so it harms no other.
 *
 * A message's time is this process's, but not below that of the conversation's last message, which another relay may have
 * stored by another clock: so times go with numbers.
 *
 * If the connection breaks during COMMIT, the next attempt, on whichever server answers, first looks whether the rows
 * of the lost one are there. Locking the conversations waits until a server that still works on the lost transaction
 * has ended it; and since the look and the new rows are one transaction, a cluster that commits the lost one after all
 * on another node refuses the new one. While the store is pinned to the connection that broke, it only looks. */
#include "common/backoff.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_app_event.h"
#include "common/store/store_authors.h"
#include "common/store/store_feed.h"
#include "common/store/store_passing.h"
#include "common/store/store_reaction.h"
#include "common/store/store_repeats.h"
#include "common/store/store_revise.h"
#include "common/store/store_sql.h"

#include <stdio.h>
#include <time.h>

enum { MESSAGE_PARAMS = 12, COUNTER_PARAMS = 5, MAX_RETRIES = 40 };

/* A conversation of the batch: the number and the time of its last message, before and after. */
struct counter {
    uint64_t conversation, seq;
    int64_t last_ms;
    struct feed_place fed; /* its last row of the feed */
    size_t run;            /* of comings and goings: of this attempt its latest, counted from 1; 0: none */
    bool found;
    bool is_app;             /* of the application's: so are those who speak in it */
    char at[CLOCK_TEXT_MAX]; /* last_ms, once it is that of messages of this batch */
};

struct batch {
    struct store_post **posts;
    size_t count;
    struct counter *counters; /* ascending by conversation */
    size_t counter_count;
    struct store_revised *revised; /* of this attempt: what its edits and recalls are about, ascending */
    size_t revised_count;
    uint64_t id;
    uint64_t epoch;   /* of this attempt; 0: none of its conversations is there */
    uint64_t lost_id; /* of the transaction whose COMMIT had no answer; its posts have a lost_seq */
    bool last_look;   /* the time is up, but what became of it is looked up once all the same */
    int64_t deadline_ms;
};

static int by_conversation(const void *a, const void *b)
{
    uint64_t left = ((const struct counter *)a)->conversation;
    uint64_t right = ((const struct counter *)b)->conversation;
    return left < right ? -1 : left > right;
}

static struct counter *counter_of(const struct batch *batch, uint64_t conversation)
{
    struct counter key = {.conversation = conversation};
    return bsearch(&key, batch->counters, batch->counter_count, sizeof key, by_conversation);
}

static void collect_counters(struct batch *batch)
{
    batch->counter_count = 0;
    for (size_t i = 0; i < batch->count; i++)
        batch->counters[i] = (struct counter){.conversation = batch->posts[i]->message.conversation};
    qsort(batch->counters, batch->count, sizeof batch->counters[0], by_conversation);
    for (size_t i = 0; i < batch->count; i++)
        if (!i || batch->counters[i].conversation != batch->counters[i - 1].conversation)
            batch->counters[batch->counter_count++] = batch->counters[i];
}

static void on_counter(void *arg, const struct db_value *columns)
{
    struct batch *batch = arg;
    struct counter *counter = counter_of(batch, columns[0].number);
    batch->epoch = columns[3].number;
    if (counter) {
        counter->seq = columns[1].number;
        counter->last_ms = (int64_t)columns[2].number;
        counter->fed = (struct feed_place){columns[4].number, columns[5].number};
        counter->is_app = columns[6].number == KIND_APP;
        counter->found = true;
    }
}

static enum err lock_counters(struct store *store, struct batch *batch)
{
    struct buf sql;
    buf_init(&sql, 256 + batch->counter_count * 21);
    buf_add_text(&sql, "SELECT id, seq, last_at, " STORE_EPOCH
                       ", feed_stream, feed_pos, kind FROM conversation WHERE id IN (");
    for (size_t i = 0; i < batch->counter_count; i++) {
        if (i)
            buf_add_char(&sql, ',');
        buf_add_u64(&sql, batch->counters[i].conversation);
        batch->counters[i].found = false;
    }
    buf_add_text(&sql, ") ORDER BY id FOR UPDATE");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    batch->epoch = 0;
    enum err err = db_run(store->db, sql.data, on_counter, batch);
    buf_fini(&sql);
    for (size_t i = 0; i < batch->count; i++)
        batch->posts[i]->epoch = batch->epoch;
    return err;
}

/* ---- another state of the database ---- */

/* With the conversations locked, on a new connection: is what was stored through the one before still there? */
static enum err look_back(struct store *store, const struct batch *batch, bool *put_back)
{
    struct store_anchor anchor = store->last.anchor;
    uint64_t connects = db_connects(store->db);
    *put_back = false;
    if (!anchor.seq || store->last.connects == connects || store->last.epoch != batch->epoch)
        return ERR_OK; /* of another epoch: it is known */
    enum err err = store_compare(store, &anchor, 1);
    *put_back = !err && anchor.lost;
    if (!err && !anchor.lost)
        store->last.connects = connects;
    return err;
}

static enum err begin_epoch(struct store *store)
{
    uint64_t from = store->put_back.from;
    enum err err = store_raise_epoch_from(store, from, from, &store->put_back.to);
    if (err) {
        store->put_back.to = 0;
        return err == ERR_UNKNOWN ? ERR_DOWN : err; /* doing it twice is doing it once */
    }
    log_error("journal.database_put_back", "from=%llu to=%llu msg=\"stored messages were lost\"",
              (unsigned long long)from, (unsigned long long)store->put_back.to);
    store->last.anchor.seq = 0;
    return ERR_OK;
}

/* What the posts speak of was looked up in what is lost: none of them is stored. */
static enum err refuse_all(struct store *store, struct batch *batch)
{
    enum err err = store->put_back.to ? ERR_OK : begin_epoch(store);
    if (err)
        return err;
    for (size_t i = 0; i < batch->count; i++) {
        batch->posts[i]->epoch = store->put_back.to;
        batch->posts[i]->err = ERR_DOWN;
    }
    batch->count = 0;
    return ERR_OK;
}

/* The numbers of conversations and users that were said in another epoch may be others' now. */
static void settle_foreign(struct batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->posts[i]->of_epoch || batch->posts[i]->of_epoch == batch->epoch)
            batch->posts[kept++] = batch->posts[i];
        else
            batch->posts[i]->err = ERR_DOWN;
    batch->count = kept;
}

/* What was stored last: of the first `count` posts. */
static void remember(struct store *store, const struct batch *batch, size_t count)
{
    const struct message *message = &batch->posts[count - 1]->message;
    store->last.anchor =
        (struct store_anchor){.conversation = message->conversation, .seq = message->seq, .batch = message->batch};
    store->last.epoch = batch->epoch;
    store->last.connects = db_connects(store->db);
}

/* There is nothing that they could answer. */
static void settle_answering(struct batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = &batch->posts[i]->message;
        if (message->reply_to <= counter_of(batch, message->conversation)->seq)
            batch->posts[kept++] = batch->posts[i];
        else
            batch->posts[i]->err = ERR_INVALID;
    }
    batch->count = kept;
}

static void settle_homeless(struct batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (counter_of(batch, batch->posts[i]->message.conversation)->found)
            batch->posts[kept++] = batch->posts[i];
        else
            batch->posts[i]->err = ERR_NOT_FOUND;
    batch->count = kept;
}

/* Its client_id was used before. */
static void settle_repeat(struct store_post *post)
{
    post->message.seq = post->earlier.seq;
    post->message.at_ms = post->earlier.at_ms;
    post->repeated = post->earlier.same;
    post->err = post->repeated ? ERR_OK : ERR_DUPLICATE;
}

static bool same_client_id(const struct message *a, const struct message *b)
{
    return a->conversation == b->conversation && a->sender == b->sender && str_eq(a->client_id, b->client_id);
}

/* What is stored already is answered. A repeat of a post of this very batch is put off: it stays for the next attempt,
 * which then finds the first one stored. */
static enum err settle_repeats(struct store *store, struct batch *batch, size_t *put_off)
{
    enum err err = store_repeats_find(store, batch->posts, batch->count);
    if (err)
        return err;
    struct store_post **off = mem_zalloc(batch->count * sizeof(struct store_post *));
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct store_post *post = batch->posts[i];
        if (post->earlier.seq)
            settle_repeat(post);
        else if (post->twin)
            off[(*put_off)++] = post;
        else
            batch->posts[kept++] = post;
    }
    memcpy(&batch->posts[kept], off, *put_off * sizeof off[0]);
    batch->count = kept + *put_off;
    free(off);
    return ERR_OK;
}

/* ---- edits and recalls ---- */

static int by_revised(const void *a, const void *b)
{
    const struct store_revised *left = a, *right = b;
    if (left->conversation != right->conversation)
        return left->conversation < right->conversation ? -1 : 1;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

static struct store_revised *revised_by_post(const struct batch *batch, const struct store_post *post)
{
    struct store_revised key = {.conversation = post->message.conversation, .seq = post->of};
    return bsearch(&key, batch->revised, batch->revised_count, sizeof key, by_revised);
}

/* What the edits and recalls among the first `count` posts are about, each once. */
static void collect_revised(struct batch *batch, size_t count)
{
    size_t all = 0, distinct = 0;
    batch->revised = mem_zalloc(batch->count * sizeof batch->revised[0]);
    for (size_t i = 0; i < count; i++)
        if (message_has_of(batch->posts[i]->message.kind))
            batch->revised[all++] = (struct store_revised){.conversation = batch->posts[i]->message.conversation,
                                                           .seq = batch->posts[i]->of};
    qsort(batch->revised, all, sizeof batch->revised[0], by_revised);
    for (size_t i = 0; i < all; i++)
        if (!i || by_revised(&batch->revised[distinct - 1], &batch->revised[i]))
            batch->revised[distinct++] = batch->revised[i];
    batch->revised_count = distinct;
}

static bool has_revisions(const struct batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (message_has_of(batch->posts[i]->message.kind))
            return true;
    return false;
}

/* The posts of a batch, parted; each has room for all. */
struct parted {
    struct store_post **kept, **off, **refused;
    enum err *verdicts; /* of those refused */
    size_t kept_count, off_count, refused_count;
};

static void parted_init(struct parted *parted, size_t room)
{
    *parted = (struct parted){.kept = mem_zalloc(3 * room * sizeof(struct store_post *)),
                              .verdicts = mem_zalloc(room * sizeof(enum err))};
    parted->off = parted->kept + room;
    parted->refused = parted->off + room;
}

static void parted_fini(struct parted *parted)
{
    free(parted->kept);
    free(parted->verdicts);
}

/* Edits and recalls that may not be are refused, and one that retries another of this batch is put off. */
static void part_revisions(struct batch *batch, size_t count, struct parted *parted)
{
    for (size_t i = 0; i < count; i++) {
        struct store_post *post = batch->posts[i];
        struct message *message = &post->message;
        struct store_revised *revised = message_has_of(message->kind) ? revised_by_post(batch, post) : NULL;
        enum err verdict = revised ? store_revise_verdict(revised, message) : ERR_OK;
        if (revised && revised->last && message->client_id.len && same_client_id(revised->last, message)) {
            parted->off[parted->off_count++] = post;
        } else if (verdict) {
            parted->verdicts[parted->refused_count] = verdict;
            parted->refused[parted->refused_count++] = post;
        } else {
            parted->kept[parted->kept_count++] = post;
            if (revised && message_is_revision(message->kind))
                revised->last = message;
        }
    }
}

/* The batch is what was kept, what was put off before, and what is put off now. */
static void take_parted(struct batch *batch, const struct parted *parted, size_t count, size_t *put_off)
{
    memmove(&batch->posts[parted->kept_count], &batch->posts[count], *put_off * sizeof batch->posts[0]);
    memcpy(batch->posts, parted->kept, parted->kept_count * sizeof batch->posts[0]);
    memcpy(&batch->posts[parted->kept_count + *put_off], parted->off, parted->off_count * sizeof batch->posts[0]);
    *put_off += parted->off_count;
    batch->count = parted->kept_count + *put_off;
}

/* Answers the edits and recalls that may not be: unless it is one that was carried out before. */
static enum err settle_revisions(struct store *store, struct batch *batch, bool repeats_settled, size_t *put_off)
{
    struct parted parted;
    size_t count = batch->count - *put_off;
    if (!has_revisions(batch, count))
        return ERR_OK;
    collect_revised(batch, count);
    enum err err = store_revise_look(store, batch->revised, batch->revised_count);
    if (err)
        return err;
    parted_init(&parted, count);
    part_revisions(batch, count, &parted);
    if (!repeats_settled)
        err = store_repeats_find(store, parted.refused, parted.refused_count);
    for (size_t i = 0; !err && i < parted.refused_count; i++) {
        parted.refused[i]->err = parted.verdicts[i];
        if (!repeats_settled && parted.refused[i]->earlier.seq)
            settle_repeat(parted.refused[i]);
    }
    if (!err)
        take_parted(batch, &parted, count, put_off);
    parted_fini(&parted);
    return err;
}

/* ---- reactions ---- */

/* What the reactions among the first `count` posts say, in their order. NULL: there are none. */
static struct store_reacting *collect_reactions(const struct batch *batch, size_t count, size_t *some)
{
    struct store_reacting *reactings = NULL;
    *some = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &batch->posts[i]->message;
        if (message->kind != MESSAGE_REACTION)
            continue;
        if (!reactings)
            reactings = mem_zalloc(count * sizeof *reactings);
        *some += store_reaction_read(message, &reactings[*some]);
    }
    return reactings;
}

/* What is so already is answered, without a number; what a message takes no more of, too. Of several of one user's about
 * the same, all but the first are put off. */
static void part_reactions(struct batch *batch, size_t count, const struct store_reacting *reactings,
                           struct parted *parted)
{
    struct store_reacting ignored;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_post *post = batch->posts[i];
        bool is_reaction = store_reaction_read(&post->message, &ignored);
        const struct store_reacting *reacting = is_reaction ? &reactings[at++] : NULL;
        if (reacting && reacting->twin) {
            parted->off[parted->off_count++] = post;
        } else if (reacting && reacting->full) {
            post->err = ERR_TOO_BIG;
        } else if (reacting && reacting->there) {
            post->err = ERR_OK;
            post->repeated = true;
            post->message.seq = 0;
        } else {
            parted->kept[parted->kept_count++] = post;
        }
    }
}

static enum err settle_reactions(struct store *store, struct batch *batch, size_t *put_off)
{
    struct parted parted;
    size_t count = batch->count - *put_off, some;
    struct store_reacting *reactings = collect_reactions(batch, count, &some);
    if (!reactings)
        return ERR_OK;
    enum err err = some ? store_reactions_look(store, reactings, some) : ERR_OK;
    if (!err) {
        parted_init(&parted, count);
        part_reactions(batch, count, reactings, &parted);
        take_parted(batch, &parted, count, put_off);
        parted_fini(&parted);
    }
    free(reactings);
    return err;
}

/* ---- changes of conversations ---- */

/* They are carried out one by one: there are few, and each sees what those before it did. What changes nothing is
 * answered, without a number. */
static enum err settle_events(struct store *store, struct batch *batch, size_t put_off)
{
    size_t kept = 0, count = batch->count - put_off;
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct store_post *post = batch->posts[i];
        bool changes = true;
        if (post->event) {
            post->err = ERR_OK;
            err = store_app_event_within(store, post->event, &changes, &post->err);
            post->message.content = str_of(post->event->content);
            changes &= !post->err;
        }
        if (changes) {
            batch->posts[kept++] = post;
        } else {
            post->repeated = !post->err;
            post->message.seq = 0;
        }
    }
    if (err || kept == count)
        return err;
    memmove(&batch->posts[kept], &batch->posts[count], put_off * sizeof batch->posts[0]);
    batch->count = kept + put_off;
    return ERR_OK;
}

static enum err apply_reactions(struct store *store, const struct batch *batch, size_t count)
{
    size_t some;
    struct store_reacting *reactings = collect_reactions(batch, count, &some);
    enum err err = some ? store_reactions_apply(store, reactings, some) : ERR_OK;
    free(reactings);
    return err;
}

static enum err apply_revisions(struct store *store, const struct batch *batch, size_t count)
{
    if (!has_revisions(batch, count))
        return ERR_OK;
    struct store_revising *revising = mem_zalloc(count * sizeof *revising);
    size_t some = 0;
    for (size_t i = 0; i < count; i++)
        if (message_is_revision(batch->posts[i]->message.kind))
            revising[some++] =
                (struct store_revising){revised_by_post(batch, batch->posts[i]), &batch->posts[i]->message};
    enum err err = store_revise_apply(store, revising, some);
    free(revising);
    return err;
}

/* The time of all messages of this attempt in one conversation. */
static void take_time(struct counter *counter)
{
    if (counter->at[0])
        return;
    counter->last_ms = store_next_ms(counter->last_ms);
    clock_format_utc(counter->last_ms, counter->at);
}

static enum err insert_messages(struct store *store, struct batch *batch, size_t count)
{
    struct db_value *params = mem_zalloc(count * MESSAGE_PARAMS * sizeof *params);
    for (size_t i = 0; i < count; i++) {
        struct message *m = &batch->posts[i]->message;
        struct db_value *p = &params[i * MESSAGE_PARAMS];
        struct counter *counter = counter_of(batch, m->conversation);
        take_time(counter);
        m->seq = ++counter->seq;
        m->at_ms = counter->last_ms;
        m->batch = batch->id;
        batch->posts[i]->of_app = counter->is_app || store->chatroom_realm == REALM_APP;
        p[0] = DB_NUM(m->conversation);
        p[1] = DB_NUM(m->seq);
        p[2] = m->sender ? DB_NUM(m->sender) : DB_NULL;
        p[3] = m->client_id.len ? DB_TEXT(m->client_id) : DB_NULL;
        p[4] = DB_NUM(batch->id);
        p[5] = DB_NUM(m->kind);
        p[6] = DB_TEXT(m->sender_name);
        p[7] = DB_TEXT(m->content);
        p[8] = m->sent_at.len ? DB_TEXT(m->sent_at) : DB_NULL;
        p[9] = DB_TEXT(str_of(counter->at));
        p[10] = m->audience.len ? DB_TEXT(m->audience) : DB_NULL;
        p[11] = m->extra.len ? DB_TEXT(m->extra) : DB_NULL;
    }
    enum err err = db_many(store->db, SQL_ADD_MESSAGE, params, count, MESSAGE_PARAMS);
    free(params);
    return err;
}

/* Notes the comings and goings among the first `count` posts (store_passing.h). */
static enum err note_passing(struct store *store, const struct batch *batch, size_t count)
{
    struct store_run *runs = NULL;
    size_t run_count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &batch->posts[i]->message;
        if (!message_is_passing(message->kind))
            continue;
        if (!runs)
            runs = mem_zalloc(count * sizeof *runs);
        struct counter *counter = counter_of(batch, message->conversation);
        if (counter->run && runs[counter->run - 1].last + 1 == message->seq) {
            runs[counter->run - 1].last++;
            continue;
        }
        runs[run_count++] = (struct store_run){message->conversation, message->seq, message->seq};
        counter->run = run_count;
    }
    enum err err = run_count ? store_passing_add(store, runs, run_count) : ERR_OK;
    free(runs);
    return err;
}

static enum err feed_messages(struct store *store, const struct batch *batch, size_t count)
{
    struct feed_entry *entries = mem_zalloc(count * sizeof *entries);
    for (size_t i = 0; i < count; i++) {
        const struct message *message = &batch->posts[i]->message;
        entries[i] = (struct feed_entry){message, &counter_of(batch, message->conversation)->fed};
    }
    enum err err = store_feed_add(store, entries, count);
    free(entries);
    return err;
}

static enum err write_counters(struct store *store, const struct batch *batch)
{
    struct db_value *params = mem_zalloc(batch->counter_count * COUNTER_PARAMS * sizeof *params);
    size_t rows = 0;
    for (size_t i = 0; i < batch->counter_count; i++) {
        if (!batch->counters[i].found)
            continue;
        struct db_value *p = &params[rows++ * COUNTER_PARAMS];
        p[0] = DB_NUM(batch->counters[i].seq);
        p[1] = DB_NUM((uint64_t)batch->counters[i].last_ms);
        p[2] = DB_NUM(batch->counters[i].fed.stream);
        p[3] = DB_NUM(batch->counters[i].fed.pos);
        p[4] = DB_NUM(batch->counters[i].conversation);
    }
    enum err err = rows ? db_many(store->db, SQL_SET_SEQ, params, rows, COUNTER_PARAMS) : ERR_OK;
    free(params);
    return err;
}

static void note_lost(struct batch *batch, size_t count)
{
    batch->lost_id = batch->id;
    for (size_t i = 0; i < batch->count; i++) {
        batch->posts[i]->lost_seq = i < count ? batch->posts[i]->message.seq : 0;
        batch->posts[i]->lost_at_ms = batch->posts[i]->message.at_ms;
    }
}

/* With the conversations locked: was the lost transaction carried out? Any one of its rows tells. */
static enum err find_lost(struct store *store, const struct batch *batch, bool *found)
{
    const struct store_post *post = NULL;
    uint64_t id = 0;
    *found = false;
    for (size_t i = 0; batch->lost_id && i < batch->count && !post; i++)
        if (batch->posts[i]->lost_seq)
            post = batch->posts[i];
    if (!post || counter_of(batch, post->message.conversation)->seq < post->lost_seq)
        return ERR_OK;
    struct db_value key[] = {DB_NUM(post->message.conversation), DB_NUM(post->lost_seq)};
    enum err err = db_query(store->db, SQL_FIND_BATCH, key, 2, store_on_number, &id);
    *found = !err && id == batch->lost_id;
    return err;
}

static void settle_lost(struct batch *batch)
{
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct store_post *post = batch->posts[i];
        if (!post->lost_seq) {
            batch->posts[kept++] = post;
            continue;
        }
        post->message.seq = post->lost_seq;
        post->message.at_ms = post->lost_at_ms;
        post->message.batch = batch->lost_id;
        post->err = ERR_OK;
    }
    batch->count = kept;
}

/* Of what nobody said, as a call of the application's, the unique key finds no repeats: NULL is like no other NULL. They are
 * looked for with the conversations locked, which whoever says the same waits for. */
static bool has_nobodys(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        if (!batch->posts[i]->message.sender && batch->posts[i]->message.client_id.len)
            return true;
    return false;
}

/* One transaction. ERR_OK: the first `batch->count - *put_off` posts are stored. */
static enum err attempt_once(struct store *store, struct batch *batch, bool repeats, size_t *put_off)
{
    bool found = false, put_back = false;
    *put_off = 0;
    if (store->put_back.from)
        return refuse_all(store, batch);
    batch->id = id_random();
    enum err err = db_begin(store->db);
    if (err)
        return err;
    err = lock_counters(store, batch);
    int64_t locked_ms = clock_mono_ms();
    if (!err)
        err = look_back(store, batch, &put_back);
    if (put_back) {
        db_rollback(store->db);
        store->put_back.from = batch->epoch;
        return refuse_all(store, batch);
    }
    if (!err)
        settle_homeless(batch);
    if (!err)
        err = find_lost(store, batch, &found);
    if (found) {
        db_rollback(store->db);
        db_looked(store->db, true);
        settle_lost(batch);
        *put_off = batch->count;
        return ERR_OK;
    }
    if (!err && db_looks_elsewhere(store->db)) { /* not stored again: what the posts speak of was read elsewhere */
        db_rollback(store->db);
        db_looked(store->db, false);
        return ERR_DOWN;
    }
    if (!err)
        settle_foreign(batch);
    if (!err)
        settle_answering(batch);
    repeats |= has_nobodys(batch);
    if (!err && repeats)
        err = settle_repeats(store, batch, put_off);
    if (!err)
        err = settle_revisions(store, batch, repeats, put_off);
    if (!err)
        err = settle_reactions(store, batch, put_off);
    if (!err)
        err = settle_events(store, batch, *put_off);
    size_t count = batch->count - *put_off;
    if (!err && count)
        err = insert_messages(store, batch, count);
    if (!err)
        err = note_passing(store, batch, count);
    if (!err && count && store->feed.on)
        err = feed_messages(store, batch, count);
    if (!err)
        err = apply_revisions(store, batch, count);
    if (!err)
        err = apply_reactions(store, batch, count);
    if (!err)
        err = write_counters(store, batch);
    store->journal_ms += clock_mono_ms() - locked_ms;
    int64_t written_ms = clock_mono_ms();
    if (!err)
        err = db_commit(store->db);
    store->journal_commit_ms += clock_mono_ms() - written_ms;
    store_feed_settle(store, err);
    if (!err && count)
        remember(store, batch, count);
    if (err && err != ERR_UNKNOWN)
        db_rollback(store->db); /* a refused COMMIT too: the next START TRANSACTION would carry it out */
    return err;
}

static enum err attempt(struct store *store, struct batch *batch, bool repeats, size_t *put_off)
{
    batch->revised = NULL;
    enum err err = attempt_once(store, batch, repeats, put_off);
    free(batch->revised);
    batch->revised = NULL;
    return err;
}

static void pause_ms(int64_t ms)
{
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

static void settle_first(struct batch *batch, size_t count, enum err err)
{
    for (size_t i = 0; i < count; i++)
        batch->posts[i]->err = err;
    batch->posts += count;
    batch->count -= count;
}

/* Nothing more is tried for them. */
static enum err give_up(struct store *store, struct batch *batch, enum err err)
{
    if (err == ERR_RETRY)
        db_gave_up(store->db);
    enum err told = err == ERR_RETRY || err == ERR_DUPLICATE ? ERR_DOWN : err;
    for (size_t i = 0; i < batch->count; i++) {
        bool unknown = batch->lost_id && batch->posts[i]->lost_seq;
        batch->posts[i]->err = unknown ? ERR_UNKNOWN : told;
        if (unknown)
            err = ERR_UNKNOWN;
    }
    batch->count = 0;
    return err;
}

static enum err run(struct store *store, struct batch *batch);

/* Some post is refused for good: try the halves apart. */
static enum err run_halves(struct store *store, struct batch *batch)
{
    struct batch low = *batch, high = *batch;
    low.count = batch->count / 2;
    high.posts += low.count;
    high.count -= low.count;
    batch->count = 0;
    enum err err = run(store, &low);
    enum err other = run(store, &high);
    return other && (!err || err == ERR_INTERNAL) ? other : err; /* rather what ails the database */
}

static enum err run(struct store *store, struct batch *batch)
{
    enum err err = ERR_OK;
    bool repeats = false;
    int retries = 0;
    while (batch->count) {
        size_t put_off;
        collect_counters(batch);
        err = attempt(store, batch, repeats, &put_off);
        size_t count = batch->count - put_off;
        if (err == ERR_UNKNOWN && count)
            note_lost(batch, count);
        else if (err == ERR_UNKNOWN)
            err = ERR_OK; /* nothing was to be stored */
        if (err == ERR_UNKNOWN && db_is_cut_off(store->db))
            db_look_elsewhere(store->db);
        if (!err) {
            settle_first(batch, count, ERR_OK);
            repeats = true; /* what is left was put off as a repeat */
            continue;
        }
        bool late = clock_mono_ms() >= batch->deadline_ms;
        metric_inc(METRIC_JOURNAL_RETRIES);
        if (err == ERR_DUPLICATE && !repeats)
            repeats = true;
        else if (err == ERR_UNKNOWN && !batch->last_look)
            batch->last_look = late;
        else if ((err == ERR_RETRY || err == ERR_DUPLICATE) && ++retries < MAX_RETRIES && !late)
            pause_ms((int64_t)(id_random() % (uint64_t)(10 + retries * 5))); /* by chance, so that two relays part */
        else if (err == ERR_DOWN && !late && !db_is_cut_off(store->db))
            pause_ms(50);
        else if (err == ERR_INTERNAL && batch->count > 1)
            return run_halves(store, batch);
        else
            err = give_up(store, batch, err);
    }
    return err;
}

enum err store_journal(struct store *store, struct store_post *posts, size_t count, int64_t patience_ms)
{
    struct store_post **order = mem_zalloc(count * sizeof(struct store_post *));
    struct batch batch = {
        .posts = order,
        .count = count,
        .counters = mem_zalloc(count * sizeof(struct counter)),
        .deadline_ms = clock_mono_ms() + patience_ms,
    };
    for (size_t i = 0; i < count; i++) {
        posts[i].err = ERR_DOWN;
        posts[i].repeated = false;
        posts[i].epoch = 0;
        posts[i].lost_seq = 0;
        posts[i].of_app = false;
        posts[i].of = message_has_of(posts[i].message.kind) ? store_revision_of(&posts[i].message) : 0;
        order[i] = &posts[i];
    }
    store->journal_ms = store->journal_commit_ms = 0;
    store->put_back.from = store->put_back.to = 0;
    enum err err = run(store, &batch);
    db_looked(store->db, false);
    if (err == ERR_INTERNAL)
        log_error("journal.refused", "errno=%u", db_errno(store->db));
    store_authors_name(store, posts, count);
    free(order);
    free(batch.counters);
    return err == ERR_INTERNAL || err == ERR_NOT_FOUND ? ERR_OK : err;
}

int64_t store_journal_ms(const struct store *store)
{
    return store->journal_ms;
}

int64_t store_journal_commit_ms(const struct store *store)
{
    return store->journal_commit_ms;
}
