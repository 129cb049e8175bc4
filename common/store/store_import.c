#include "common/store/store_import.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_feed.h"
#include "common/store/store_passing.h"
#include "common/store/store_sql.h"

#include <stdio.h>
#include <stdlib.h>

static const struct store_statement rows[] = {
    {SQL_IMPORT_FIND_USER, "SELECT id FROM user WHERE realm = 5 AND name = ?"},
    {SQL_IMPORT_USER, "INSERT INTO user (public_id, realm, name, created_at) VALUES (?, 5, ?, ?)"},
    {SQL_IMPORT_PROFILE, "INSERT INTO app_user (user, name, face, meta, role, changed_at)"
                         " VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP(3))"},
    {SQL_IMPORT_FIND_CONVERSATION, "SELECT c.id, a.type, COALESCE(p.user1, 0), COALESCE(p.user2, 0) FROM conversation c"
                                   " JOIN app_conversation a ON a.conversation = c.id AND a.deleted_at IS NULL"
                                   " LEFT JOIN pair p ON p.conversation = c.id WHERE c.kind = 6 AND c.name = ?"},
    {SQL_IMPORT_CONVERSATION, "INSERT INTO conversation (public_id, kind, name, created_at, seq, trimmed, keep_days,"
                              " keep_presence_lines_days) VALUES (?, 6, ?, ?, ?, ?, ?, ?)"},
    {SQL_IMPORT_TRIMMED, "SELECT trimmed FROM conversation WHERE id = ?"},
    {SQL_IMPORT_LOCK, "SELECT c.seq, c.last_at, c.feed_stream, c.feed_pos FROM conversation c"
                      " JOIN app_conversation a ON a.conversation = c.id AND a.deleted_at IS NULL"
                      " WHERE c.id = ? FOR UPDATE"},
    {SQL_IMPORT_RUN,
     "(SELECT from_seq, seq, count FROM import_run WHERE conversation = ? AND from_seq <= ?"
     "  ORDER BY from_seq DESC LIMIT 1) UNION ALL"
     " (SELECT from_seq, CAST(0 AS UNSIGNED), CAST(0 AS UNSIGNED) FROM import_run WHERE conversation = ? AND from_seq > ?"
     "  ORDER BY from_seq LIMIT 1)"},
    {SQL_IMPORT_ADD_RUN, "INSERT INTO import_run (conversation, from_seq, seq, count) VALUES (?, ?, ?, ?)"},
    {SQL_IMPORT_LONGER_RUN, "UPDATE import_run SET count = count + ? WHERE conversation = ? AND from_seq = ?"},
    {SQL_IMPORT_MESSAGE,
     "INSERT INTO message (conversation, seq, sender, batch_id, kind, sender_name, content, created_at,"
     " extra, recalled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    /* Of several changes only the last one keeps its text. */
    {SQL_IMPORT_EMPTY, "UPDATE message m JOIN message e ON e.conversation = m.conversation AND e.seq = m.revised_by"
                       " SET e.content = ? WHERE m.conversation = ? AND m.seq = ?"},
    {SQL_IMPORT_REVISE, "UPDATE message SET content = IF(? AND NOT recalled, ?, content), revised_by = ?,"
                        " extra = IF(?, NULL, extra), recalled = IF(?, 1, recalled)"
                        " WHERE conversation = ? AND seq = ? AND kind IN (" STORE_KINDS_SAID ")"},
    {SQL_IMPORT_MEMBER,
     "INSERT INTO member (conversation, user, role, joined_at, read_seq) SELECT ?, ?, ?, ?, ? FROM DUAL"
     " WHERE NOT EXISTS (SELECT 1 FROM member WHERE conversation = ? AND user = ?)"
     " AND NOT EXISTS (SELECT 1 FROM sanction WHERE kind = 4 AND user = ? AND conversation = ?)"},
    {SQL_IMPORT_REACTION, "INSERT IGNORE INTO reaction (conversation, seq, user, emoji) VALUES (?, ?, ?, ?)"},
};
_Static_assert(REALM_APP == 5 && KIND_APP == 6, "as the statements say");

const struct store_statements store_import_statements = STORE_STATEMENTS(rows);

/* Carried out in a transaction, as often as it takes. */
typedef enum err work_fn(struct store *store, void *arg);

static enum err carry_out(struct store *store, work_fn *work, void *arg)
{
    struct store_tries tries = {0};
    enum err err;
    do {
        err = db_begin(store->db);
        if (err)
            continue;
        err = work(store, arg);
        if (!err)
            err = db_commit(store->db);
        store_feed_settle(store, err);
        if (err && err != ERR_UNKNOWN)
            db_rollback(store->db);
    } while (store_again(&tries, &err));
    return err;
}

/* ---- users ---- */

struct user_work {
    const struct app_claims *claims;
    char at[CLOCK_TEXT_MAX];
};

static enum err add_user(struct store *store, void *arg)
{
    const struct user_work *work = arg;
    const struct app_claims *claims = work->claims;
    char public_id[ID_MAX];
    id_make(STORE_USER_PREFIX, public_id);
    struct db_value user[] = {DB_TEXT(str_of(public_id)), DB_TEXT(claims->id), DB_TEXT(str_of(work->at))};
    enum err err = db_query(store->db, SQL_IMPORT_USER, user, 3, NULL, NULL);
    struct db_value profile[] = {DB_NUM(db_insert_id(store->db)), DB_TEXT(claims->name), DB_TEXT(claims->face),
                                 claims->meta.len ? DB_TEXT(claims->meta) : DB_NULL, DB_NUM(claims->role)};
    return err ? err : db_query(store->db, SQL_IMPORT_PROFILE, profile, 5, NULL, NULL);
}

enum err store_import_user(struct store *store, const struct app_claims *claims, int64_t created_ms, uint64_t *user,
                           bool *made)
{
    struct user_work work = {.claims = claims};
    *made = false;
    *user = 0;
    enum err err = db_query(store->db, SQL_IMPORT_FIND_USER, &DB_TEXT(claims->id), 1, store_on_number, user);
    if (err || *user)
        return err;
    clock_format_utc(created_ms, work.at);
    err = carry_out(store, add_user, &work);
    *made = !err;
    if (err && err != ERR_DUPLICATE) /* of that id: somebody was quicker, or a lost answer was a good one */
        return err;
    err = db_query(store->db, SQL_IMPORT_FIND_USER, &DB_TEXT(claims->id), 1, store_on_number, user);
    return !err && !*user ? ERR_DUPLICATE : err;
}

/* ---- conversations ---- */

struct conversation_work {
    const struct store_import_conversation *wanted;
    struct str public_id;
    uint64_t pair[2]; /* ascending */
    char at[CLOCK_TEXT_MAX];
};

static enum err add_conversation(struct store *store, void *arg)
{
    const struct conversation_work *work = arg;
    const struct store_import_conversation *wanted = work->wanted;
    const struct store_life *life = &wanted->life;
    struct db_value row[] = {DB_TEXT(work->public_id),
                             DB_TEXT(wanted->id),
                             DB_TEXT(str_of(work->at)),
                             DB_NUM(life->trimmed),
                             DB_NUM(life->trimmed),
                             life->has_days ? DB_NUM(life->days) : DB_NULL,
                             life->has_presence_days ? DB_NUM(life->presence_days) : DB_NULL};
    enum err err = db_query(store->db, SQL_IMPORT_CONVERSATION, row, 7, NULL, NULL);
    uint64_t conversation = db_insert_id(store->db);
    struct db_value of[] = {DB_NUM(conversation), DB_NUM(wanted->type), DB_TEXT(wanted->title),
                            wanted->meta.len ? DB_TEXT(wanted->meta) : DB_NULL,
                            wanted->created_by ? DB_NUM(wanted->created_by) : DB_NULL};
    struct db_value two[] = {DB_NUM(conversation), DB_NUM(work->pair[0]), DB_NUM(work->pair[1])};
    if (!err)
        err = db_query(store->db, SQL_ADD_APP_CONVERSATION, of, 5, NULL, NULL);
    if (!err && work->pair[0])
        err = db_query(store->db, SQL_ADD_PAIR, two, 3, NULL, NULL);
    return err;
}

struct found {
    uint64_t conversation, type, pair[2];
};

static void on_found(void *arg, const struct db_value *c)
{
    *(struct found *)arg = (struct found){c[0].number, c[1].number, {c[2].number, c[3].number}};
}

/* ERR_NOT_FOUND: there is none of that id. */
static enum err find_conversation(struct store *store, const struct conversation_work *work, uint64_t *conversation)
{
    struct found found = {0};
    enum err err = db_query(store->db, SQL_IMPORT_FIND_CONVERSATION, &DB_TEXT(work->wanted->id), 1, on_found, &found);
    if (err || !found.conversation)
        return err ? err : ERR_NOT_FOUND;
    bool same_pair = !work->pair[0] || !found.pair[0] || /* one of them was erased, there or here */
                     (found.pair[0] == work->pair[0] && found.pair[1] == work->pair[1]);
    *conversation = found.conversation;
    return found.type == work->wanted->type && same_pair ? ERR_OK : ERR_DUPLICATE;
}

enum err store_import_conversation(struct store *store, const struct store_import_conversation *wanted,
                                   uint64_t *conversation, bool *made)
{
    struct conversation_work work = {.wanted = wanted, .public_id = wanted->public_id};
    char public_id[ID_MAX];
    const uint64_t *pair = wanted->pair;
    if (pair[0] && pair[1] && pair[0] != pair[1]) {
        work.pair[0] = pair[0] < pair[1] ? pair[0] : pair[1];
        work.pair[1] = pair[0] < pair[1] ? pair[1] : pair[0];
    }
    *made = false;
    enum err err = find_conversation(store, &work, conversation);
    if (err != ERR_NOT_FOUND)
        return err;
    clock_format_utc(wanted->created_ms, work.at);
    id_make(STORE_CONVERSATION_PREFIX, public_id);
    if (!work.public_id.len)
        work.public_id = str_of(public_id);
    err = carry_out(store, add_conversation, &work);
    if (err == ERR_DUPLICATE && !str_eq(wanted->id, wanted->public_id)) { /* perhaps only its public id is taken */
        work.public_id = str_of(public_id);
        err = carry_out(store, add_conversation, &work);
    }
    *made = !err;
    if (err && err != ERR_DUPLICATE)
        return err;
    err = find_conversation(store, &work, conversation);
    return err == ERR_NOT_FOUND ? ERR_DUPLICATE : err;
}

/* ---- which message became which ---- */

struct run {
    uint64_t from_seq, seq, count;
};

static bool covers(const struct run *run, uint64_t from_seq)
{
    return run->count && from_seq >= run->from_seq && from_seq - run->from_seq < run->count;
}

/* What is known of a number there: the last run that begins at or before it, and where the next one begins. */
struct place {
    struct run run;
    uint64_t next;  /* 0: no further one */
    uint64_t asked; /* the number; 0: none yet */
};

static void on_run(void *arg, const struct db_value *c)
{
    struct place *place = arg;
    if (c[2].number)
        place->run = (struct run){c[0].number, c[1].number, c[2].number};
    else
        place->next = c[0].number;
}

/* Without asking if it lies between what was found for a lower one. */
static enum err find_place(struct store *store, uint64_t conversation, uint64_t from_seq, struct place *place)
{
    if (place->asked && from_seq >= place->asked && (!place->next || from_seq < place->next))
        return ERR_OK;
    struct db_value params[] = {DB_NUM(conversation), DB_NUM(from_seq), DB_NUM(conversation), DB_NUM(from_seq)};
    *place = (struct place){.asked = from_seq};
    return db_query(store->db, SQL_IMPORT_RUN, params, 4, on_run, place);
}

/* ---- messages ---- */

struct batch {
    uint64_t conversation;
    struct store_import_message *messages;
    size_t count;

    /* of this attempt */
    bool found;
    uint64_t id, seq;
    int64_t last_ms;
    struct feed_place fed;
    struct place place;
    struct run fresh[IMPORT_AT_ONCE];
    size_t fresh_count;
    struct store_import_message *added[IMPORT_AT_ONCE];
    size_t added_count;
    struct buf texts; /* what they point into: reserved once, so that it does not move */
};

static void on_lock(void *arg, const struct db_value *c)
{
    struct batch *batch = arg;
    batch->found = true;
    batch->seq = c[0].number;
    batch->last_ms = (int64_t)c[1].number;
    batch->fed = (struct feed_place){c[2].number, c[3].number};
}

static bool find_fresh(const struct batch *batch, uint64_t from_seq, uint64_t *seq)
{
    for (size_t i = batch->fresh_count; i-- > 0;)
        if (covers(&batch->fresh[i], from_seq)) {
            *seq = batch->fresh[i].seq + (from_seq - batch->fresh[i].from_seq);
            return true;
        }
    return false;
}

/* Its number here; 0: it was not imported. */
static enum err map_seq(struct store *store, struct batch *batch, uint64_t from_seq, uint64_t *seq)
{
    struct place place = {.asked = 0};
    *seq = 0;
    if (!from_seq || find_fresh(batch, from_seq, seq))
        return ERR_OK;
    enum err err = find_place(store, batch->conversation, from_seq, &place);
    if (!err && covers(&place.run, from_seq))
        *seq = place.run.seq + (from_seq - place.run.from_seq);
    return err;
}

static void note_fresh(struct batch *batch, uint64_t from_seq, uint64_t seq)
{
    struct run *last = batch->fresh_count ? &batch->fresh[batch->fresh_count - 1] : NULL;
    if (last && last->from_seq + last->count == from_seq && last->seq + last->count == seq)
        last->count++;
    else
        batch->fresh[batch->fresh_count++] = (struct run){from_seq, seq, 1};
}

/* What came since then lies in `texts`. */
static struct str written(const struct batch *batch, size_t begin)
{
    return (struct str){batch->texts.data + begin, batch->texts.len - begin};
}

enum { WRITTEN_MAX = 64 }; /* bytes around what a message holds */

static size_t room_for(const struct store_import_message *import)
{
    return import->message.content.len * 6 + import->message.extra.len + import->mentions.len + 2 * WRITTEN_MAX;
}

static void write_revision(struct batch *batch, struct store_import_message *import, uint64_t of,
                           struct message *message)
{
    struct buf *out = &batch->texts;
    size_t begin = out->len;
    bool is_reaction = message->kind == MESSAGE_REACTION;
    json_begin_object(out);
    json_add_u64(out, "of", of);
    if (import->has_content)
        json_add_string(out, is_reaction ? "emoji" : "content", import->message.content);
    if (import->has_content && is_reaction)
        json_add_bool(out, "on", import->on);
    json_end_object(out);
    message->content = written(batch, begin);
}

static void write_extra(struct batch *batch, struct store_import_message *import, uint64_t reply_to,
                        struct message *message)
{
    struct buf *texts = &batch->texts;
    size_t begin = texts->len, first = begin + 1;
    if (message->extra.len || reply_to || import->mentions.len)
        buf_add_char(texts, MESSAGE_ABOUT_MARK);
    buf_add_str(texts, message->extra);
    if (reply_to)
        buf_addf(texts, "%s\"reply_to\":%llu", texts->len > first ? "," : "", (unsigned long long)reply_to);
    if (import->mentions.len) /* they come last: about_without_mentions */
        buf_add_text(texts, texts->len > first ? ",\"mentions\":" : "\"mentions\":");
    buf_add_str(texts, import->mentions);
    message->extra = written(batch, begin);
    import->cut = import->reply_to && !reply_to;
}

/* The next number, unless it was imported before, or what it changes was not. `row`: what is stored. */
static enum err take(struct store *store, struct batch *batch, struct store_import_message *import, struct message *row)
{
    uint64_t seq, other;
    import->known = import->late = import->cut = false;
    import->err = ERR_OK;
    enum err err = find_place(store, batch->conversation, import->from_seq, &batch->place);
    if (err)
        return err;
    import->known = covers(&batch->place.run, import->from_seq) || find_fresh(batch, import->from_seq, &seq);
    if (import->known)
        return ERR_OK;
    err = map_seq(store, batch, import->of ? import->of : import->reply_to, &other);
    if (err)
        return err;
    if (import->of && !other) {
        import->err = ERR_NOT_FOUND;
        return ERR_OK;
    }
    *row = import->message;
    if (import->of)
        write_revision(batch, import, other, row);
    else
        write_extra(batch, import, other, row);
    row->conversation = batch->conversation;
    row->seq = ++batch->seq;
    row->batch = batch->id;
    import->late = row->at_ms < batch->last_ms;
    if (import->late)
        row->at_ms = batch->last_ms;
    batch->last_ms = row->at_ms;
    note_fresh(batch, import->from_seq, row->seq);
    batch->added[batch->added_count++] = import;
    return ERR_OK;
}

static enum err insert(struct store *store, const struct batch *batch, const struct message *added)
{
    enum { IMPORT_PARAMS = 10 };
    struct db_value params[IMPORT_AT_ONCE * IMPORT_PARAMS];
    char at[IMPORT_AT_ONCE][CLOCK_TEXT_MAX];
    for (size_t i = 0; i < batch->added_count; i++) {
        const struct message *m = &added[i];
        struct db_value *p = &params[i * IMPORT_PARAMS];
        clock_format_utc(m->at_ms, at[i]);
        p[0] = DB_NUM(m->conversation);
        p[1] = DB_NUM(m->seq);
        p[2] = m->sender ? DB_NUM(m->sender) : DB_NULL;
        p[3] = DB_NUM(m->batch);
        p[4] = DB_NUM(m->kind);
        p[5] = DB_TEXT(m->sender_name);
        p[6] = DB_TEXT(m->content);
        p[7] = DB_TEXT(str_of(at[i]));
        p[8] = m->extra.len ? DB_TEXT(m->extra) : DB_NULL;
        p[9] = DB_NUM(m->recalled);
    }
    return db_many(store->db, SQL_IMPORT_MESSAGE, params, batch->added_count, IMPORT_PARAMS);
}

/* What an edit or a recall does to its message. */
static enum err revise(struct store *store, struct batch *batch, const struct store_import_message *import,
                       uint64_t seq)
{
    char emptied[WRITTEN_MAX];
    bool recalls = import->message.kind == MESSAGE_RECALL;
    uint64_t of;
    enum err err = map_seq(store, batch, import->of, &of);
    if (err)
        return err;
    snprintf(emptied, sizeof emptied, "{\"of\":%llu}", (unsigned long long)of);
    struct db_value empty[] = {DB_TEXT(str_of(emptied)), DB_NUM(batch->conversation), DB_NUM(of)};
    struct db_value change[] = {DB_NUM(recalls || import->has_content),
                                DB_TEXT(recalls ? STR("") : import->message.content),
                                DB_NUM(seq),
                                DB_NUM(recalls),
                                DB_NUM(recalls),
                                DB_NUM(batch->conversation),
                                DB_NUM(of)};
    err = db_query(store->db, SQL_IMPORT_EMPTY, empty, 3, NULL, NULL);
    return err ? err : db_query(store->db, SQL_IMPORT_REVISE, change, 7, NULL, NULL);
}

/* As the journal does. */
static enum err note_passing(struct store *store, const struct batch *batch, const struct message *added)
{
    struct store_run runs[IMPORT_AT_ONCE];
    size_t count = 0;
    for (size_t i = 0; i < batch->added_count; i++) {
        const struct message *message = &added[i];
        if (!message_is_passing(message->kind))
            continue;
        if (count && runs[count - 1].last + 1 == message->seq)
            runs[count - 1].last++;
        else
            runs[count++] = (struct store_run){message->conversation, message->seq, message->seq};
    }
    return count ? store_passing_add(store, runs, count) : ERR_OK;
}

static enum err feed(struct store *store, struct batch *batch, const struct message *added)
{
    struct feed_entry entries[IMPORT_AT_ONCE];
    for (size_t i = 0; i < batch->added_count; i++)
        entries[i] = (struct feed_entry){&added[i], &batch->fed};
    return store->feed.on ? store_feed_add(store, entries, batch->added_count) : ERR_OK;
}

static enum err write_runs(struct store *store, const struct batch *batch)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < batch->fresh_count; i++) {
        const struct run *run = &batch->fresh[i];
        struct place place = {.asked = 0};
        err = find_place(store, batch->conversation, run->from_seq, &place);
        const struct run *before = &place.run;
        bool goes_on = before->count && before->from_seq + before->count == run->from_seq &&
                       before->seq + before->count == run->seq;
        struct db_value longer[] = {DB_NUM(run->count), DB_NUM(batch->conversation), DB_NUM(before->from_seq)};
        struct db_value row[] = {DB_NUM(batch->conversation), DB_NUM(run->from_seq), DB_NUM(run->seq),
                                 DB_NUM(run->count)};
        if (!err)
            err = goes_on ? db_query(store->db, SQL_IMPORT_LONGER_RUN, longer, 3, NULL, NULL)
                          : db_query(store->db, SQL_IMPORT_ADD_RUN, row, 4, NULL, NULL);
    }
    return err;
}

static enum err write(struct store *store, struct batch *batch, const struct message *added)
{
    struct db_value counter[] = {DB_NUM(batch->seq), DB_NUM((uint64_t)batch->last_ms), DB_NUM(0), DB_NUM(0),
                                 DB_NUM(batch->conversation)};
    enum err err = insert(store, batch, added);
    for (size_t i = 0; !err && i < batch->added_count; i++)
        if (batch->added[i]->of && batch->added[i]->message.kind != MESSAGE_REACTION)
            err = revise(store, batch, batch->added[i], added[i].seq);
    if (!err)
        err = note_passing(store, batch, added);
    if (!err)
        err = feed(store, batch, added);
    counter[2] = DB_NUM(batch->fed.stream);
    counter[3] = DB_NUM(batch->fed.pos);
    if (!err)
        err = db_query(store->db, SQL_SET_SEQ, counter, 5, NULL, NULL);
    return err ? err : write_runs(store, batch);
}

static enum err add_messages(struct store *store, void *arg)
{
    struct batch *batch = arg;
    struct message *added = mem_zalloc(IMPORT_AT_ONCE * sizeof *added);
    batch->found = false;
    batch->id = id_random();
    batch->place.asked = batch->fresh_count = batch->added_count = batch->texts.len = 0;
    enum err err = db_query(store->db, SQL_IMPORT_LOCK, &DB_NUM(batch->conversation), 1, on_lock, batch);
    if (!err && !batch->found)
        err = ERR_NOT_FOUND;
    for (size_t i = 0; !err && i < batch->count; i++)
        err = take(store, batch, &batch->messages[i], &added[batch->added_count]);
    if (!err && batch->added_count)
        err = write(store, batch, added);
    for (size_t i = 0; !err && i < batch->added_count; i++) {
        batch->added[i]->message.seq = added[i].seq;
        batch->added[i]->message.conversation = batch->conversation;
    }
    free(added);
    return err;
}

enum err store_import_messages(struct store *store, uint64_t conversation, struct store_import_message *messages,
                               size_t count)
{
    struct batch *batch = mem_zalloc(sizeof *batch);
    size_t room = 0;
    CG_ASSERT(count <= IMPORT_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        room += room_for(&messages[i]);
    batch->conversation = conversation;
    batch->messages = messages;
    batch->count = count;
    buf_init(&batch->texts, room);
    char *reserved = buf_reserve(&batch->texts, room);
    CG_ASSERT(reserved || !room);
    enum err err = carry_out(store, add_messages, batch);
    CG_ASSERT(!batch->texts.failed);
    buf_fini(&batch->texts);
    free(batch);
    return err;
}

/* ---- members and reactions ---- */

/* The number here of the last message up to that one there. What comes before all of them is gone there, and here, too. */
static enum err map_read(struct store *store, uint64_t conversation, uint64_t read, uint64_t *seq)
{
    struct place place = {.asked = 0};
    uint64_t trimmed = 0;
    *seq = 0;
    enum err err = read ? find_place(store, conversation, read, &place) : ERR_OK;
    if (!err && read && !place.run.count) {
        err = db_query(store->db, SQL_IMPORT_TRIMMED, &DB_NUM(conversation), 1, store_on_number, &trimmed);
        *seq = read < trimmed ? read : trimmed;
    } else if (read && place.run.count) {
        uint64_t passed = read - place.run.from_seq;
        *seq = place.run.seq + (passed < place.run.count ? passed : place.run.count - 1);
    }
    return err;
}

enum err store_import_member(struct store *store, const struct store_import_member *member, bool *made)
{
    char at[CLOCK_TEXT_MAX];
    uint64_t seq;
    enum err err = map_read(store, member->conversation, member->read, &seq);
    clock_format_utc(member->joined_ms, at);
    struct db_value row[] = {DB_NUM(member->conversation), DB_NUM(member->user), DB_NUM(member->role),
                             DB_TEXT(str_of(at)),          DB_NUM(seq),          DB_NUM(member->conversation),
                             DB_NUM(member->user),         DB_NUM(member->user), DB_NUM(member->conversation)};
    struct store_tries tries = {0};
    *made = false;
    if (err)
        return err;
    do {
        err = db_query(store->db, SQL_IMPORT_MEMBER, row, 9, NULL, NULL);
        *made |= !err && db_affected(store->db);
    } while (store_again(&tries, &err));
    return err == ERR_DUPLICATE ? ERR_OK : err;
}

enum err store_import_reaction(struct store *store, uint64_t conversation, uint64_t seq, uint64_t user,
                               struct str emoji, bool *made)
{
    struct batch none = {.conversation = conversation};
    struct store_tries tries = {0};
    uint64_t here;
    enum err err = map_seq(store, &none, seq, &here);
    *made = false;
    if (err || !here)
        return err ? err : ERR_NOT_FOUND;
    struct db_value row[] = {DB_NUM(conversation), DB_NUM(here), DB_NUM(user), DB_TEXT(emoji)};
    do {
        err = db_query(store->db, SQL_IMPORT_REACTION, row, 4, NULL, NULL);
        *made |= !err && db_affected(store->db);
    } while (store_again(&tries, &err));
    return err;
}
