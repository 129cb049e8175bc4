#include "common/service/app_rules.h"

#include "common/json.h"
#include "common/mem.h"
#include "common/store/store_words.h"

#include <stdlib.h>

/* ---- who may what ---- */

bool app_role_may(enum store_member_role role, enum app_act act)
{
    static const bool may[ROLE_READER + 1][APP_COUNT] = {
        [ROLE_OWNER] = {[APP_READ] = true, [APP_SAY] = true, [APP_MODERATE] = true, [APP_OWN] = true},
        [ROLE_MODERATOR] = {[APP_READ] = true, [APP_SAY] = true, [APP_MODERATE] = true},
        [ROLE_MEMBER] = {[APP_READ] = true, [APP_SAY] = true},
        [ROLE_READER] = {[APP_READ] = true},
    };
    return role >= ROLE_OWNER && role <= ROLE_READER && may[role][act];
}

/* In a conversation of two nobody is above the other. */
enum store_member_role app_acting_role(const struct app_actor *actor, const struct store_app_conversation *of)
{
    bool moderates = actor->role >= USER_MODERATOR && of->type != APP_DIRECT;
    return moderates && of->role > ROLE_MODERATOR ? ROLE_MODERATOR : of->role;
}

bool app_may_change(const struct app_actor *actor, const struct store_app_conversation *of, bool is_self,
                    enum store_member_role from, enum store_member_role to)
{
    enum store_member_role own = app_acting_role(actor, of);
    bool low = (!from || from >= ROLE_MEMBER) && (!to || to >= ROLE_MEMBER);
    if (!actor->is_user || app_role_may(own, APP_OWN))
        return true;
    if (app_role_may(own, APP_MODERATE) && low)
        return true;
    if (!is_self)
        return false;
    return !to || (of->type == APP_PUBLIC && !from && to == ROLE_MEMBER); /* goes, or joins */
}

enum app_refusal app_judge(const struct app_actor *actor, enum app_act act, const struct store_app_conversation *of)
{
    bool is_public = of->type == APP_PUBLIC;
    if (!actor->is_user)
        return APP_ALLOWED;
    if (of->kind != KIND_APP || (!of->role && !is_public))
        return APP_NO_CONVERSATION;
    if (is_public && act == APP_READ)
        return APP_ALLOWED;
    if (!of->role)
        return APP_NOT_MEMBER;
    return app_role_may(app_acting_role(actor, of), act) ? APP_ALLOWED : APP_ROLE;
}

/* ---- why not ---- */

static const struct {
    const char *code, *text;
} refusals[APP_REFUSALS] = {
    [APP_ALLOWED] = {"", ""},
    [APP_NO_CONVERSATION] = {"not_found", "no such conversation"},
    [APP_NO_USER] = {"no_such_user", "no such user"},
    [APP_NO_MEMBER] = {"not_member", "no such member"},
    [APP_NOT_MEMBER] = {"not_member", "only a member may do that: join first"},
    [APP_BANNED] = {"banned", "you may not be here"},
    [APP_ROLE] = {"role", "your role in this conversation does not allow that"},
    [APP_NOT_OURS] = {"not_ours", "this conversation is of another front end"},
    [APP_FIXED] = {"direct", "who is in a direct conversation cannot be changed"},
    [APP_TWO] = {"bad_argument", "members: a direct conversation is of two users"},
    [APP_CREATE] = {"create", "only the application makes conversations here (setting create)"},
    [APP_CONFLICT] = {"conflict", "there is another conversation of that id"},
};

const char *app_refusal_code(enum app_refusal why)
{
    return refusals[why].code;
}

const char *app_refusal_text(enum app_refusal why)
{
    return refusals[why].text;
}

/* ---- words ---- */

const char *app_type_name(enum store_kind kind, enum store_app_type type)
{
    return kind == KIND_CUSTOMERS || kind == KIND_SOCKETIO ? "other" : conversation_word(kind, type);
}

/* ---- a conversation that is wanted ---- */

bool app_is_title(struct str title)
{
    struct app_claims claims = {.id = STR("x"), .has_name = true, .name = title};
    return !app_claims_wrong(&claims, "");
}

static bool is_wrong(struct app_wrong *wrong, const char *field, const char *rule)
{
    *wrong = (struct app_wrong){field, rule};
    return false;
}

/* A text; null is an empty one. */
static bool read_text(struct json_object *object, const char *name, struct str *text, struct app_wrong *wrong)
{
    *text = STR("");
    return !json_has(object, name) || json_get_string(object, name, text) || is_wrong(wrong, name, "must be a text");
}

static bool read_meta(struct json_object *object, struct str *meta, struct app_wrong *wrong)
{
    struct json_object *value;
    *meta = STR("");
    if (!json_object_object_get_ex(object, "meta", &value) || !value)
        return true;
    if (!json_object_is_type(value, json_type_object))
        return is_wrong(wrong, "meta", "must be an object");
    *meta = str_of(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return meta->len <= APP_META_MAX || is_wrong(wrong, "meta", "is too long");
}

static bool read_members(struct json_object *object, struct json_object **list, struct app_wrong *wrong)
{
    *list = NULL;
    if (!json_has(object, "members"))
        return true;
    if (!json_object_object_get_ex(object, "members", list) || !json_object_is_type(*list, json_type_array))
        return is_wrong(wrong, "members", "must be a list");
    for (size_t i = 0; i < json_object_array_length(*list); i++) {
        struct json_object *item = json_object_array_get_idx(*list, i);
        if (!json_object_is_type(item, json_type_string) ||
            !app_id_ok((struct str){json_object_get_string(item), (size_t)json_object_get_string_len(item)}))
            return is_wrong(wrong, "members", "must be ids of users");
    }
    return json_object_array_length(*list) <= APP_MEMBERS_AT_ONCE || is_wrong(wrong, "members", "must be at most 1000");
}

static struct str copy(char **at, struct str text)
{
    struct str own = {*at, text.len};
    if (text.len)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return own;
}

/* What the object holds stays its own; it may be gone before the wish is. */
static void keep(struct app_wish *wish, struct json_object *list)
{
    size_t len = wish->id.len + wish->title.len + wish->meta.len + 1;
    wish->count = list ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < wish->count; i++)
        len += (size_t)json_object_get_string_len(json_object_array_get_idx(list, i));
    char *at = wish->text = mem_zalloc(len);
    wish->id = copy(&at, wish->id);
    wish->title = copy(&at, wish->title);
    wish->meta = copy(&at, wish->meta);
    wish->members = mem_zalloc((wish->count + 1) * sizeof wish->members[0]);
    for (size_t i = 0; i < wish->count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        wish->members[i] =
            copy(&at, (struct str){json_object_get_string(item), (size_t)json_object_get_string_len(item)});
    }
}

bool app_wish_read(struct json_object *object, const char *id, struct app_wish *wish, struct app_wrong *wrong)
{
    struct str type;
    struct json_object *list;
    *wish = (struct app_wish){.type = APP_GROUP};
    if (!read_text(object, id, &wish->id, wrong) || !read_text(object, "type", &type, wrong) ||
        !read_text(object, "name", &wish->title, wrong) || !read_meta(object, &wish->meta, wrong))
        return false;
    if (!type_of_word(type, &wish->type))
        return is_wrong(wrong, "type", "must be group, direct or public");
    if (wish->id.len && !store_app_conversation_id_ok(wish->id))
        return is_wrong(wrong, id,
                        "must be 1 to 128 bytes without controls, and not begin as a public id does (conv_, room_ …)");
    if (!app_is_title(wish->title))
        return is_wrong(wrong, "name", "must be at most 256 bytes of UTF-8 without controls");
    if (!read_members(object, &list, wrong))
        return false;
    keep(wish, list);
    return true;
}

void app_wish_fini(struct app_wish *wish)
{
    free(wish->members);
    free(wish->text);
}

/* ---- as JSON ---- */

static void add_last(struct buf *out, const struct store_app_line *line)
{
    if (!line->last.seq) {
        json_add_null(out, "last");
        return;
    }
    json_add_object(out, "last");
    json_add_u64(out, "seq", line->last.seq);
    json_add_u64(out, "ts", line->last.at_ms);
    json_add_string(out, "name", line->last.name);
    json_add_string(out, "content", line->last.content);
    json_end_object(out);
}

void app_add_conversation(struct buf *out, const struct store_app_conversation *of, struct str meta)
{
    bool is_app = of->kind == KIND_APP;
    json_add_text(out, "id", is_app ? of->name : of->public_id);
    json_add_text(out, "public_id", of->public_id);
    json_add_u64(out, "ch", of->conversation);
    json_add_text(out, "type", app_type_name(of->kind, of->type));
    json_add_text(out, "name", is_app ? of->title : of->kind == KIND_FRIENDS ? "" : of->name);
    json_add_raw(out, "meta", meta.len ? meta : STR("{}"));
    json_add_u64(out, "seq", of->seq);
    json_add_int(out, "created", of->created_ms);
    if (of->role)
        json_add_text(out, "role", role_word(of->role));
}

void app_begin_line(struct buf *out, const struct store_app_line *line)
{
    json_add_string(out, "id", line->name);
    json_add_string(out, "public_id", line->public_id);
    json_add_u64(out, "ch", line->conversation);
    json_add_text(out, "type", app_type_name(KIND_APP, line->type));
    json_add_string(out, "name", line->title);
    json_add_raw(out, "meta", line->meta.len ? line->meta : STR("{}"));
    json_add_u64(out, "seq", line->seq);
    if (!line->role)
        return;
    json_add_text(out, "role", role_word(line->role));
    json_add_bool(out, "muted", line->is_muted);
    json_add_u64(out, "unread", line->unread);
    add_last(out, line);
    if (!line->partner.user)
        return;
    json_add_object(out, "partner");
    json_add_u64(out, "uid", line->partner.user);
    json_add_string(out, "id", line->partner.id);
    json_add_string(out, "name", line->partner.name.len ? line->partner.name : line->partner.id);
    if (line->partner.face.len)
        json_add_string(out, "face", line->partner.face);
}

void app_add_line(struct buf *out, const struct store_app_line *line)
{
    app_begin_line(out, line);
    if (line->partner.user)
        json_end_object(out);
}
