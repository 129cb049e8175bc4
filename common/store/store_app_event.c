#include "common/store/store_app_event.h"

#include "common/json.h"
#include "common/store/store_words.h"
#include "common/store/store_rights.h"
#include "common/store/store_sql.h"

/* Locks are taken in the order of the journal and of everything else: conversations, then members, then users. */
static const struct store_statement rows[] = {
    /* A deletion waits for this lock, and then finds the new member. */
    {SQL_APP_OPEN, "SELECT title FROM app_conversation WHERE conversation = ? AND deleted_at IS NULL FOR UPDATE"},
    {SQL_ROLE_LOCK, "SELECT role FROM member WHERE conversation = ? AND user = ? FOR UPDATE"},
    {SQL_SHOWN, "SELECT " STORE_SHOWN " FROM user u" STORE_SHOWN_OF " WHERE u.id = ?"},
};

const struct store_statements store_app_event_statements = STORE_STATEMENTS(rows);

/* ---- what is there ---- */

struct open {
    bool is_there;
    char title[APP_NAME_MAX + 1];
};

static void on_open(void *arg, const struct db_value *c)
{
    struct open *open = arg;
    open->is_there = true;
    store_copy(open->title, sizeof open->title, c[0].text);
}

static enum err look(struct store *store, const struct store_app_event *event, struct open *open)
{
    *open = (struct open){.is_there = false};
    return db_query(store->db, SQL_APP_OPEN, &DB_NUM(event->conversation), 1, on_open, open);
}

static enum err find_role(struct store *store, const struct store_app_event *event, enum store_member_role *role)
{
    uint64_t number = 0;
    struct db_value key[] = {DB_NUM(event->conversation), DB_NUM(event->user)};
    enum err err = db_query(store->db, SQL_ROLE_LOCK, key, 2, store_on_number, &number);
    *role = (enum store_member_role)number;
    return err;
}

/* An erased user cannot join; an erasure waits for this lock, and then finds the membership. */
static enum err find_user(struct store *store, const struct store_app_event *event, bool *is_there)
{
    uint64_t rights = RIGHTS_ERASED;
    enum err err = db_query(store->db, SQL_RIGHTS_LOCK, &DB_NUM(event->user), 1, store_on_number, &rights);
    *is_there = rights != RIGHTS_ERASED;
    return err;
}

static enum err revoke(struct store *store, struct store_app_event *event)
{
    struct store_revocation revocation = {.user = event->user, .conversation = event->conversation};
    uint32_t generation;
    event->revoked = true;
    return store_revoke_within(store, &revocation, &generation);
}

/* ---- what it says ---- */

void store_app_event_write(struct buf *out, enum message_kind kind, uint64_t by, enum store_member_role role,
                           enum store_member_role was, const struct str *name)
{
    json_begin_object(out);
    if (kind != MESSAGE_RENAMED)
        json_add_u64(out, "by", by);
    else if (name)
        json_add_string(out, "name", *name);
    if (kind == MESSAGE_JOINED)
        json_add_text(out, "role", role_word(role));
    if (kind == MESSAGE_JOINED && was)
        json_add_text(out, "was", role_word(was));
    json_end_object(out);
}

static void write_content(struct store_app_event *event, enum store_member_role was)
{
    struct buf out;
    buf_init(&out, sizeof event->content);
    store_app_event_write(&out, event->kind, event->by, event->role, was, event->change ? &event->change->title : NULL);
    buf_add_char(&out, '\0');
    CG_ASSERT(!out.failed);
    memcpy(event->content, out.data, out.len);
    buf_fini(&out);
}

/* ---- the changes ---- */

static enum err join(struct store *store, struct store_app_event *event, bool *changes, enum err *verdict)
{
    struct open open;
    enum store_member_role was = (enum store_member_role)0;
    bool is_there = false;
    enum err err = look(store, event, &open);
    if (!err && open.is_there)
        err = find_role(store, event, &was);
    if (!err && open.is_there)
        err = find_user(store, event, &is_there);
    if (err || !is_there) {
        *verdict = ERR_NOT_FOUND;
        return err;
    }
    *changes = !was || (!event->keep_role && was != event->role);
    event->made = !was;
    event->now = *changes ? event->role : was;
    if (!*changes)
        return ERR_OK;
    struct db_value row[] = {DB_NUM(event->conversation), DB_NUM(event->user), DB_NUM(event->role)};
    struct db_value role[] = {DB_NUM(event->role), DB_NUM(event->conversation), DB_NUM(event->user)};
    /* who may say something and who may not is known to a subscription from its beginning */
    if (was && (was == ROLE_READER) != (event->role == ROLE_READER))
        err = revoke(store, event);
    if (!err)
        err = was ? db_query(store->db, SQL_SET_ROLE, role, 3, NULL, NULL)
                  : db_query(store->db, SQL_ADD_APP_MEMBER, row, 3, NULL, NULL);
    write_content(event, was);
    return err;
}

static enum err expel(struct store *store, struct store_app_event *event, enum err *verdict)
{
    struct open open;
    enum store_member_role was = (enum store_member_role)0;
    struct db_value key[] = {DB_NUM(event->conversation), DB_NUM(event->user)};
    enum err err = look(store, event, &open);
    if (!err && open.is_there)
        err = find_role(store, event, &was);
    if (err || !was) {
        *verdict = ERR_NOT_FOUND;
        return err;
    }
    err = revoke(store, event);
    if (!err)
        err = db_query(store->db, SQL_REMOVE_MEMBER, key, 2, NULL, NULL);
    write_content(event, was);
    return err;
}

static enum err rename_it(struct store *store, struct store_app_event *event, bool *changes, enum err *verdict)
{
    struct open open;
    enum err err = look(store, event, &open);
    if (err || !open.is_there) {
        *verdict = ERR_NOT_FOUND;
        return err;
    }
    *changes = !str_eq(str_of(open.title), event->change->title);
    if (!*changes)
        return ERR_OK;
    write_content(event, (enum store_member_role)0);
    return store_app_conversation_patch(store, event->conversation, event->change);
}

enum err store_app_event_within(struct store *store, struct store_app_event *event, bool *changes, enum err *verdict)
{
    event->made = event->revoked = false;
    event->now = (enum store_member_role)0;
    *event->content = '\0';
    *changes = true;
    *verdict = ERR_OK;
    if (event->kind == MESSAGE_RENAMED)
        return rename_it(store, event, changes, verdict);
    return event->kind == MESSAGE_JOINED ? join(store, event, changes, verdict) : expel(store, event, verdict);
}

static void on_name(void *arg, const struct db_value *c)
{
    store_copy(arg, STORE_NAME_MAX + 1, c[0].text);
}

enum err store_app_event(struct store *store, struct store_app_event *event, int64_t patience_ms)
{
    char name[STORE_NAME_MAX + 1] = MESSAGE_SYSTEM_NAME;
    struct store_post post = {.message = {.conversation = event->conversation,
                                          .sender = event->user,
                                          .kind = event->kind,
                                          .sender_name = STR(""),
                                          .content = STR("")},
                              .event = event};
    CG_ASSERT(message_is_change(event->kind) && (event->user || event->kind == MESSAGE_RENAMED));
    event->told = NULL;
    enum err err = event->user ? db_query(store->db, SQL_SHOWN, &DB_NUM(event->user), 1, on_name, name) : ERR_OK;
    if (err)
        return err;
    post.message.sender_name = str_of(name);
    err = store_journal(store, &post, 1, patience_ms);
    err = err ? err : post.err;
    event->epoch = post.epoch;
    if (!err && !post.repeated)
        event->told = message_dup(&post.message);
    return err;
}
