#include "common/store/store_export.h"

#include "common/about.h"
#include "common/app_claims.h"
#include "common/clock.h"
#include "common/hex.h"
#include "common/json.h"
#include "common/media_name.h"
#include "common/mem.h"
#include "common/store/store_app_conversation.h"
#include "common/store/store_words.h"
#include "common/store/store_sql.h"

#include <stdio.h>
#include <stdlib.h>

#define MS(column) "CAST(COALESCE(ROUND(UNIX_TIMESTAMP(" column ") * 1000), 0) AS UNSIGNED)"
/* What a conversation is called outside: the application's id, while it has one. */
#define PLACE "IF(c.kind = 6 AND c.name >= ' ', c.name, c.public_id)"
#define CONVERSATION \
    "c.id, c.kind, " PLACE ", c.public_id, IF(c.kind = 6, COALESCE(a.title, ''), IF(c.kind IN (2, 3), '', c.name))," \
    " a.type, a.meta, " MS("c.created_at") ", p1.name, p2.name, b.name, c.trimmed, c.keep_days," \
                                           " c.keep_presence_lines_days"
#define CONVERSATION_JOINED \
    " LEFT JOIN app_conversation a ON a.conversation = c.id" \
    " LEFT JOIN pair p ON p.conversation = c.id AND c.kind = 6" \
    " LEFT JOIN user p1 ON p1.id = p.user1 LEFT JOIN user p2 ON p2.id = p.user2 LEFT JOIN user b ON b.id = a.created_by"
#define MEMBER "m.role, " MS("m.joined_at") ", m.read_seq"
#define OWN    "SELECT t.*, c.kind AS of_kind, " PLACE " FROM (SELECT " STORE_MESSAGE_COLUMNS ", conversation FROM message"
#define OWN_END \
    " ORDER BY conversation, seq LIMIT ?) t JOIN conversation c ON c.id = t.conversation ORDER BY t.conversation, t.seq"

enum { ROWS = 100, CONVERSATION_COLUMNS = 14, MEDIA_MAX = 2 * ROWS };

static const struct store_statement rows[] = {
    {SQL_EXPORT_USER, "SELECT u.name, COALESCE(a.name, ''), COALESCE(a.face, ''), a.role, a.meta, " MS(
                          "u.created_at") " FROM user u LEFT JOIN app_user a ON a.user = u.id WHERE u.id = ?"},
    {SQL_EXPORT_USERS, "SELECT u.name, COALESCE(a.name, ''), COALESCE(a.face, ''), a.role, a.meta, " MS(
                           "u.created_at") " FROM user u LEFT JOIN app_user a ON a.user = u.id"
                                           " WHERE u.realm = 5 AND u.name > ? ORDER BY u.name LIMIT ?"},
    {SQL_EXPORT_PLACES_OF, "SELECT " CONVERSATION ", " MEMBER " FROM (SELECT * FROM member WHERE user = ?"
                           "  AND conversation > ? ORDER BY conversation LIMIT ?) m"
                           " JOIN conversation c ON c.id = m.conversation" CONVERSATION_JOINED " ORDER BY c.id"},
    {SQL_EXPORT_PLACES, "SELECT " CONVERSATION " FROM (SELECT conversation FROM app_conversation WHERE conversation > ?"
                        "  AND deleted_at IS NULL ORDER BY conversation LIMIT ?) t"
                        " JOIN conversation c ON c.id = t.conversation" CONVERSATION_JOINED " ORDER BY c.id"},
    /* The index is named, because the other one leads through whatever others said there. */
    {SQL_EXPORT_SAID_THERE,
     OWN " FORCE INDEX (message_sender) WHERE sender = ? AND conversation = ? AND seq > ?" OWN_END},
    {SQL_EXPORT_SAID_BEYOND, OWN " FORCE INDEX (message_sender) WHERE sender = ? AND conversation > ?" OWN_END},
    {SQL_EXPORT_REACTIONS_OF,
     "SELECT r.conversation, r.seq, r.emoji, r.user, u.name, " PLACE " FROM (SELECT * FROM reaction WHERE user = ?"
     "  AND conversation >= ? AND (conversation > ? OR seq > ? OR (seq = ? AND emoji > ?))"
     "  ORDER BY conversation, seq, emoji LIMIT ?) r"
     " JOIN conversation c ON c.id = r.conversation JOIN user u ON u.id = r.user"
     " ORDER BY r.conversation, r.seq, r.emoji"},
    {SQL_EXPORT_REACTIONS,
     "SELECT r.conversation, r.seq, r.emoji, r.user, u.name, " PLACE " FROM (SELECT * FROM reaction"
     "  WHERE conversation = ? AND seq >= ? AND (seq > ? OR emoji > ? OR (emoji = ? AND user > ?))"
     "  ORDER BY seq, emoji, user LIMIT ?) r"
     " JOIN conversation c ON c.id = r.conversation JOIN user u ON u.id = r.user ORDER BY r.seq, r.emoji, r.user"},
    {SQL_EXPORT_MEMBERS, "SELECT " MEMBER ", m.user, u.name FROM (SELECT * FROM member WHERE conversation = ?"
                         "  AND user > ? ORDER BY user LIMIT ?) m JOIN user u ON u.id = m.user ORDER BY m.user"},
    {SQL_EXPORT_MEDIA, "SELECT kind, bytes, " MS("created_at") " FROM media WHERE name = ?"},
    {SQL_EXPORT_FILES, "SELECT name FROM media_owner WHERE owner = ? AND name > ? ORDER BY name LIMIT ?"},
};
_Static_assert(REALM_APP == 5 && KIND_APP == 6 && KIND_FRIENDS == 2 && KIND_CUSTOMERS == 3, "as the statements say");
/* The derived table, which conversation, its kind and its name. */
_Static_assert(STORE_MESSAGE_COLUMN_COUNT + 3 <= DB_MAX_COLUMNS, "what OWN selects");

const struct store_statements store_export_statements = STORE_STATEMENTS(rows);

/* ---- the cursor ---- */

void store_export_init(struct store_export *export, const struct store_app_user *of, const char *media_url)
{
    *export = (struct store_export){.of = of, .media_url = media_url};
}

static void go(struct store_export *export, enum export_phase phase)
{
    export->phase = phase;
    export->seq = export->other = 0;
    *export->emoji = '\0';
    if (export->of)
        export->conversation = 0;
}

void store_export_cursor(const struct store_export *export, char cursor[EXPORT_CURSOR_MAX])
{
    int len = snprintf(cursor, EXPORT_CURSOR_MAX, "%d.%llu.%llu.", export->phase,
                       (unsigned long long)export->conversation, (unsigned long long)export->seq);
    hex_write(cursor + len, export->emoji, strlen(export->emoji));
    cursor[(size_t)len + 2 * strlen(export->emoji)] = '\0';
}

static bool cut(struct str *rest, struct str *word)
{
    const char *dot = memchr(rest->ptr, '.', rest->len);
    return dot && str_take(rest, (size_t)(dot - rest->ptr), word) && str_take(rest, 1, &(struct str){NULL, 0});
}

bool store_export_resume(struct store_export *export, struct str cursor)
{
    struct str words[3];
    int64_t numbers[3];
    uint64_t byte;
    for (size_t i = 0; i < 3; i++)
        if (!cut(&cursor, &words[i]) || !json_whole(words[i], &numbers[i]) || numbers[i] < 0)
            return false;
    if (numbers[0] > EXPORT_FILES || cursor.len % 2 || cursor.len > 2 * EXPORT_EMOJI_MAX)
        return false;
    export->phase = (enum export_phase)numbers[0];
    export->conversation = (uint64_t)numbers[1];
    export->seq = (uint64_t)numbers[2];
    for (size_t i = 0; i < cursor.len / 2; i++) {
        if (!hex_number(cursor.ptr + 2 * i, 2, &byte) || !byte)
            return false;
        export->emoji[i] = (char)byte;
    }
    export->emoji[cursor.len / 2] = '\0';
    return true;
}

/* ---- lines ---- */

/* One piece. */
struct piece {
    struct store *store;
    struct store_export *export;
    struct buf *out;
    size_t begin, found; /* bytes that were there before; rows there were */
    bool full;
    struct str place; /* of the row at hand */
    enum store_kind kind;

    /* The sender and the mentioned users are known only once all messages were read, so until then the parts of each
     * line after its author wait here. */
    struct buf waiting;
    struct line {
        size_t begin, author, named, end; /* offsets in `waiting`, and where author and mentions belong */
        uint64_t sender;
        size_t first, count; /* in `users`: its mentions */
        const char *as;      /* a list, or, if it is "by", one */
    } lines[ROWS];
    size_t line_count;
    struct names {
        uint64_t *users; /* that lines name, in their order; then, sorted, all who are looked for */
        size_t count, cap;
        struct name {
            uint64_t user;
            char id[APP_ID_MAX + 1]; /* empty: no user of the application */
        } *all;                      /* ascending */
        size_t all_count;
    } names;

    struct mentioned {
        char name[MEDIA_NAME_MAX + 1];
        char place[STORE_NAME_MAX + 1]; /* empty: of the profile */
        uint64_t seq;
    } media[MEDIA_MAX];
    size_t media_count;
};

static void begin_line(struct buf *out, const char *type)
{
    json_begin_object(out);
    json_add_text(out, "type", type);
}

static void end_line(struct piece *piece)
{
    buf_add_text(piece->out, "}\n");
    piece->full |= piece->out->len - piece->begin >= EXPORT_BYTES;
}

static void add_texts(struct piece *piece, const char *const *names, const struct db_value *c)
{
    for (size_t i = 0; names[i]; i++)
        if (!c[i].is_null && c[i].text.len)
            json_add_string(piece->out, names[i], c[i].text);
}

/* Every run of digits before a dot may end with a name of an upload. */
static void find_media(struct piece *piece, struct str text, struct str place, uint64_t seq)
{
    for (size_t at = MEDIA_DIGITS; at < text.len && piece->media_count < MEDIA_MAX; at++) {
        struct str name = {text.ptr + at - MEDIA_DIGITS, MEDIA_DIGITS + 1};
        if (text.ptr[at] != '.')
            continue;
        while (name.len < MEDIA_NAME_MAX && name.ptr + name.len < text.ptr + text.len &&
               media_name_ok((struct str){name.ptr, name.len + 1}))
            name.len++;
        struct mentioned *mentioned = &piece->media[piece->media_count];
        if (!media_name_ok(name))
            continue;
        piece->media_count++;
        store_copy(mentioned->name, sizeof mentioned->name, name);
        store_copy(mentioned->place, sizeof mentioned->place, place);
        mentioned->seq = seq;
    }
}

/* kind, bytes, when */
struct upload {
    struct buf *out;
    bool found;
};

static void on_upload(void *arg, const struct db_value *c)
{
    struct upload *upload = arg;
    upload->found = true;
    json_add_string(upload->out, "kind", c[0].text);
    json_add_u64(upload->out, "bytes", c[1].number);
    json_add_u64(upload->out, "created", c[2].number);
}

static enum err add_media(struct piece *piece)
{
    enum err err = ERR_OK;
    for (size_t i = 0; !err && i < piece->media_count; i++) {
        const struct mentioned *mentioned = &piece->media[i];
        struct upload upload = {piece->out, false};
        size_t begin = piece->out->len;
        begin_line(piece->out, "media");
        if (*mentioned->place) {
            json_add_text(piece->out, "conversation", mentioned->place);
            json_add_u64(piece->out, "seq", mentioned->seq);
        }
        json_add_joined(piece->out, "url", str_of(piece->export->media_url), str_of(mentioned->name));
        err = db_query(piece->store->db, SQL_EXPORT_MEDIA, &DB_TEXT(str_of(mentioned->name)), 1, on_upload, &upload);
        end_line(piece);
        if (!upload.found && !piece->out->failed) /* something that only looks like one, or is gone */
            piece->out->len = begin;
    }
    return err;
}

/* ---- users ---- */

/* id, name, face, role, meta, when it was made */
static void on_user(void *arg, const struct db_value *c)
{
    static const char *const names[] = {"id", "name", "face", NULL};
    struct piece *piece = arg;
    piece->found++;
    if (piece->full || !app_id_ok(c[0].text))
        return;
    begin_line(piece->out, "user");
    add_texts(piece, names, c);
    json_add_text(piece->out, "role", app_role_name((enum store_user_role)c[3].number));
    if (!c[4].is_null)
        json_add_raw(piece->out, "meta", store_json(c[4].text, "{}"));
    json_add_u64(piece->out, "created", c[5].number);
    end_line(piece);
    find_media(piece, c[2].text, STR(""), 0);
    store_copy(piece->export->place, sizeof piece->export->place, c[0].text);
}

static enum err tell_users(struct piece *piece)
{
    struct store_export *export = piece->export;
    char after[STORE_NAME_MAX + 1] = "\x1f"; /* who is being erased comes before it */
    if (*export->place)
        memcpy(after, export->place, sizeof after); /* the row function sets it */
    struct db_value params[] = {DB_TEXT(str_of(after)), DB_NUM(ROWS)};
    enum err err = export->of
                       ? db_query(piece->store->db, SQL_EXPORT_USER, &DB_NUM(export->of->user), 1, on_user, piece)
                       : db_query(piece->store->db, SQL_EXPORT_USERS, params, 2, on_user, piece);
    if (!piece->full && (export->of || piece->found < ROWS))
        go(export, EXPORT_PLACES);
    return err;
}

static enum err tell_head(struct piece *piece)
{
    begin_line(piece->out, "export");
    json_add_u64(piece->out, "version", LINES_VERSION);
    if (piece->export->of)
        json_add_text(piece->out, "user", piece->export->of->id);
    json_add_int(piece->out, "at", clock_wall_ms());
    end_line(piece);
    go(piece->export, EXPORT_USERS);
    return ERR_OK;
}

/* ---- conversations ---- */

static bool is_before(struct str one, struct str other)
{
    size_t common = one.len < other.len ? one.len : other.len;
    int order = common ? memcmp(one.ptr, other.ptr, common) : 0;
    return order ? order < 0 : one.len < other.len;
}

/* In the order of their ids: their numbers are others in every installation. */
static void add_pair(struct buf *out, const struct db_value *c)
{
    bool swapped = !c[0].is_null && !c[1].is_null && is_before(c[1].text, c[0].text);
    json_add_array(out, "users");
    for (size_t i = 0; i < 2; i++) {
        const struct db_value *user = &c[swapped ? 1 - i : i];
        if (!user->is_null && app_id_ok(user->text))
            json_add_string(out, NULL, user->text);
    }
    json_end_array(out);
}

/* What is gone from its front, and what is to be. */
static void add_life(struct buf *out, const struct db_value *c)
{
    if (c[0].number)
        json_add_u64(out, "trimmed", c[0].number);
    if (!c[1].is_null)
        json_add_u64(out, "keep_days", c[1].number);
    if (!c[2].is_null)
        json_add_u64(out, "keep_presence_lines_days", c[2].number);
}

static void add_member(struct piece *piece, struct str user, const struct db_value *c)
{
    begin_line(piece->out, "member");
    json_add_string(piece->out, "conversation", piece->place);
    json_add_string(piece->out, "user", user);
    json_add_text(piece->out, "role", role_word((enum store_member_role)c[0].number));
    json_add_u64(piece->out, "joined", c[1].number);
    json_add_u64(piece->out, "read", c[2].number);
    end_line(piece);
}

static void on_place(void *arg, const struct db_value *c)
{
    static const char *const names[] = {"id", "public_id", "name", NULL};
    struct piece *piece = arg;
    enum store_kind kind = (enum store_kind)c[1].number;
    piece->found++;
    if (piece->full)
        return;
    begin_line(piece->out, "conversation");
    add_texts(piece, names, c + 2);
    json_add_text(piece->out, "kind", conversation_word(kind, (enum store_app_type)c[5].number));
    if (!c[6].is_null)
        json_add_raw(piece->out, "meta", store_json(c[6].text, "{}"));
    if (kind == KIND_APP && c[5].number == APP_DIRECT)
        add_pair(piece->out, c + 8);
    if (!c[10].is_null && app_id_ok(c[10].text))
        json_add_string(piece->out, "created_by", c[10].text);
    json_add_u64(piece->out, "created", c[7].number);
    add_life(piece->out, c + 11);
    end_line(piece);
    piece->export->conversation = c[0].number;
    store_copy(piece->export->place, sizeof piece->export->place, c[2].text);
}

static void on_own_place(void *arg, const struct db_value *c)
{
    struct piece *piece = arg;
    if (!piece->full) {
        on_place(piece, c);
        piece->place = c[2].text;
        add_member(piece, str_of(piece->export->of->id), c + CONVERSATION_COLUMNS);
    } else {
        piece->found++;
    }
}

/* For one user many conversations at once; for a full export one, which is exported whole before the next. */
static enum err tell_places(struct piece *piece)
{
    struct store_export *export = piece->export;
    struct db_value one[] = {DB_NUM(export->conversation), DB_NUM(1)};
    if (!export->of) {
        enum err err = db_query(piece->store->db, SQL_EXPORT_PLACES, one, 2, on_place, piece);
        go(export, piece->found ? EXPORT_SAID : EXPORT_END);
        return err;
    }
    struct db_value own[] = {DB_NUM(export->of->user), DB_NUM(export->conversation), DB_NUM(ROWS)};
    enum err err = db_query(piece->store->db, SQL_EXPORT_PLACES_OF, own, 3, on_own_place, piece);
    if (!piece->full && piece->found < ROWS)
        go(export, EXPORT_SAID);
    return err;
}

static void on_member(void *arg, const struct db_value *c)
{
    struct piece *piece = arg;
    piece->found++;
    if (piece->full)
        return;
    if (app_id_ok(c[4].text))
        add_member(piece, c[4].text, c);
    piece->export->other = c[3].number;
}

static enum err tell_members(struct piece *piece)
{
    struct store_export *export = piece->export;
    struct db_value params[] = {DB_NUM(export->conversation), DB_NUM(export->other), DB_NUM(ROWS)};
    piece->place = str_of(export->place);
    enum err err = db_query(piece->store->db, SQL_EXPORT_MEMBERS, params, 3, on_member, piece);
    if (!piece->full && piece->found < ROWS)
        go(export, EXPORT_PLACES);
    return err;
}

/* ---- what was said ---- */

/* Of a transfer the score: the rest are credentials of those who took part. */
static void add_data(struct buf *out, const struct message *message)
{
    struct json_object *object;
    int64_t score = 0;
    if (message->kind != MESSAGE_TRANSFER) {
        json_add_raw(out, "data", message->content);
    } else if (!json_parse_object(message->content, &object)) {
        json_get_int(object, "score", INT64_MIN, INT64_MAX, &score);
        json_object_put(object);
        json_add_object(out, "data");
        json_add_int(out, "score", score);
        json_end_object(out);
    }
}

/* ---- mentions ---- */

static void add_name(struct names *names, uint64_t user)
{
    if (names->count == names->cap) {
        names->cap = names->cap ? 2 * names->cap : 256;
        names->users = mem_realloc(names->users, names->cap * sizeof names->users[0]);
    }
    names->users[names->count++] = user;
}

static int by_user(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b; /* of a struct name it is the first member */
    return left < right ? -1 : left > right;
}

static const char *id_of(const struct names *names, uint64_t user)
{
    const struct name *name = user ? bsearch(&user, names->all, names->all_count, sizeof names->all[0], by_user) : NULL;
    return name ? name->id : "";
}

static void on_id(void *arg, uint64_t user, struct str id)
{
    struct names *names = arg;
    struct name *name = bsearch(&user, names->all, names->all_count, sizeof names->all[0], by_user);
    if (name && app_id_ok(id))
        store_copy(name->id, sizeof name->id, id);
}

/* All senders and mentioned users, each once. */
static enum err find_names(struct piece *piece)
{
    struct names *names = &piece->names;
    size_t count = names->count + piece->line_count, distinct = 0;
    uint64_t *sorted = mem_zalloc((count + 1) * sizeof sorted[0]);
    enum err err = ERR_OK;
    if (names->count)
        memcpy(sorted, names->users, names->count * sizeof sorted[0]);
    for (size_t i = 0; i < piece->line_count; i++)
        sorted[names->count + i] = piece->lines[i].sender;
    qsort(sorted, count, sizeof sorted[0], by_user);
    names->all = mem_zalloc((count + 1) * sizeof names->all[0]);
    for (size_t i = 0; i < count; i++)
        if (sorted[i] && (!distinct || sorted[i] != names->all[distinct - 1].user))
            names->all[distinct++].user = sorted[i];
    names->all_count = distinct;
    for (size_t at = 0; !err && at < distinct; at += STORE_KEYS_AT_ONCE) {
        size_t some = distinct - at < STORE_KEYS_AT_ONCE ? distinct - at : STORE_KEYS_AT_ONCE;
        for (size_t i = 0; i < some; i++)
            sorted[i] = names->all[at + i].user;
        err = store_app_ids(piece->store, sorted, some, on_id, names);
    }
    free(sorted);
    return err;
}

/* Leaves out users without an id of the application's. */
static void add_named(struct buf *out, const struct names *names, const struct line *line)
{
    bool is_list = line->as && strcmp(line->as, "by") != 0, any = false;
    for (size_t i = 0; i < line->count; i++) {
        const char *id = id_of(names, names->users[line->first + i]);
        if (!*id)
            continue;
        if (is_list && !any)
            json_add_array(out, line->as);
        json_add_text(out, is_list ? NULL : line->as, id);
        any = true;
    }
    if (is_list && any)
        json_end_array(out);
}

/* ---- lines of messages ---- */

/* A message's fields after its author, up to its mentions. */
static void add_said(struct piece *piece, const struct message *message, enum store_kind place)
{
    struct buf *out = &piece->waiting;
    struct line *line = &piece->lines[piece->line_count];
    struct str frame = message_frame(message), about = message_about(message);
    uint64_t users[ABOUT_MENTIONS_MAX];
    json_add_string(out, "content", message->content);
    if (message->revised_by)
        json_add_u64(out, "edited", message->revised_by);
    json_add_raw(out, NULL, place == KIND_APP && frame.len ? frame : about_without_mentions(about));
    if (frame.len && place != KIND_APP) {
        json_add_object(out, "extra");
        buf_add_str(out, frame);
        json_end_object(out);
    }
    line->as = "mentions";
    line->count = about_mentions(about, users);
    for (size_t i = 0; i < line->count; i++)
        add_name(&piece->names, users[i]);
}

/* The same of a change: who made it comes last, in its data. */
static void add_change(struct piece *piece, const struct message *message)
{
    struct buf *out = &piece->waiting;
    struct line *line = &piece->lines[piece->line_count];
    static const char *const names[] = {"name", "role", "was"};
    struct json_object *object;
    struct str text;
    int64_t by = 0;
    json_add_object(out, "data");
    if (json_parse_object(message->content, &object))
        return; /* not of our making */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_get_string(object, names[i], &text))
            json_add_string(out, names[i], text);
    if (json_get_int(object, "by", 1, INT64_MAX, &by)) {
        line->as = "by";
        line->count = 1;
        add_name(&piece->names, (uint64_t)by);
    }
    json_object_put(object);
}

static void begin_message(struct buf *out, const struct message *message, struct str place)
{
    const char *kind = kind_word(message->kind);
    begin_line(out, message_is_said(message->kind) ? "message" : "event");
    json_add_string(out, "conversation", place);
    json_add_u64(out, "seq", message->seq);
    json_add_int(out, "ts", message->at_ms);
    json_add_text(out, "kind", kind ? kind : "other");
}

static void add_line(struct piece *piece, const struct message *message, enum store_kind place)
{
    struct buf *out = &piece->waiting;
    struct line *line = &piece->lines[piece->line_count];
    *line = (struct line){.begin = out->len, .sender = message->sender, .first = piece->names.count};
    begin_message(out, message, piece->place);
    line->author = out->len;
    if (message->sender_name.len)
        json_add_string(out, "name", message->sender_name);
    if (message->recalled)
        json_add_bool(out, "recalled", true);
    else if (message_is_said(message->kind))
        add_said(piece, message, place);
    else if (message_is_change(message->kind))
        add_change(piece, message);
    else if (!message_is_presence(message->kind))
        add_data(out, message);
    line->named = out->len;
    if (message_is_change(message->kind))
        json_end_object(out);
    buf_add_text(out, "}\n");
    line->end = out->len;
    piece->line_count++;
    piece->full |= out->len >= EXPORT_BYTES;
    find_media(piece, message->content, piece->place, message->seq);
}

static void begin_lines(struct piece *piece)
{
    buf_init(&piece->waiting, EXPORT_BYTES + EXPORT_LINE_MAX);
}

/* With senders and mentions. */
static enum err end_lines(struct piece *piece)
{
    struct buf *out = piece->out;
    enum err err = piece->waiting.failed ? ERR_INTERNAL : find_names(piece);
    for (size_t i = 0; !err && i < piece->line_count; i++) {
        const struct line *line = &piece->lines[i];
        const char *id = id_of(&piece->names, line->sender), *text = piece->waiting.data;
        buf_add(out, text + line->begin, line->author - line->begin);
        if (*id)
            json_add_text(out, "from", id);
        buf_add(out, text + line->author, line->named - line->author);
        add_named(out, &piece->names, line);
        buf_add(out, text + line->named, line->end - line->named);
    }
    buf_fini(&piece->waiting);
    free(piece->names.users);
    free(piece->names.all);
    return err;
}

static void on_own(void *arg, const struct message *message)
{
    struct piece *piece = arg;
    piece->export->conversation = message->conversation;
    piece->export->seq = message->seq;
    add_line(piece, message, piece->kind);
}

static void on_own_row(void *arg, const struct db_value *c)
{
    struct piece *piece = arg;
    const struct db_value *of = c + STORE_MESSAGE_COLUMN_COUNT;
    struct store_reading reading = {of[0].number, 0, on_own, piece};
    piece->found++;
    if (piece->full)
        return;
    piece->kind = (enum store_kind)of[1].number;
    piece->place = of[2].text;
    store_on_message(&reading, c);
}

static enum err tell_own(struct piece *piece)
{
    struct store_export *export = piece->export;
    struct db_value there[] = {DB_NUM(export->of->user), DB_NUM(export->conversation), DB_NUM(export->seq),
                               DB_NUM(ROWS)};
    struct db_value beyond[] = {DB_NUM(export->of->user), DB_NUM(export->conversation), DB_NUM(ROWS)};
    enum err err = ERR_OK;
    begin_lines(piece);
    if (export->conversation)
        err = db_query(piece->store->db, SQL_EXPORT_SAID_THERE, there, 4, on_own_row, piece);
    if (!err && !piece->full && piece->found < ROWS) {
        beyond[2] = DB_NUM(ROWS - piece->found);
        err = db_query(piece->store->db, SQL_EXPORT_SAID_BEYOND, beyond, 3, on_own_row, piece);
    }
    enum err bad = end_lines(piece);
    if (!piece->full && piece->found < ROWS)
        go(export, EXPORT_REACTIONS);
    return err ? err : bad;
}

/* ---- of everybody ---- */

static void on_message(void *arg, const struct message *message)
{
    struct piece *piece = arg;
    piece->found++;
    if (piece->full)
        return;
    piece->export->seq = message->seq;
    add_line(piece, message, KIND_APP);
}

static enum err tell_all(struct piece *piece)
{
    struct store_export *export = piece->export;
    struct store_range range = {
        .conversation = export->conversation, .after = export->seq, .before = INT64_MAX, .limit = ROWS};
    piece->place = str_of(export->place);
    begin_lines(piece);
    enum err err = store_read(piece->store, &range, on_message, piece), bad = end_lines(piece);
    if (!piece->full && piece->found < ROWS)
        go(export, EXPORT_REACTIONS);
    return err ? err : bad;
}

static void on_reaction(void *arg, const struct db_value *c)
{
    struct piece *piece = arg;
    struct store_export *export = piece->export;
    piece->found++;
    if (piece->full)
        return;
    if (app_id_ok(c[4].text)) {
        begin_line(piece->out, "reaction");
        json_add_string(piece->out, "conversation", c[5].text);
        json_add_u64(piece->out, "seq", c[1].number);
        json_add_string(piece->out, "user", c[4].text);
        json_add_string(piece->out, "emoji", c[2].text);
        end_line(piece);
    }
    export->conversation = c[0].number;
    export->seq = c[1].number;
    export->other = c[3].number;
    store_copy(export->emoji, sizeof export->emoji, c[2].text);
}

static enum err tell_reactions(struct piece *piece)
{
    struct store_export *export = piece->export;
    char emoji[EXPORT_EMOJI_MAX + 1];
    memcpy(emoji, export->emoji, sizeof emoji); /* the row function sets it */
    struct str last = str_of(emoji);
    struct db_value own[] = {DB_NUM(export->of ? export->of->user : 0),
                             DB_NUM(export->conversation),
                             DB_NUM(export->conversation),
                             DB_NUM(export->seq),
                             DB_NUM(export->seq),
                             DB_TEXT(last),
                             DB_NUM(ROWS)};
    struct db_value all[] = {
        DB_NUM(export->conversation), DB_NUM(export->seq), DB_NUM(export->seq), DB_TEXT(last), DB_TEXT(last),
        DB_NUM(export->other),        DB_NUM(ROWS)};
    enum err err = export->of ? db_query(piece->store->db, SQL_EXPORT_REACTIONS_OF, own, 7, on_reaction, piece)
                              : db_query(piece->store->db, SQL_EXPORT_REACTIONS, all, 7, on_reaction, piece);
    if (!piece->full && piece->found < ROWS)
        go(export, export->of ? EXPORT_FILES : EXPORT_MEMBERS);
    return err;
}

/* ---- what a user brought ---- */

static void on_file(void *arg, const struct db_value *c)
{
    struct piece *piece = arg;
    struct mentioned *mentioned = &piece->media[piece->media_count++];
    piece->found++;
    *mentioned = (struct mentioned){.seq = 0};
    store_copy(mentioned->name, sizeof mentioned->name, c[0].text);
    store_copy(piece->export->emoji, sizeof piece->export->emoji, c[0].text);
}

static enum err tell_files(struct piece *piece)
{
    struct store_export *export = piece->export;
    char after[EXPORT_EMOJI_MAX + 1];
    memcpy(after, export->emoji, sizeof after); /* the row function sets it */
    struct db_value params[] = {DB_NUM(export->of->user), DB_TEXT(str_of(after)), DB_NUM(ROWS)};
    enum err err = db_query(piece->store->db, SQL_EXPORT_FILES, params, 3, on_file, piece);
    if (piece->found < ROWS)
        go(export, EXPORT_END);
    return err;
}

/* ---- one piece ---- */

static enum err tell(struct piece *piece)
{
    bool own = piece->export->of;
    switch (piece->export->phase) {
    case EXPORT_HEAD: return tell_head(piece);
    case EXPORT_USERS: return tell_users(piece);
    case EXPORT_PLACES: return tell_places(piece);
    case EXPORT_SAID: return own ? tell_own(piece) : tell_all(piece);
    case EXPORT_REACTIONS: return tell_reactions(piece);
    case EXPORT_FILES: return tell_files(piece);
    case EXPORT_MEMBERS: return tell_members(piece);
    case EXPORT_END: break;
    }
    return ERR_OK;
}

enum err store_export_next(struct store *store, struct store_export *export, struct buf *out)
{
    struct piece *piece = mem_zalloc(sizeof *piece);
    *piece = (struct piece){.store = store, .export = export, .out = out, .begin = out->len};
    enum err err = tell(piece);
    if (!err)
        err = add_media(piece);
    free(piece);
    return !err && out->failed ? ERR_INTERNAL : err;
}
