#include "common/store/store_reaction.h"

#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdlib.h>

enum { AT_ONCE = 100, REACTION_PARAMS = 4 };

static const struct store_statement rows[] = {
    {SQL_ADD_REACTION, "INSERT IGNORE INTO reaction (conversation, seq, user, emoji) VALUES (?, ?, ?, ?)"},
    {SQL_REMOVE_REACTION, "DELETE FROM reaction WHERE conversation = ? AND seq = ? AND user = ? AND emoji = ?"},
    {SQL_REACTIONS,
     "SELECT c.seq, r.seq, r.emoji, COUNT(r.user), COALESCE(SUM(r.user = ?), 0) FROM conversation c"
     " LEFT JOIN (SELECT conversation, seq, emoji, user FROM reaction WHERE conversation = ? AND seq >= ?"
     "  AND seq <= ? ORDER BY conversation, seq, emoji, user LIMIT 20000) r ON r.conversation = c.id"
     " WHERE c.id = ? GROUP BY c.seq, r.seq, r.emoji ORDER BY r.seq, r.emoji"},
};
_Static_assert(STORE_REACTIONS_COUNTED == 20000, "as SQL_REACTIONS says");

const struct store_statements store_reaction_statements = STORE_STATEMENTS(rows);

/* ---- what it says ---- */

static bool skip(struct str *at, const char *text)
{
    size_t len = strlen(text);
    if (at->len < len || memcmp(at->ptr, text, len) != 0)
        return false;
    *at = (struct str){at->ptr + len, at->len - len};
    return true;
}

bool store_reaction_read(const struct message *message, struct store_reacting *reacting)
{
    struct str at = message->content;
    uint64_t of = 0;
    if (message->kind != MESSAGE_REACTION || !skip(&at, "{\"of\":"))
        return false;
    for (; at.len && at.ptr[0] >= '0' && at.ptr[0] <= '9'; at.ptr++, at.len--)
        of = of * 10 + (uint64_t)(at.ptr[0] - '0');
    if (!skip(&at, ",\"emoji\":\""))
        return false;
    struct str emoji = {at.ptr, 0};
    while (emoji.len < at.len && at.ptr[emoji.len] != '"')
        emoji.len++;
    *reacting = (struct store_reacting){
        .conversation = message->conversation, .seq = of, .user = message->sender, .emoji = emoji};
    at = (struct str){at.ptr + emoji.len, at.len - emoji.len};
    reacting->on = str_eq(at, STR("\",\"on\":true}"));
    return of && emoji.len && emoji.len <= STORE_EMOJI_MAX && (reacting->on || str_eq(at, STR("\",\"on\":false}")));
}

/* ---- what changes something ---- */

static bool same_message(const struct store_reacting *a, const struct store_reacting *b)
{
    return a->conversation == b->conversation && a->seq == b->seq;
}

static bool same(const struct store_reacting *a, const struct store_reacting *b)
{
    return same_message(a, b) && a->user == b->user && str_eq(a->emoji, b->emoji);
}

/* An emoji that a message has. */
struct had {
    uint64_t conversation, seq;
    size_t len;
    char emoji[STORE_EMOJI_MAX];
};

struct looking {
    struct store_reacting *reactings;
    size_t count;
    struct had *had;
    size_t had_count, had_cap;
};

static void on_there(void *arg, const struct db_value *c)
{
    struct looking *looking = arg;
    const struct store_reacting row = {
        .conversation = c[0].number, .seq = c[1].number, .user = c[2].number, .emoji = c[3].text};
    for (size_t i = 0; i < looking->count; i++)
        if (same(&looking->reactings[i], &row))
            looking->reactings[i].there = true; /* so far: that it is there */
}

static void add_had(struct looking *looking, uint64_t conversation, uint64_t seq, struct str emoji)
{
    for (size_t i = 0; i < looking->had_count; i++) {
        const struct had *had = &looking->had[i];
        if (had->conversation == conversation && had->seq == seq && str_eq(emoji, (struct str){had->emoji, had->len}))
            return;
    }
    if (looking->had_count == looking->had_cap) {
        looking->had_cap = looking->had_cap ? 2 * looking->had_cap : 32;
        looking->had = mem_realloc(looking->had, looking->had_cap * sizeof looking->had[0]);
    }
    struct had *had = &looking->had[looking->had_count++];
    *had = (struct had){.conversation = conversation, .seq = seq, .len = emoji.len};
    memcpy(had->emoji, emoji.ptr, emoji.len);
}

static void on_had(void *arg, const struct db_value *c)
{
    if (c[2].text.len <= STORE_EMOJI_MAX)
        add_had(arg, c[0].number, c[1].number, c[2].text);
}

static enum err ask_there(struct store *store, struct looking *looking)
{
    struct buf sql;
    buf_init(&sql, 256 + looking->count * (STORE_HEX_LEN(STORE_EMOJI_MAX) + 160));
    buf_add_text(&sql, "SELECT conversation, seq, user, emoji FROM reaction WHERE ");
    for (size_t i = 0; i < looking->count; i++) {
        const struct store_reacting *one = &looking->reactings[i];
        buf_addf(&sql, "%s(conversation = %llu AND seq = %llu AND user = %llu AND emoji = ", i ? " OR " : "",
                 (unsigned long long)one->conversation, (unsigned long long)one->seq, (unsigned long long)one->user);
        store_add_hex(&sql, one->emoji);
        buf_add_char(&sql, ')');
    }
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_there, looking);
    buf_fini(&sql);
    return err;
}

static bool is_first_of_message(const struct looking *looking, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (same_message(&looking->reactings[j], &looking->reactings[i]))
            return false;
    return true;
}

/* Each message's emoji: the key is read once for each of them, however many people there are. */
static enum err ask_had(struct store *store, struct looking *looking)
{
    struct buf sql;
    bool any = false;
    buf_init(&sql, 256 + looking->count * 200);
    for (size_t i = 0; i < looking->count; i++) {
        const struct store_reacting *one = &looking->reactings[i];
        if (!is_first_of_message(looking, i))
            continue;
        buf_addf(&sql,
                 "%s(SELECT conversation, seq, emoji FROM reaction WHERE conversation = %llu AND seq = %llu"
                 " GROUP BY conversation, seq, emoji)",
                 any ? " UNION ALL " : "", (unsigned long long)one->conversation, (unsigned long long)one->seq);
        any = true;
    }
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_had, looking);
    buf_fini(&sql);
    return err;
}

/* In the order in which they came. */
static void judge(struct looking *looking, struct store_reacting *one)
{
    size_t different = 0;
    bool known = false;
    one->there = one->there == one->on; /* from now on: that it is so */
    if (!one->on || one->there)
        return;
    for (size_t i = 0; i < looking->had_count; i++) {
        const struct had *had = &looking->had[i];
        if (had->conversation != one->conversation || had->seq != one->seq)
            continue;
        different++;
        known |= str_eq(one->emoji, (struct str){had->emoji, had->len});
    }
    one->full = !known && different >= STORE_EMOJIS_MAX;
    if (!known && !one->full)
        add_had(looking, one->conversation, one->seq, one->emoji);
}

static void find_twins(struct store_reacting *reactings, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t j = 0; j < i && !reactings[i].twin; j++)
            reactings[i].twin = same(&reactings[j], &reactings[i]);
}

enum err store_reactions_look(struct store *store, struct store_reacting *reactings, size_t count)
{
    struct looking looking = {.reactings = NULL};
    enum err err = ERR_OK;
    find_twins(reactings, count);
    for (size_t at = 0; !err && at < count; at += AT_ONCE) {
        looking.reactings = reactings + at;
        looking.count = count - at < AT_ONCE ? count - at : AT_ONCE;
        err = ask_there(store, &looking);
        if (!err)
            err = ask_had(store, &looking);
        for (size_t i = 0; !err && i < looking.count; i++)
            judge(&looking, &looking.reactings[i]);
    }
    free(looking.had);
    return err;
}

static enum err apply(struct store *store, const struct store_reacting *reactings, size_t count, bool on)
{
    struct db_value *params = mem_zalloc((count + 1) * REACTION_PARAMS * sizeof *params);
    size_t some = 0;
    for (size_t i = 0; i < count; i++) {
        if (reactings[i].on != on)
            continue;
        struct db_value *p = &params[some++ * REACTION_PARAMS];
        p[0] = DB_NUM(reactings[i].conversation);
        p[1] = DB_NUM(reactings[i].seq);
        p[2] = DB_NUM(reactings[i].user);
        p[3] = DB_TEXT(reactings[i].emoji);
    }
    enum err err =
        some ? db_many(store->db, on ? SQL_ADD_REACTION : SQL_REMOVE_REACTION, params, some, REACTION_PARAMS) : ERR_OK;
    free(params);
    return err;
}

enum err store_reactions_apply(struct store *store, const struct store_reacting *reactings, size_t count)
{
    enum err err = apply(store, reactings, count, true);
    return err ? err : apply(store, reactings, count, false);
}

/* ---- reading ---- */

struct listing {
    struct store_reaction *reactions;
    size_t count, cap;
    uint64_t seq;
};

static void on_reaction(void *arg, const struct db_value *c)
{
    struct listing *listing = arg;
    listing->seq = c[0].number;
    if (c[1].is_null)
        return;
    if (listing->count == listing->cap) {
        listing->cap = listing->cap ? 2 * listing->cap : 16;
        listing->reactions = mem_realloc(listing->reactions, listing->cap * sizeof listing->reactions[0]);
    }
    struct store_reaction *one = &listing->reactions[listing->count++];
    *one = (struct store_reaction){.seq = c[1].number, .count = c[3].number};
    one->me = c[4].is_number ? c[4].number > 0 : !str_eq(c[4].text, STR("0"));
    store_copy(one->emoji, sizeof one->emoji, c[2].text);
}

enum err store_reactions(struct store *store, uint64_t conversation, uint64_t first, uint64_t last, uint64_t user,
                         struct store_reaction **reactions, size_t *count, uint64_t *seq)
{
    struct listing listing = {.count = 0};
    struct db_value params[] = {DB_NUM(user), DB_NUM(conversation), DB_NUM(first), DB_NUM(last), DB_NUM(conversation)};
    enum err err = db_query(store->db, SQL_REACTIONS, params, 5, on_reaction, &listing);
    *reactions = listing.reactions;
    *count = listing.count;
    *seq = listing.seq;
    return err;
}
