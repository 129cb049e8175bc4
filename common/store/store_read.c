/* store_read.c: reads messages: a range of one conversation, or many ranges in one statement. */
#include "common/store/store_authors.h"
#include "common/store/store_passing.h"
#include "common/store/store_sql.h"

static const struct store_statement rows[] = {
    {SQL_READ_FORWARD, "SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                       " WHERE conversation = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?"},
    {SQL_READ_LATEST, "SELECT * FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                      " WHERE conversation = ? AND seq > ? AND seq < ?"
                      " ORDER BY seq DESC LIMIT ?) AS latest ORDER BY seq"},
    {SQL_READ_FORWARD_BY,
     "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
     " WHERE conversation = ? AND seq > ? AND seq < ? ORDER BY seq LIMIT ?) AS r" STORE_AUTHORS_OF " ORDER BY r.seq"},
    {SQL_READ_LATEST_BY, "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (SELECT " STORE_MESSAGE_COLUMNS " FROM message"
                         " WHERE conversation = ? AND seq > ? AND seq < ?"
                         " ORDER BY seq DESC LIMIT ?) AS r" STORE_AUTHORS_OF " ORDER BY r.seq"},
};

const struct store_statements store_read_statements = STORE_STATEMENTS(rows);

/* JSON that begins like this, else `instead`: encoders cut its beginning or its end off. */
static struct str begun(struct str content, const char *begin, const char *instead)
{
    size_t len = strlen(begin);
    content = store_json(content, instead);
    return content.len > len && !memcmp(content.ptr, begin, len) ? content : str_of(instead);
}

/* What goes into frames as it is, of rows that are not ours: a transfer of nothing, an event that nobody listens to, a
 * change of no message. */
static struct str raw_of(enum message_kind kind, struct str content)
{
    if (kind == MESSAGE_TRANSFER)
        return begun(content, "{\"", "null");
    if (kind == MESSAGE_EVENT)
        return begun(content, "[\"", "[\"unreadable\"]");
    if (message_is_change(kind))
        return begun(content, "{\"", "{}");
    return message_has_of(kind) ? begun(content, "{\"", "{\"of\":0}") : content;
}

void store_on_message(void *arg, const struct db_value *c)
{
    struct store_reading *reading = arg;
    struct message message = {
        .conversation = reading->conversation,
        .seq = c[0].number,
        .sender = c[1].number,
        .kind = (enum message_kind)c[2].number,
        .sender_name = c[3].text,
        .content = c[4].text,
        .sent_at = c[5].text,
        .at_ms = (int64_t)c[6].number,
        .client_id = c[7].text,
        .audience = c[8].text,
        .revised_by = c[9].number,
        .recalled = c[10].number,
        .batch = c[11].number,
        .extra = c[12].text,
    };
    message.content = raw_of(message.kind, message.content);
    if (reading->authors)
        store_author_of(c + reading->authors, &message.author_id, &message.author_face);
    if (message.recalled) {
        message.kind = MESSAGE_TEXT;
        message.content = STR(MESSAGE_RECALLED_TEXT);
    }
    reading->fn(reading->arg, &message);
}

enum err store_read(struct store *store, const struct store_range *range, store_message_fn *fn, void *arg)
{
    struct store_reading reading = {range->conversation, range->authors ? STORE_MESSAGE_COLUMN_COUNT : 0, fn, arg};
    struct db_value params[] = {DB_NUM(range->conversation), DB_NUM(range->after), DB_NUM(range->before),
                                DB_NUM(range->limit)};
    if (range->said)
        return store_passing_read_said(store, range, fn, arg);
    enum statement sql = range->latest ? SQL_READ_LATEST : SQL_READ_FORWARD;
    if (range->authors)
        sql = range->latest ? SQL_READ_LATEST_BY : SQL_READ_FORWARD_BY;
    return db_query(store->db, sql, params, 4, store_on_message, &reading);
}

struct ranged {
    const struct store_range *ranges;
    size_t count;
    bool authors;
    store_ranged_fn *fn;
    void *arg;
};

static void on_ranged(void *arg, const struct message *message)
{
    const struct ranged *ranged = arg;
    for (size_t i = 0; i < ranged->count; i++) {
        const struct store_range *range = &ranged->ranges[i];
        if (range->conversation == message->conversation && range->after < message->seq && message->seq < range->before)
            ranged->fn(ranged->arg, i, message);
    }
}

static void on_ranged_row(void *arg, const struct db_value *columns)
{
    const struct ranged *ranged = arg;
    struct store_reading reading = {columns[STORE_MESSAGE_COLUMN_COUNT].number,
                                    ranged->authors ? STORE_MESSAGE_COLUMN_COUNT + 1 : 0, on_ranged, arg};
    store_on_message(&reading, columns);
}

/* Whether somebody before it wants the same: those who were away together missed the same. */
static bool is_repeated(const struct store_range *ranges, size_t i)
{
    const struct store_range *range = &ranges[i];
    for (size_t j = 0; j < i; j++)
        if (ranges[j].conversation == range->conversation && ranges[j].after == range->after &&
            ranges[j].before == range->before)
            return true;
    return false;
}

static bool wants_authors(const struct store_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ranges[i].authors)
            return true;
    return false;
}

enum err store_read_ranges(struct store *store, const struct store_range *ranges, size_t count, store_ranged_fn *fn,
                           void *arg)
{
    static const char with[] = "SELECT r.*, " STORE_AUTHOR_COLUMNS " FROM (";
    static const char select[] = "SELECT " STORE_MESSAGE_COLUMNS ", conversation FROM message FORCE INDEX (PRIMARY)";
    static const char order[] = " ORDER BY conversation, seq";
    static const char order_with[] = ") AS r" STORE_AUTHORS_OF " ORDER BY r.conversation, r.seq";
    struct ranged ranged = {ranges, count, wants_authors(ranges, count), fn, arg};
    struct buf sql;
    if (!count)
        return ERR_OK;
    buf_init(&sql, sizeof with + sizeof select + sizeof order + sizeof order_with + count * 120);
    if (ranged.authors)
        buf_add_text(&sql, with);
    buf_add_text(&sql, select);
    for (size_t i = 0; i < count; i++)
        if (!is_repeated(ranges, i))
            buf_addf(&sql, " %s (conversation = %llu AND seq > %llu AND seq < %llu)", i ? "OR" : "WHERE",
                     (unsigned long long)ranges[i].conversation, (unsigned long long)ranges[i].after,
                     (unsigned long long)ranges[i].before);
    buf_add_text(&sql, ranged.authors ? order_with : order);
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_ranged_row, &ranged);
    buf_fini(&sql);
    return err;
}
