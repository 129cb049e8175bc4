/* fake_tables.h: the two tables that the journal's transaction touches, in memory, behind the functions of
 * db.h: unique keys, begin, commit and rollback are real, and any of them can be made to fail. A test
 * includes this once. */
#ifndef CG_TESTS_FAKE_TABLES_H
#define CG_TESTS_FAKE_TABLES_H

#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/store/feed_pack.h"
#include "common/store/store_feed.h"
#include "common/store/store_passing.h"
#include "common/store/store_sql.h"

#include <stdbool.h>
#include <time.h>

enum { EPOCH = 3, CONVERSATIONS = 6, ROWS_MAX = 600, FEED_STREAMS = 40, FAULTS_MAX = 40, TRACE_MAX = 20000 };

struct row {
    uint64_t conversation, seq, sender, batch, kind, revised_by;
    bool recalled;
    int64_t at_ms;
    char client_id[24], content[48], audience[24], extra[48];
};

struct tables {
    uint64_t epoch;
    uint64_t seq[CONVERSATIONS]; /* of the conversations 1 to CONVERSATIONS - 1; all others do not exist */
    int64_t last_at[CONVERSATIONS];
    struct row rows[ROWS_MAX];
    size_t row_count;
    struct feed_place fed[CONVERSATIONS];
    struct feed_stream_row {
        uint64_t owner, pos;
    } streams[FEED_STREAMS]; /* from 1 on; without an owner there is none */
    uint64_t stream_count;   /* that there ever were */
    struct feed_row feed[ROWS_MAX];
    size_t feed_count;
    struct store_run runs[ROWS_MAX];
    size_t run_count;
};

static struct tables committed, working; /* what lasts, and what the open transaction has made of it */
static struct store store;               /* the connection is the fake's: any pointer will do */
static uint64_t connects;                /* how often it was made */
static bool open_transaction;
static bool pinned, cut_off,
    looks; /* pinned to one connection (db_pin): that broke; another one is only looked through */
static int64_t now_ms;

/* What was asked of the database: a letter each, a capital where it failed. */
static char trace[TRACE_MAX];
static size_t trace_len;
static char last_sql[256];

/* After `skip` calls of `op` the next `times` fail. A COMMIT may be carried out all the same. */
struct fault {
    char op; /* begin lock find-client insert set-seq commit query-batch */
    int skip, times;
    enum err err;
    bool applied;
    void (*then)(void); /* what else happens in that moment */
};
static struct fault faults[FAULTS_MAX];
static size_t fault_count;

static void tables_reset(void)
{
    memset(&committed, 0, sizeof committed);
    memset(&store, 0, sizeof store);
    committed.epoch = EPOCH;
    connects = 1;
    memset(trace, 0, sizeof trace);
    open_transaction = pinned = cut_off = looks = false;
    trace_len = fault_count = 0;
    now_ms = 1700000000000;
    clock_freeze(now_ms);
}

static void add_fault(struct fault fault)
{
    assert_true(fault_count < FAULTS_MAX);
    faults[fault_count++] = fault;
}

/* What is asked for, and the fault it meets, if any. */
static const struct fault *note(char op)
{
    const struct fault *met = NULL;
    for (size_t i = 0; i < fault_count && !met; i++) {
        if (faults[i].op != op || !faults[i].times)
            continue;
        if (faults[i].skip-- > 0)
            break; /* rules for one operation count one after the other */
        faults[i].skip = 0;
        faults[i].times--;
        met = &faults[i];
    }
    assert_true(trace_len < sizeof trace - 1);
    trace[trace_len++] = met && met->err ? (char)(op - 'a' + 'A') : op;
    if (met && met->then)
        met->then();
    return met;
}

static enum err meet(char op)
{
    assert_true(open_transaction); /* outside of one each statement would commit by itself */
    const struct fault *fault = note(op);
    return fault ? fault->err : ERR_OK;
}

bool db_is_cut_off(const struct db *db)
{
    (void)db;
    return cut_off && !looks;
}

void db_look_elsewhere(struct db *db)
{
    (void)db;
    looks = true;
}

bool db_looks_elsewhere(const struct db *db)
{
    (void)db;
    return looks;
}

void db_looked(struct db *db, bool same)
{
    (void)db;
    looks = false;
    cut_off &= !same;
}

enum err db_begin(struct db *db)
{
    (void)db;
    assert_false(open_transaction); /* the server would commit it */
    const struct fault *fault = note('b');
    if (fault && fault->err == ERR_DOWN)
        cut_off |= pinned;
    if (fault && fault->err)
        return fault->err;
    if (db_is_cut_off(db))
        return ERR_DOWN;
    working = committed;
    open_transaction = true;
    return ERR_OK;
}

enum err db_commit(struct db *db)
{
    (void)db;
    assert_true(open_transaction);
    const struct fault *fault = note('c');
    if (!fault || !fault->err || fault->applied)
        committed = working;
    connects += fault && fault->err == ERR_UNKNOWN;
    cut_off |= pinned && fault && fault->err == ERR_UNKNOWN;
    /* A broken connection takes the transaction with it; one that was merely refused may be open still. */
    open_transaction = fault && fault->err && fault->err != ERR_UNKNOWN;
    return fault ? fault->err : ERR_OK;
}

void db_gave_up(struct db *db)
{
    (void)db;
}

void db_rollback(struct db *db)
{
    (void)db;
    note('r');
    open_transaction = false;
}

/* ---- what else the transaction asks the store ---- */

static struct row *find_row(uint64_t conversation, uint64_t seq)
{
    for (size_t i = 0; i < working.row_count; i++)
        if (working.rows[i].conversation == conversation && working.rows[i].seq == seq)
            return &working.rows[i];
    return NULL;
}

enum err store_compare(struct store *of, struct store_anchor *anchors, size_t count)
{
    assert_ptr_equal(of, &store);
    assert_int_equal(count, 1);
    enum err err = meet('k');
    const struct row *row = find_row(anchors->conversation, anchors->seq);
    anchors->lost = !row || row->batch != anchors->batch;
    return err;
}

enum err store_raise_epoch_from(struct store *of, uint64_t from, uint64_t above, uint64_t *epoch)
{
    assert_ptr_equal(of, &store);
    assert_false(open_transaction); /* else it ended with that */
    const struct fault *fault = note('u');
    if (fault && fault->err)
        return fault->err;
    if (committed.epoch == from)
        committed.epoch = above + 1;
    *epoch = committed.epoch;
    return ERR_OK;
}

uint64_t db_connects(const struct db *db)
{
    (void)db;
    return connects;
}

unsigned db_errno(const struct db *db)
{
    (void)db;
    return 1;
}

static uint64_t *seq_of(uint64_t conversation)
{
    return conversation && conversation < CONVERSATIONS ? &working.seq[conversation] : NULL;
}

static void lock_conversations(const char *sql, db_row_fn *fn, void *arg)
{
    static const char head[] =
        "SELECT id, seq, last_at, " STORE_EPOCH ", feed_stream, feed_pos, kind FROM conversation WHERE id IN (";
    assert_true(strlen(sql) < sizeof last_sql);
    strcpy(last_sql, sql);
    assert_memory_equal(sql, head, sizeof head - 1);
    assert_non_null(strstr(sql, ") ORDER BY id FOR UPDATE"));
    for (const char *at = sql + sizeof head - 1; *at != ')'; at += *at == ',') {
        char *end;
        uint64_t id = strtoull(at, &end, 10);
        at = end;
        if (!seq_of(id))
            continue;
        struct db_value columns[] = {DB_NUM(id),
                                     DB_NUM(*seq_of(id)),
                                     DB_NUM((uint64_t)working.last_at[id]),
                                     DB_NUM(working.epoch),
                                     DB_NUM(working.fed[id].stream),
                                     DB_NUM(working.fed[id].pos),
                                     DB_NUM(KIND_CHATROOM)};
        fn(arg, columns);
    }
}

static struct row *find_client(uint64_t conversation, uint64_t sender, const char *client_id)
{
    for (size_t i = 0; i < working.row_count; i++) {
        struct row *row = &working.rows[i];
        if (row->conversation == conversation && row->sender == sender && *client_id &&
            !strcmp(row->client_id, client_id))
            return row;
    }
    return NULL;
}

/* x'…', and moves behind it. */
static void read_hex(const char **at, char out[24])
{
    size_t len = 0;
    assert_memory_equal(*at, "x'", 2);
    for (*at += 2; **at != '\''; *at += 2) {
        unsigned byte;
        assert_int_equal(sscanf(*at, "%2x", &byte), 1);
        assert_true(len < 23);
        out[len++] = (char)byte;
    }
    ++*at;
    out[len] = '\0';
}

/* Groups of keys as the journal's look-ups have them: a head of two forms, and then what is in its list. */
static void look_for_clients(const char *at, db_row_fn *fn, void *arg)
{
    unsigned long long conversation, sender;
    char client_id[24];
    int len;
    for (; *at == '('; at += strncmp(at, " OR ", 4) ? 0 : 4) {
        if (sscanf(at, "(conversation = %llu AND sender = %llu AND client_id IN (%n", &conversation, &sender, &len) !=
            2) {
            sender = len = 0;
            assert_int_equal(
                sscanf(at, "(conversation = %llu AND sender IS NULL AND client_id IN (%n", &conversation, &len), 1);
            assert_true(len);
        }
        at += len;
        for (;; at++) {
            read_hex(&at, client_id);
            const struct row *row = find_client(conversation, sender, client_id);
            struct db_value columns[] = {DB_NUM(conversation),
                                         DB_NUM(sender),
                                         DB_TEXT(str_of(client_id)),
                                         DB_NUM(row ? row->seq : 0),
                                         DB_NUM(row ? (uint64_t)row->at_ms : 0),
                                         DB_NUM(row ? row->kind : 0),
                                         DB_TEXT(str_of(row ? row->content : "")),
                                         row && row->revised_by ? DB_NUM(row->revised_by) : DB_NULL,
                                         DB_TEXT(str_of(row ? row->extra : ""))};
            if (row)
                fn(arg, columns);
            if (*at != ',')
                break;
        }
        assert_memory_equal(at, "))", 2);
        at += 2;
    }
    assert_int_equal(*at, '\0');
}

static void look_for_revised(const char *at, db_row_fn *fn, void *arg)
{
    unsigned long long conversation;
    int len;
    for (; *at == '('; at += strncmp(at, " OR ", 4) ? 0 : 4) {
        assert_int_equal(sscanf(at, "(conversation = %llu AND seq IN (%n", &conversation, &len), 1);
        at += len;
        for (;; at++) {
            char *end;
            uint64_t seq = strtoull(at, &end, 10);
            at = end;
            const struct row *row = find_row(conversation, seq);
            struct db_value columns[] = {DB_NUM(conversation),
                                         DB_NUM(seq),
                                         DB_NUM(row ? row->sender : 0),
                                         DB_NUM(row ? row->kind : 0),
                                         DB_NUM(row ? row->recalled : 0),
                                         row && row->revised_by ? DB_NUM(row->revised_by) : DB_NULL};
            if (row)
                fn(arg, columns);
            if (*at != ',')
                break;
        }
        assert_memory_equal(at, "))", 2);
        at += 2;
    }
    assert_int_equal(*at, '\0');
}

/* As the statement of store_passing.c: a run that follows one directly becomes part of it. */
enum err store_passing_add(struct store *of, const struct store_run *runs, size_t count)
{
    assert_ptr_equal(of, &store);
    enum err err = meet('a');
    for (size_t i = 0; !err && i < count; i++) {
        struct store_run *before = NULL;
        for (size_t j = 0; j < working.run_count; j++)
            if (working.runs[j].conversation == runs[i].conversation && working.runs[j].last + 1 == runs[i].first)
                before = &working.runs[j];
        if (before)
            before->last = runs[i].last;
        else
            working.runs[working.run_count++] = runs[i];
    }
    return err;
}

enum err db_run(struct db *db, const char *sql, db_row_fn *fn, void *arg)
{
    static const char clients[] = "SELECT conversation, sender, client_id, seq,",
                      revised[] = "SELECT conversation, seq,";
    bool of_clients = !strncmp(sql, clients, sizeof clients - 1),
         of_revised = !strncmp(sql, revised, sizeof revised - 1);
    (void)db;
    enum err err = meet(of_clients ? 'f' : of_revised ? 'v' : 'l');
    const char *keys = strstr(sql, " WHERE ");
    assert_non_null(keys);
    keys += strlen(" WHERE ");
    if (!err && of_clients)
        look_for_clients(keys, fn, arg);
    else if (!err && of_revised)
        look_for_revised(keys, fn, arg);
    else if (!err)
        lock_conversations(sql, fn, arg);
    return err;
}

static void copy_text_to(char *out, size_t size, const struct db_value *value)
{
    assert_false(value->is_number);
    snprintf(out, size, "%.*s", value->is_null ? 0 : (int)value->text.len, value->text.ptr);
}

static void copy_text(char out[24], const struct db_value *value)
{
    copy_text_to(out, 24, value);
}

static enum err empty_revision(const struct db_value *params)
{
    struct row *earlier = find_row(params[1].number, params[2].number);
    if (earlier)
        copy_text_to(earlier->content, sizeof earlier->content, &params[0]);
    return ERR_OK;
}

static enum err revise(const struct db_value *params)
{
    struct row *row = find_row(params[3].number, params[4].number);
    copy_text_to(row->content, sizeof row->content, &params[0]);
    row->recalled = params[1].number;
    row->revised_by = params[2].number;
    return ERR_OK;
}

/* ---- the feed ---- */

static uint64_t affected, insert_id;

uint64_t db_affected(const struct db *db)
{
    (void)db;
    return affected;
}

uint64_t db_insert_id(const struct db *db)
{
    (void)db;
    return insert_id;
}

static enum err advance_stream(const struct db_value *p)
{
    enum err err = meet('p');
    struct feed_stream_row *stream = &working.streams[p[1].number];
    affected = !err && stream->owner == p[2].number;
    if (affected)
        insert_id = stream->pos += p[0].number;
    return err;
}

static enum err begin_stream(const struct db_value *p)
{
    enum err err = meet('n');
    if (err)
        return err;
    insert_id = ++working.stream_count;
    assert_true(insert_id < FEED_STREAMS);
    working.streams[insert_id] = (struct feed_stream_row){p[0].number, p[1].number};
    return ERR_OK;
}

static void add_feed_row(void *arg, const struct feed_row *row)
{
    enum err *err = arg;
    assert_true(working.feed_count < ROWS_MAX);
    for (size_t i = 0; i < working.feed_count; i++)
        if (working.feed[i].at.stream == row->at.stream && working.feed[i].at.pos == row->at.pos)
            *err = ERR_DUPLICATE;
    if (!*err)
        working.feed[working.feed_count++] = *row;
}

static enum err insert_feed(const struct db_value *p)
{
    struct feed_row last = {.at = {p[0].number, p[1].number},
                            .conversation = p[2].number,
                            .seq = p[3].number,
                            .kind = (enum message_kind)p[4].number,
                            .after = {p[5].is_null ? 0 : p[5].number, p[6].is_null ? 0 : p[6].number}};
    enum err err = ERR_OK;
    feed_unpack(&last, p[7].number, p[8].is_null ? STR("") : p[8].text, add_feed_row, &err);
    return err;
}

enum err db_query(struct db *db, size_t statement, const struct db_value *params, size_t count, db_row_fn *fn,
                  void *arg)
{
    (void)db;
    if (statement == SQL_FEED_ADVANCE)
        return advance_stream(params);
    if (statement == SQL_FEED_BEGIN)
        return begin_stream(params);
    enum err err = meet('q');
    assert_int_equal(statement, SQL_FIND_BATCH);
    assert_int_equal(count, 2);
    const struct row *row = find_row(params[0].number, params[1].number);
    struct db_value columns[] = {DB_NUM(row ? row->batch : 0)};
    if (row && !err)
        fn(arg, columns);
    return err;
}

static enum err insert_row(const struct db_value *p)
{
    struct row row = {.conversation = p[0].number,
                      .seq = p[1].number,
                      .sender = p[2].number,
                      .batch = p[4].number,
                      .kind = p[5].number};
    char sent_at[24], created_at[24], at[CLOCK_TEXT_MAX];
    copy_text(row.client_id, &p[3]);
    copy_text_to(row.content, sizeof row.content, &p[7]);
    copy_text(sent_at, &p[8]);
    copy_text(created_at, &p[9]);
    copy_text(row.audience, &p[10]);
    copy_text_to(row.extra, sizeof row.extra, &p[11]);
    assert_true(seq_of(row.conversation) != NULL); /* the foreign key */
    row.at_ms = now_ms > working.last_at[row.conversation] ? now_ms : working.last_at[row.conversation];
    clock_format_utc(row.at_ms, at);
    assert_string_equal(created_at, at);
    assert_int_equal(p[2].is_null, !row.sender);
    assert_int_equal(p[3].is_null, !*row.client_id);
    assert_int_equal(p[10].is_null, !*row.audience);
    assert_int_equal(p[11].is_null, !*row.extra);
    if (!strncmp(row.content, "poison", 6))
        return ERR_INTERNAL;
    if (find_row(row.conversation, row.seq) ||
        (row.sender &&
         find_client(row.conversation, row.sender, row.client_id))) /* NULL in a unique key meets nothing */
        return ERR_DUPLICATE;
    assert_true(working.row_count < ROWS_MAX);
    working.rows[working.row_count++] = row;
    return ERR_OK;
}

static enum err write_counter(const struct db_value *p)
{
    *seq_of(p[4].number) = p[0].number;
    working.last_at[p[4].number] = (int64_t)p[1].number;
    working.fed[p[4].number] = (struct feed_place){p[2].number, p[3].number};
    return ERR_OK;
}

static const struct {
    size_t statement, params;
    char op;
    enum err (*carry_out)(const struct db_value *params);
} manys[] = {
    {SQL_ADD_MESSAGE, 12, 'i', insert_row}, {SQL_SET_SEQ, 5, 's', write_counter},
    {SQL_FEED_ADD, 9, 'o', insert_feed},    {SQL_EMPTY_REVISION, 3, 'e', empty_revision},
    {SQL_REVISE, 5, 'w', revise},
};

/* What stood before the row that is refused stays: undoing it is the transaction's part. */
enum err db_many(struct db *db, size_t statement, const struct db_value *params, size_t rows, size_t count)
{
    size_t at = 0;
    (void)db;
    assert_true(rows > 0);
    while (manys[at].statement != statement)
        assert_true(++at < sizeof manys / sizeof manys[0]);
    assert_int_equal(count, manys[at].params);
    enum err err = meet(manys[at].op);
    for (size_t i = 0; i < rows && !err; i++)
        err = manys[at].carry_out(&params[i * count]);
    if (err && trace[trace_len - 1] == 'i')
        trace[trace_len - 1] = 'I';
    return err;
}

/* Waiting takes no time here but the frozen clock's. */
int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    (void)left;
    now_ms += wanted->tv_sec * 1000 + wanted->tv_nsec / 1000000;
    clock_freeze(now_ms);
    return 0;
}

/* ---- a batch, and what must hold whatever happens to it ---- */

enum { POSTS_MAX = 64, PATIENCE_MS = 1000 };

static struct store_post posts[POSTS_MAX];
static char texts[POSTS_MAX][48];
static size_t post_count, post_number;

static int begin(void **state)
{
    (void)state;
    tables_reset();
    memset(posts, 0, sizeof posts);
    post_count = 0;
    return 0;
}

/* Another post of the batch; its content tells it from all others, but for those that it repeats. */
static struct store_post *post(uint64_t conversation, uint64_t sender, const char *client_id)
{
    struct store_post *added = &posts[post_count];
    if (*client_id && client_id != texts[post_count]) /* its own text makes a good client_id */
        snprintf(texts[post_count], sizeof texts[0], "%u %u %.20s", (unsigned)conversation, (unsigned)sender,
                 client_id);
    else
        snprintf(texts[post_count], sizeof texts[0], "text %zu", ++post_number);
    added->message = (struct message){.conversation = conversation,
                                      .sender = sender,
                                      .kind = MESSAGE_TEXT,
                                      .sender_name = STR("bob"),
                                      .content = str_of(texts[post_count]),
                                      .client_id = str_of(client_id)};
    post_count++;
    return added;
}

static inline void make_poison(struct store_post *victim)
{
    victim->message.content = STR("poison");
}

static enum err store_all(int64_t patience_ms)
{
    return store_journal(&store, posts, post_count, patience_ms);
}

/* Stores one post of its own before the batch that is tested. */
static struct store_post stored_before(uint64_t conversation, uint64_t sender, const char *client_id)
{
    post(conversation, sender, client_id);
    assert_int_equal(store_all(0), ERR_OK);
    assert_int_equal(posts[0].err, ERR_OK);
    struct store_post earlier = posts[0];
    post_count = trace_len = 0;
    memset(trace, 0, sizeof trace);
    now_ms += 1000;
    clock_freeze(now_ms);
    return earlier;
}

static const struct row *committed_row(uint64_t conversation, uint64_t seq)
{
    const struct row *found = NULL;
    for (size_t i = 0; i < committed.row_count; i++)
        if (committed.rows[i].conversation == conversation && committed.rows[i].seq == seq) {
            assert_null(found);
            found = &committed.rows[i];
        }
    return found;
}

static size_t rows_with(struct str content)
{
    size_t count = 0;
    for (size_t i = 0; i < committed.row_count; i++)
        count += str_eq(str_of(committed.rows[i].content), content);
    return count;
}

/* What must hold after whatever happened: the numbers of each conversation are 1, 2, 3 …, and each post
 * is stored or not, as its sender is told. */
static void check_consistent(void)
{
    size_t rows = 0;
    for (uint64_t conversation = 1; conversation < CONVERSATIONS; conversation++) {
        int64_t last_ms = 0;
        for (uint64_t seq = 1; seq <= committed.seq[conversation]; seq++) {
            const struct row *row = committed_row(conversation, seq);
            assert_non_null(row);
            assert_true(row->at_ms >= last_ms); /* times go with numbers */
            last_ms = row->at_ms;
        }
        assert_true(committed.last_at[conversation] >= last_ms);
        rows += committed.seq[conversation];
    }
    assert_int_equal(rows, committed.row_count);
    for (size_t i = 0; i < post_count; i++) {
        const struct message *message = &posts[i].message;
        const struct row *row = committed_row(message->conversation, message->seq);
        if (posts[i].err) {
            size_t stored = rows_with(message->content);
            assert_true(stored == 0 || (stored == 1 && (posts[i].err == ERR_UNKNOWN || message->client_id.len)));
            continue;
        }
        assert_non_null(row);
        assert_int_equal(row->sender, message->sender);
        assert_int_equal(row->at_ms, message->at_ms);
        assert_str(str_of(row->client_id), message->client_id);
        if (!posts[i].repeated)
            assert_str(str_of(row->content), message->content);
        assert_int_equal(rows_with(message->content), 1);
    }
    assert_false(open_transaction);
}

static void check_post(size_t i, enum err err, uint64_t seq)
{
    assert_int_equal(posts[i].err, err);
    if (!err)
        assert_int_equal(posts[i].message.seq, seq);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

#endif
