#include "common/store/store_revise.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdio.h>

static const struct store_statement rows[] = {
    {SQL_EMPTY_REVISION, "UPDATE message SET content = ? WHERE conversation = ? AND seq = ?"},
    {SQL_REVISE, "UPDATE message SET content = ?, recalled = ?, revised_by = ?, extra = IF(recalled, NULL, extra)"
                 " WHERE conversation = ? AND seq = ?"},
};

enum { EMPTY_PARAMS = 3, REVISE_PARAMS = 5 };

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
                (revision->kind != MESSAGE_EDIT || json_get_string(object, "content", content));
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

/* ---- may it be? ---- */

struct looking {
    struct store_revised *revised;
    size_t count;
};

static void on_revised(void *arg, const struct db_value *c)
{
    const struct looking *looking = arg;
    size_t low = 0, high = looking->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct store_revised *at = &looking->revised[middle];
        if (at->conversation < c[0].number || (at->conversation == c[0].number && at->seq < c[1].number))
            low = middle + 1;
        else
            high = middle;
    }
    struct store_revised *revised = &looking->revised[low];
    if (low == looking->count || revised->conversation != c[0].number || revised->seq != c[1].number)
        return;
    revised->found = true;
    revised->sender = c[2].number;
    revised->kind = (enum message_kind)c[3].number;
    revised->recalled = c[4].number;
    revised->revised_by = c[5].number;
}

static enum err ask(struct store *store, struct looking *looking)
{
    struct buf sql;
    buf_init(&sql, 256 + looking->count * 96);
    buf_add_text(&sql, "SELECT conversation, seq, sender, kind, recalled, revised_by FROM message WHERE ");
    for (size_t i = 0; i < looking->count; i++) {
        const struct store_revised *revised = &looking->revised[i];
        if (i && revised[-1].conversation == revised->conversation)
            buf_add_char(&sql, ',');
        else
            buf_addf(&sql, "%s(conversation = %llu AND seq IN (", i ? ")) OR " : "",
                     (unsigned long long)revised->conversation);
        buf_add_u64(&sql, revised->seq);
    }
    buf_add_text(&sql, "))");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_revised, looking);
    buf_fini(&sql);
    return err;
}

enum err store_revise_look(struct store *store, struct store_revised *revised, size_t count)
{
    enum err err = ERR_OK;
    for (size_t at = 0; !err && at < count; at += STORE_KEYS_AT_ONCE) {
        size_t some = count - at < STORE_KEYS_AT_ONCE ? count - at : STORE_KEYS_AT_ONCE;
        err = ask(store, &(struct looking){revised + at, some});
    }
    return err;
}

enum err store_revise_verdict(const struct store_revised *revised, const struct message *revision)
{
    bool editable = revised->kind == MESSAGE_TEXT || revised->kind == MESSAGE_EMOJI;
    if (!revised->found || revised->recalled || (revised->last && revised->last->kind == MESSAGE_RECALL))
        return ERR_NOT_FOUND;
    if (revision->kind == MESSAGE_REACTION)
        return message_is_said(revised->kind) ? ERR_OK : ERR_DENIED;
    bool own = revised->sender == revision->sender; /* what the application said is its own */
    if (!own || !message_is_said(revised->kind) || (revision->kind == MESSAGE_EDIT && !editable))
        return ERR_DENIED;
    return ERR_OK;
}

/* ---- and then ---- */

enum err store_revise_apply(struct store *store, const struct store_revising *revising, size_t count)
{
    struct text {
        char emptied[48];
        struct json_object *object;
    } *texts = mem_zalloc(count * sizeof *texts);
    struct db_value *emptied = mem_zalloc(count * EMPTY_PARAMS * sizeof *emptied);
    struct db_value *changed = mem_zalloc(count * REVISE_PARAMS * sizeof *changed);
    size_t emptied_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_revised *revised = revising[i].revised;
        const struct message *revision = revising[i].revision;
        uint64_t of;
        struct str content;
        texts[i].object = read_revision(revision, &of, &content);
        if (revised->revised_by) {
            struct db_value *p = &emptied[emptied_count++ * EMPTY_PARAMS];
            snprintf(texts[i].emptied, sizeof texts[i].emptied, "{\"of\":%llu}", (unsigned long long)revised->seq);
            p[0] = DB_TEXT(str_of(texts[i].emptied));
            p[1] = DB_NUM(revised->conversation);
            p[2] = DB_NUM(revised->revised_by);
        }
        struct db_value *p = &changed[i * REVISE_PARAMS];
        p[0] = DB_TEXT(content);
        p[1] = DB_NUM(revision->kind == MESSAGE_RECALL);
        p[2] = DB_NUM(revision->seq);
        p[3] = DB_NUM(revised->conversation);
        p[4] = DB_NUM(revised->seq);
        revised->revised_by = revision->seq;
    }
    enum err err =
        emptied_count ? db_many(store->db, SQL_EMPTY_REVISION, emptied, emptied_count, EMPTY_PARAMS) : ERR_OK;
    if (!err && count)
        err = db_many(store->db, SQL_REVISE, changed, count, REVISE_PARAMS);
    for (size_t i = 0; i < count; i++)
        json_object_put(texts[i].object);
    free(texts);
    free(emptied);
    free(changed);
    return err;
}
