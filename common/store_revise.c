#include "common/store_revise.h"

#include "common/json.h"
#include "common/store_sql.h"

#include <stdio.h>

static const struct store_statement rows[] = {
    {SQL_REVISED, "SELECT sender, kind, recalled FROM message WHERE conversation = ? AND seq = ?"},
    {SQL_EMPTY_REVISION, "UPDATE message earlier JOIN message changed ON changed.conversation = earlier.conversation"
                         " AND changed.revised_by = earlier.seq SET earlier.content = ?"
                         " WHERE changed.conversation = ? AND changed.seq = ?"},
    {SQL_REVISE, "UPDATE message SET content = ?, recalled = ?, revised_by = ?, extra = IF(recalled, NULL, extra)"
                 " WHERE conversation = ? AND seq = ?"},
};

const struct store_statements store_revise_statements = STORE_STATEMENTS(rows);

/* Content of ours: {"of":NUMBER} or {"of":NUMBER,"content":TEXT}. NULL: it is none; else json_object_put it. */
static struct json_object *read_revision(const struct message *revision, uint64_t *of, struct str *content)
{
    struct json_object *object;
    int64_t number;
    *content = STR("");
    if (json_parse_object(revision->content, &object))
        return NULL;
    bool fine = json_get_int(object, "of", 1, INT64_MAX, &number) &&
                (revision->kind == MESSAGE_RECALL || json_get_string(object, "content", content));
    if (!fine) {
        json_object_put(object);
        return NULL;
    }
    *of = (uint64_t)number;
    return object;
}

uint64_t store_revision_of(const struct message *revision)
{
    uint64_t of = 0;
    struct str content;
    json_object_put(read_revision(revision, &of, &content));
    return of;
}

struct revised {
    bool found, recalled;
    uint64_t sender;
    enum message_kind kind;
};

static void on_revised(void *arg, const struct db_value *c)
{
    *(struct revised *)arg = (struct revised){
        .found = true, .sender = c[0].number, .kind = (enum message_kind)c[1].number, .recalled = c[2].number};
}

enum err store_revision_check(struct store *store, const struct message *revision, enum err *verdict)
{
    struct revised revised = {.found = false};
    struct db_value key[] = {DB_NUM(revision->conversation), DB_NUM(store_revision_of(revision))};
    enum err err = db_query(store->db, SQL_REVISED, key, 2, on_revised, &revised);
    bool editable = revised.kind == MESSAGE_TEXT || revised.kind == MESSAGE_EMOJI;
    if (!revised.found || revised.recalled)
        *verdict = ERR_NOT_FOUND;
    else if (!revision->sender || revised.sender != revision->sender || !message_is_said(revised.kind) ||
             (revision->kind == MESSAGE_EDIT && !editable))
        *verdict = ERR_DENIED;
    else
        *verdict = ERR_OK;
    return err;
}

enum err store_revision_apply(struct store *store, const struct message *revision)
{
    uint64_t of = 0;
    struct str content;
    char empty[48];
    struct json_object *object = read_revision(revision, &of, &content);
    snprintf(empty, sizeof empty, "{\"of\":%llu}", (unsigned long long)of);
    struct db_value emptied[] = {DB_TEXT(str_of(empty)), DB_NUM(revision->conversation), DB_NUM(of)};
    enum err err = db_query(store->db, SQL_EMPTY_REVISION, emptied, 3, NULL, NULL);
    struct db_value changed[] = {DB_TEXT(content), DB_NUM(revision->kind == MESSAGE_RECALL), DB_NUM(revision->seq),
                                 DB_NUM(revision->conversation), DB_NUM(of)};
    if (!err)
        err = db_query(store->db, SQL_REVISE, changed, 5, NULL, NULL);
    json_object_put(object);
    return err;
}
