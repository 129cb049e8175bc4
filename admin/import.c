/* import.c: chaguan import: lines of JSON (docs/export.md) into the database.
 *
 * Messages are collected into batches; those of one conversation are one transaction. Everything else is stored at
 * once, after the waiting batch. Users must be defined on a line before they are named. */
#include "admin/commands.h"
#include "common/about.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/name.h"
#include "common/store/store_app_event.h"
#include "common/store/store_app_user.h"
#include "common/store/store_import.h"
#include "common/store/store_words.h"
#include "common/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_MAX_BYTES = 20 << 20,
    WAITING_MAX_BYTES = 4 << 20,
    AHEAD_MS = 60000, /* by which another machine's clock may differ */
    NEWS_MS = 1000,
    COMPLAINTS_MAX = 100, /* that are printed */
    KNOWN_MAX = 4096,     /* a power of two */
    DRY = 1,              /* for a number, where nothing is stored */
};

/* What was looked up, or made, lately: of two whose hashes meet the later one stays. */
struct known {
    struct one {
        char id[APP_ID_MAX + 1];
        char shown[APP_NAME_MAX + 1]; /* of a user */
        uint64_t number;
    } ones[KNOWN_MAX];
    struct map dry; /* with --dry-run, what would have been made: hashes */
};

struct waiting {
    uint64_t line, conversation;
    struct json_object *object; /* its texts are borrowed from it */
    struct buf content, extra, mentions;
    struct store_import_message import;
};

struct import {
    const struct settings *settings;
    struct store *store;
    bool dry;
    uint64_t line;
    int64_t news_ms;
    enum err err; /* of the database: it cannot go on */
    const char *wrong;
    char said[160];
    struct known users, conversations;
    struct waiting waiting[IMPORT_AT_ONCE];
    size_t waiting_count, waiting_bytes;
    struct count {
        uint64_t users, conversations, members, messages, reactions, known, bad, late, cut;
    } count;
};

/* ---- bad lines ---- */

static void complain(struct import *import, uint64_t line, const char *why)
{
    if (++import->count.bad <= COMPLAINTS_MAX)
        fprintf(stderr, "line %" PRIu64 ": %s\n", line, why);
    if (import->count.bad == COMPLAINTS_MAX)
        fprintf(stderr, "further bad lines are only counted\n");
}

/* This line is bad; false. */
static bool bad(struct import *import, const char *why)
{
    import->wrong = why;
    return false;
}

static bool bad_field(struct import *import, const char *name, const char *rule)
{
    snprintf(import->said, sizeof import->said, "%.60s: %s", name, rule);
    return bad(import, import->said);
}

/* What the database said of this line. */
static bool ended(struct import *import, enum err err, const char *not_found, const char *duplicate)
{
    if (err == ERR_NOT_FOUND)
        return bad(import, not_found);
    if (err == ERR_DUPLICATE)
        return bad(import, duplicate);
    if (err == ERR_INTERNAL)
        return bad(import, "the database refused it");
    import->err = err;
    return !err;
}

/* ---- fields ---- */

static bool text(struct import *import, struct json_object *object, const char *name, struct str *out)
{
    *out = STR("");
    return !json_has(object, name) || json_get_string(object, name, out) || bad_field(import, name, "must be a text");
}

/* Milliseconds; `fallback` if it is not there. */
static bool time_of(struct import *import, struct json_object *object, const char *name, int64_t fallback, int64_t *out)
{
    *out = fallback;
    if (!json_has(object, name) && fallback)
        return true;
    return json_get_int(object, name, 1, clock_wall_ms() + AHEAD_MS, out) ||
           bad_field(import, name, "must be Unix time in milliseconds, and not lie ahead");
}

static bool number(struct import *import, struct json_object *object, const char *name, bool needed, uint64_t *out)
{
    int64_t value = 0;
    if ((needed || json_has(object, name)) && !json_get_int(object, name, needed ? 1 : 0, INT64_MAX / 2, &value))
        return bad_field(import, name, "must be the number of a message");
    *out = (uint64_t)value;
    return true;
}

static bool days(struct import *import, struct json_object *object, const char *name, bool *given, uint64_t *out)
{
    int64_t value = 0;
    *given = json_has(object, name);
    if (*given && !json_get_int(object, name, 0, STORE_KEEP_DAYS_MAX, &value))
        return bad_field(import, name, "must be a number of days");
    *out = (uint64_t)value;
    return true;
}

/* An object as it is written, borrowed from it. */
static bool object_of(struct import *import, struct json_object *object, const char *name, size_t max, struct str *out)
{
    struct json_object *value;
    *out = STR("");
    if (!json_has(object, name))
        return true;
    if (!json_object_object_get_ex(object, name, &value) || !json_object_is_type(value, json_type_object))
        return bad_field(import, name, "must be an object");
    *out = str_of(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    return out->len <= max || bad_field(import, name, "is too long");
}

static bool fields_are(struct import *import, struct json_object *object, const char *names)
{
    const char *other = json_unknown(object, names);
    return !other || bad_field(import, other, "is no field of such a line");
}

/* ---- who and where ---- */

static struct one *slot(struct known *known, struct str id)
{
    return &known->ones[str_hash(id, STR_HASH_SEED) & (KNOWN_MAX - 1)];
}

static const struct one *remember(struct known *known, struct str id, struct str shown, uint64_t number)
{
    struct one *one = slot(known, id);
    *one = (struct one){.number = number};
    memcpy(one->id, id.ptr, id.len);
    memcpy(one->shown, shown.ptr, shown.len);
    return one;
}

static void would_make(struct known *known, struct str id)
{
    map_put(&known->dry, str_hash(id, STR_HASH_SEED), known);
}

static const struct one *find_user(struct import *import, struct str id)
{
    struct store_app_user user = {0};
    const struct one *one = slot(&import->users, id);
    if (one->number && str_eq(str_of(one->id), id))
        return one;
    enum err err = app_id_ok(id) ? store_app_user_find(import->store, id, &user) : ERR_NOT_FOUND;
    if (err == ERR_NOT_FOUND && app_id_ok(id) && map_get(&import->users.dry, str_hash(id, STR_HASH_SEED)))
        return remember(&import->users, id, id, DRY);
    if (!ended(import, err, "there is no such user: the user's own line comes first", ""))
        return NULL;
    return remember(&import->users, id, str_of(store_app_user_shown(&user)), user.user);
}

static bool user_of(struct import *import, struct json_object *object, const char *name, const struct one **user)
{
    struct str id;
    *user = NULL;
    if (!text(import, object, name, &id))
        return false;
    *user = id.len ? find_user(import, id) : NULL;
    return *user || !id.len;
}

static bool conversation_of(struct import *import, struct json_object *object, uint64_t *conversation)
{
    struct store_app_conversation found;
    struct str id;
    if (!json_get_string(object, "conversation", &id) || !id.len || id.len > APP_ID_MAX)
        return bad_field(import, "conversation", "must be the id of one");
    const struct one *one = slot(&import->conversations, id);
    *conversation = one->number;
    if (one->number && str_eq(str_of(one->id), id))
        return true;
    enum err err = store_app_conversation_find(import->store, id, 0, false, &found, NULL);
    if (err == ERR_NOT_FOUND && map_get(&import->conversations.dry, str_hash(id, STR_HASH_SEED)))
        found = (struct store_app_conversation){.conversation = DRY, .kind = KIND_APP}, err = ERR_OK;
    if (!ended(import, err, "there is no such conversation: its own line comes first", ""))
        return false;
    if (found.kind != KIND_APP)
        return bad(import, "conversations of other front ends are not imported");
    *conversation = found.conversation;
    remember(&import->conversations, id, STR(""), found.conversation);
    return true;
}

/* ---- what waits ---- */

static int by_conversation(const void *a, const void *b)
{
    const struct waiting *left = a, *right = b;
    if (left->conversation != right->conversation)
        return left->conversation < right->conversation ? -1 : 1;
    return left->line < right->line ? -1 : 1;
}

static void count_message(struct import *import, const struct waiting *waiting)
{
    const struct store_import_message *message = &waiting->import;
    if (message->err)
        complain(import, waiting->line, "data.of: that message was not imported");
    import->count.known += message->known;
    import->count.messages += !message->known && !message->err;
    import->count.late += !message->known && message->late;
    import->count.cut += !message->known && message->cut;
}

/* Of one conversation. */
static void store_some(struct import *import, const struct waiting *some, size_t count)
{
    struct store_import_message *messages = mem_zalloc(count * sizeof *messages);
    for (size_t i = 0; i < count; i++)
        messages[i] = some[i].import;
    enum err err = import->dry ? ERR_OK : store_import_messages(import->store, some->conversation, messages, count);
    if (err == ERR_INTERNAL && count > 1) { /* one of them is refused: which one? */
        for (size_t i = 0; !import->err && i < count; i++)
            store_some(import, &some[i], 1);
    } else if (err == ERR_INTERNAL || err == ERR_NOT_FOUND) {
        for (size_t i = 0; i < count; i++)
            complain(import, some[i].line,
                     err == ERR_INTERNAL ? "the database refused it" : "its conversation was deleted");
    } else if (err) {
        import->err = err;
    } else {
        for (size_t i = 0; i < count; i++) {
            struct waiting one = some[i];
            one.import = messages[i];
            count_message(import, &one);
        }
    }
    free(messages);
}

static void flush(struct import *import)
{
    struct waiting *all = import->waiting;
    size_t count = import->waiting_count;
    qsort(all, count, sizeof all[0], by_conversation);
    for (size_t from = 0, to; !import->err && from < count; from = to) {
        for (to = from + 1; to < count && all[to].conversation == all[from].conversation;)
            to++;
        store_some(import, &all[from], to - from);
    }
    for (size_t i = 0; i < count; i++) {
        json_object_put(all[i].object);
        buf_fini(&all[i].content);
        buf_fini(&all[i].extra);
        buf_fini(&all[i].mentions);
    }
    import->waiting_count = import->waiting_bytes = 0;
}

/* ---- lines ---- */

static bool on_user(struct import *import, struct json_object *object)
{
    struct app_claims claims = {.has_name = true, .has_face = true, .has_meta = true, .has_role = true};
    struct str role;
    int64_t created;
    uint64_t user;
    bool made;
    if (!fields_are(import, object, "type id name face role meta created") || !text(import, object, "id", &claims.id) ||
        !text(import, object, "name", &claims.name) || !text(import, object, "face", &claims.face) ||
        !text(import, object, "role", &role) || !object_of(import, object, "meta", APP_META_MAX, &claims.meta) ||
        !time_of(import, object, "created", clock_wall_ms(), &created))
        return false;
    const char *wrong = app_claims_wrong(&claims, import->settings->media_url);
    if (wrong)
        return bad_field(import, wrong, "breaks its rule");
    if (role.len && !app_role_of(role, true, &claims.role))
        return bad_field(import, "role", "must be user, moderator or administrator");
    if (import->dry) {
        would_make(&import->users, claims.id);
        import->count.users++;
        return true;
    }
    enum err err = store_import_user(import->store, &claims, created, &user, &made);
    if (!ended(import, err, "", "its id is taken"))
        return false;
    ++*(made ? &import->count.users : &import->count.known);
    if (made)
        remember(&import->users, claims.id, claims.name.len ? claims.name : claims.id, user);
    return true;
}

static bool pair_of(struct import *import, struct json_object *object, struct store_import_conversation *wanted)
{
    struct json_object *list;
    if (!json_has(object, "users") && wanted->type != APP_DIRECT)
        return true;
    if (wanted->type != APP_DIRECT || !json_object_object_get_ex(object, "users", &list) ||
        !json_object_is_type(list, json_type_array) || json_object_array_length(list) > 2)
        return bad_field(import, "users", "must be the two of a direct conversation");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        const struct one *one = json_object_is_type(item, json_type_string)
                                    ? find_user(import, str_of(json_object_get_string(item)))
                                    : NULL;
        if (!one)
            return import->err || import->wrong ? false : bad_field(import, "users", "must be ids of users");
        wanted->pair[i] = one->number;
    }
    return true;
}

static bool is_title(struct str title)
{
    struct app_claims claims = {.id = STR("x"), .has_name = true, .name = title};
    return !app_claims_wrong(&claims, "");
}

static bool take_conversation(struct import *import, struct json_object *object,
                              struct store_import_conversation *wanted)
{
    struct str kind;
    const struct one *by;
    *wanted = (struct store_import_conversation){.type = APP_GROUP};
    if (!fields_are(import, object,
                    "type id public_id kind name meta users created_by created trimmed keep_days"
                    " keep_presence_lines_days") ||
        !text(import, object, "id", &wanted->id) || !text(import, object, "public_id", &wanted->public_id) ||
        !text(import, object, "kind", &kind) || !text(import, object, "name", &wanted->title) ||
        !object_of(import, object, "meta", APP_META_MAX, &wanted->meta) ||
        !user_of(import, object, "created_by", &by) ||
        !time_of(import, object, "created", clock_wall_ms(), &wanted->created_ms) ||
        !number(import, object, "trimmed", false, &wanted->life.trimmed) ||
        !days(import, object, "keep_days", &wanted->life.has_days, &wanted->life.days) ||
        !days(import, object, "keep_presence_lines_days", &wanted->life.has_presence_days, &wanted->life.presence_days))
        return false;
    if (!type_of_word(kind, &wanted->type))
        return bad_field(import, "kind", "must be group, direct or public: others are not imported");
    if (wanted->public_id.len && !id_is(wanted->public_id, STORE_CONVERSATION_PREFIX))
        return bad_field(import, "public_id", "must be conv_ and 32 digits, or missing");
    if (!store_app_conversation_id_ok(wanted->id) && !(wanted->public_id.len && str_eq(wanted->id, wanted->public_id)))
        return bad_field(import, "id", "must be 1 to 128 bytes without controls, and no public id but its own");
    if (!is_title(wanted->title))
        return bad_field(import, "name", "must be at most 256 bytes of UTF-8 without controls");
    wanted->created_by = by ? by->number : 0;
    return pair_of(import, object, wanted);
}

static bool on_conversation(struct import *import, struct json_object *object)
{
    struct store_import_conversation wanted;
    uint64_t conversation;
    bool made;
    if (!take_conversation(import, object, &wanted))
        return false;
    if (import->dry) {
        would_make(&import->conversations, wanted.id);
        import->count.conversations++;
        return true;
    }
    enum err err = store_import_conversation(import->store, &wanted, &conversation, &made);
    if (!ended(import, err, "", "there is another conversation of that id, or of these two"))
        return false;
    ++*(made ? &import->count.conversations : &import->count.known);
    remember(&import->conversations, wanted.id, STR(""), conversation);
    return true;
}

static bool on_member(struct import *import, struct json_object *object)
{
    struct store_import_member member = {.role = ROLE_MEMBER};
    const struct one *user;
    struct str role;
    bool made = import->dry;
    if (!fields_are(import, object, "type conversation user role joined read") ||
        !conversation_of(import, object, &member.conversation) || !user_of(import, object, "user", &user) ||
        !text(import, object, "role", &role) ||
        !time_of(import, object, "joined", clock_wall_ms(), &member.joined_ms) ||
        !number(import, object, "read", false, &member.read))
        return false;
    if (!user)
        return bad_field(import, "user", "must be the id of a user");
    if (role.len && !role_of_word(role, &member.role))
        return bad_field(import, "role", "must be owner, moderator, member or reader");
    member.user = user->number;
    enum err err = import->dry ? ERR_OK : store_import_member(import->store, &member, &made);
    if (!ended(import, err, "", ""))
        return false;
    ++*(made ? &import->count.members : &import->count.known);
    return true;
}

static bool on_reaction(struct import *import, struct json_object *object)
{
    uint64_t conversation, seq;
    const struct one *user;
    struct str emoji;
    bool made = import->dry;
    if (!fields_are(import, object, "type conversation seq user emoji") ||
        !conversation_of(import, object, &conversation) || !number(import, object, "seq", true, &seq) ||
        !user_of(import, object, "user", &user) || !text(import, object, "emoji", &emoji))
        return false;
    if (!user)
        return bad_field(import, "user", "must be the id of a user");
    if (emoji.len > 64 || text_check_label(emoji, 64))
        return bad_field(import, "emoji", "must be 1 to 64 bytes without controls");
    enum err err =
        import->dry ? ERR_OK : store_import_reaction(import->store, conversation, seq, user->number, emoji, &made);
    if (!ended(import, err, "that message was not imported", ""))
        return false;
    ++*(made ? &import->count.reactions : &import->count.known);
    return true;
}

/* What a message and an event have both. `waiting` is the next one's. */
static bool take_common(struct import *import, struct json_object *object, struct waiting *waiting)
{
    struct message *message = &waiting->import.message;
    const struct one *from;
    struct str kind, name;
    int64_t ts;
    if (!conversation_of(import, object, &waiting->conversation) ||
        !number(import, object, "seq", true, &waiting->import.from_seq) || !time_of(import, object, "ts", 0, &ts) ||
        !text(import, object, "kind", &kind) || !user_of(import, object, "from", &from) ||
        !text(import, object, "name", &name))
        return false;
    if (!is_title(name))
        return bad_field(import, "name", "must be at most 256 bytes of UTF-8 without controls");
    message->at_ms = ts;
    message->kind = kind.len ? kind_of_word(kind) : MESSAGE_TEXT;
    message->sender = from ? from->number : 0;
    message->sender_name = name;
    if (!name.len && from) { /* outlives what is known of the user */
        json_object_object_add(object, "name", json_object_new_string(from->shown));
        json_get_string(object, "name", &message->sender_name);
    }
    return true;
}

static bool take_content(struct import *import, struct json_object *object, struct waiting *waiting)
{
    struct message *message = &waiting->import.message;
    bool is_text = !(message->kind >= MESSAGE_FILE && message->kind <= MESSAGE_VIDEO);
    struct str content;
    if (!json_get_string(object, "content", &content))
        return bad_field(import, "content", "must be a text");
    if (is_text && text_check_content(content))
        return bad_field(import, "content", "must be text without control characters");
    if (!is_text && text_check_url(content, import->settings->media_url))
        return bad_field(import, "content", "must be the address of a file");
    if (content.len > (size_t)import->settings->max_body_bytes)
        return bad_field(import, "content", "is too long (max_body_bytes)");
    text_add_content(&waiting->content, content);
    message->content = buf_str(&waiting->content);
    return true;
}

/* Leaves out users that do not exist. */
static bool take_mentions(struct import *import, struct json_object *object, struct waiting *waiting)
{
    static const char rule[] = "must be a list of at most 50 ids of users";
    struct buf *out = &waiting->mentions;
    struct json_object *list;
    if (!json_has(object, "mentions"))
        return true;
    if (!json_object_object_get_ex(object, "mentions", &list) || !json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > ABOUT_MENTIONS_MAX)
        return bad_field(import, "mentions", rule);
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *item = json_object_array_get_idx(list, i);
        if (!json_object_is_type(item, json_type_string))
            return bad_field(import, "mentions", rule);
        const struct one *one =
            find_user(import, (struct str){json_object_get_string(item), (size_t)json_object_get_string_len(item)});
        if (import->err)
            return false;
        if (one)
            buf_addf(out, "%c%" PRIu64, out->len ? ',' : '[', one->number);
    }
    import->wrong = NULL;
    if (out->len)
        buf_add_char(out, ']');
    waiting->import.mentions = buf_str(out);
    return true;
}

static bool take_extra(struct import *import, struct json_object *object, struct waiting *waiting)
{
    struct str meta;
    if (!object_of(import, object, "meta", MESSAGE_META_MAX, &meta) ||
        !number(import, object, "reply_to", false, &waiting->import.reply_to))
        return false;
    if (meta.len) {
        buf_add_text(&waiting->extra, "\"meta\":");
        buf_add_str(&waiting->extra, meta);
    }
    waiting->import.message.extra = buf_str(&waiting->extra);
    return take_mentions(import, object, waiting);
}

/* The rest of a message: its line has been looked at, and its object is from now on the import's. */
static bool wait_for_more(struct import *import, struct json_object *object, struct waiting *waiting)
{
    waiting->line = import->line;
    waiting->object = json_object_get(object);
    import->waiting_count++;
    import->waiting_bytes += waiting->content.len + waiting->extra.len;
    return true;
}

static struct waiting *next_waiting(struct import *import)
{
    if (import->waiting_count == IMPORT_AT_ONCE || import->waiting_bytes >= WAITING_MAX_BYTES)
        flush(import);
    struct waiting *waiting = &import->waiting[import->waiting_count];
    *waiting = (struct waiting){.line = 0};
    buf_init(&waiting->content, LINE_MAX_BYTES);
    buf_init(&waiting->extra, MESSAGE_META_MAX + 64);
    buf_init(&waiting->mentions, ABOUT_MENTIONS_MAX * 24 + 64);
    return waiting;
}

static bool take_message(struct import *import, struct json_object *object, struct waiting *waiting)
{
    struct message *message = &waiting->import.message;
    struct json_object *recalled;
    if (!fields_are(import, object,
                    "type conversation seq ts kind from name content meta reply_to mentions edited"
                    " recalled") ||
        !take_common(import, object, waiting))
        return false;
    if (!message->kind || !message_is_said(message->kind))
        return bad_field(import, "kind", "must be text, emoji, file, image or video");
    message->recalled = json_object_object_get_ex(object, "recalled", &recalled) && json_object_get_boolean(recalled);
    if (message->recalled)
        return true;
    if (!message->sender && !message->sender_name.len)
        message->sender_name = STR(MESSAGE_SYSTEM_NAME);
    return take_content(import, object, waiting) && take_extra(import, object, waiting);
}

/* Without an emoji it was somebody's who is erased. */
static bool take_reaction(struct import *import, struct json_object *data, struct waiting *waiting)
{
    struct json_object *on = NULL;
    struct str emoji;
    waiting->import.has_content = json_has(data, "emoji");
    if (!fields_are(import, data, "of emoji on") || !number(import, data, "of", true, &waiting->import.of))
        return false;
    if (!waiting->import.has_content)
        return true;
    if (!json_get_string(data, "emoji", &emoji) || !name_is_emoji(emoji))
        return bad_field(import, "data.emoji", "must be one emoji");
    if (!json_object_object_get_ex(data, "on", &on) || !json_object_is_type(on, json_type_boolean))
        return bad_field(import, "data.on", "is a boolean");
    waiting->import.on = json_object_get_boolean(on);
    buf_add_str(&waiting->content, emoji);
    waiting->import.message.content = buf_str(&waiting->content);
    return true;
}

static bool role_of(struct import *import, struct json_object *data, const char *name, enum store_member_role *role)
{
    struct str word;
    return text(import, data, name, &word) &&
           (!word.len || role_of_word(word, role) || bad_field(import, name, "must be a role of a member"));
}

/* A join, a leave or a new name. It changes nothing by itself; the lines of members and conversations do. */
static bool take_change(struct import *import, struct json_object *data, struct waiting *waiting)
{
    static const char *const fields[] = {"by role was", "by", "name"};
    struct message *message = &waiting->import.message;
    enum store_member_role role = ROLE_MEMBER, was = (enum store_member_role)0;
    const struct one *by;
    struct str name, id;
    if (!fields_are(import, data, fields[message->kind - MESSAGE_JOINED]) || !text(import, data, "name", &name) ||
        !role_of(import, data, "role", &role) || !role_of(import, data, "was", &was))
        return false;
    if (!is_title(name))
        return bad_field(import, "data.name", "must be at most 256 bytes of UTF-8 without controls");
    if (!text(import, data, "by", &id))
        return false;
    by = id.len ? find_user(import, id) : NULL;
    if (import->err)
        return false;
    import->wrong = NULL; /* who is not there is nobody */
    store_app_event_write(&waiting->content, message->kind, by ? by->number : 0, role, was,
                          json_has(data, "name") ? &name : NULL);
    message->content = buf_str(&waiting->content);
    return true;
}

static bool take_event(struct import *import, struct json_object *object, struct waiting *waiting)
{
    struct message *message = &waiting->import.message;
    struct json_object *data = NULL;
    if (!fields_are(import, object, "type conversation seq ts kind from name data") ||
        !take_common(import, object, waiting))
        return false;
    if (message_is_presence(message->kind))
        return !json_has(object, "data") || bad_field(import, "data", "has no place here");
    bool is_change = message_is_change(message->kind);
    if (!is_change && !message_has_of(message->kind))
        return bad_field(import, "kind", "events of this kind are not imported");
    if (!json_object_object_get_ex(object, "data", &data) || !json_object_is_type(data, json_type_object))
        return bad_field(import, "data", "must be an object");
    if (is_change)
        return take_change(import, data, waiting);
    if (message->kind == MESSAGE_REACTION)
        return take_reaction(import, data, waiting);
    waiting->import.has_content = json_has(data, "content");
    if (message->kind == MESSAGE_RECALL && waiting->import.has_content)
        return bad_field(import, "data.content", "has no place here");
    return fields_are(import, data, "of content") && number(import, data, "of", true, &waiting->import.of) &&
           (!waiting->import.has_content || take_content(import, data, waiting));
}

static bool on_said(struct import *import, struct json_object *object, bool is_event)
{
    struct waiting *waiting = next_waiting(import);
    if (import->err)
        return false;
    bool fine = is_event ? take_event(import, object, waiting) : take_message(import, object, waiting);
    if (fine)
        return wait_for_more(import, object, waiting);
    buf_fini(&waiting->content);
    buf_fini(&waiting->extra);
    buf_fini(&waiting->mentions);
    return false;
}

static bool on_message(struct import *import, struct json_object *object)
{
    return on_said(import, object, false);
}

static bool on_event(struct import *import, struct json_object *object)
{
    return on_said(import, object, true);
}

static bool on_head(struct import *import, struct json_object *object)
{
    int64_t version;
    return json_get_int(object, "version", LINES_VERSION, LINES_VERSION, &version) ||
           bad_field(import, "version", "must be 1: this is of another version of Chaguan");
}

static const struct {
    const char *type;
    bool (*take)(struct import *import, struct json_object *object); /* NULL: nothing is made of it */
    bool waits; /* with others like it; before any other line what waits is stored */
} types[] = {
    {"message", on_message, true},
    {"event", on_event, true},
    {"user", on_user, false},
    {"media", NULL, true},
    {"conversation", on_conversation, false},
    {"member", on_member, false},
    {"reaction", on_reaction, false},
    {"export", on_head, false},
    {"next", NULL, true},
    {"end", NULL, true},
};

static bool take_line(struct import *import, struct json_object *object)
{
    struct str type;
    if (!json_get_string(object, "type", &type))
        return bad_field(import, "type", "must be a text");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!str_eq(type, str_of(types[i].type)))
            continue;
        if (!types[i].waits)
            flush(import);
        return !import->err && (!types[i].take || types[i].take(import, object));
    }
    return bad_field(import, "type", "there are no lines of this type");
}

static void on_line(struct import *import, struct str line)
{
    struct json_object *object;
    import->wrong = NULL;
    if (json_parse_object(line, &object)) {
        complain(import, import->line, "is no JSON object, or a too deep or too large one");
        return;
    }
    if (!take_line(import, object) && !import->err)
        complain(import, import->line, import->wrong ? import->wrong : "is wrong");
    json_object_put(object);
}

/* ---- the file ---- */

static void tell_news(struct import *import)
{
    int64_t now_ms = clock_mono_ms();
    if (now_ms - import->news_ms < NEWS_MS)
        return;
    import->news_ms = now_ms;
    fprintf(stderr,
            "line %" PRIu64 ": users=%" PRIu64 " conversations=%" PRIu64 " messages=%" PRIu64 " known=%" PRIu64 "\n",
            import->line, import->count.users, import->count.conversations, import->count.messages,
            import->count.known);
}

/* False: the end. What is too long has failed. */
static bool read_line(FILE *file, struct buf *line)
{
    int c;
    buf_clear(line);
    while ((c = getc_unlocked(file)) != EOF && c != '\n')
        buf_add_char(line, (char)c);
    return c != EOF || line->len || line->failed;
}

static bool is_blank(const struct buf *line)
{
    return !line->failed && (!line->len || (line->len == 1 && *line->data == '\r'));
}

static void read_all(struct import *import, FILE *file)
{
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    import->news_ms = clock_mono_ms();
    while (!import->err && read_line(file, &line)) {
        import->line++;
        if (line.failed)
            complain(import, import->line, "is longer than 20 MiB");
        else if (!is_blank(&line))
            on_line(import, buf_str(&line));
        tell_news(import);
    }
    flush(import);
    buf_fini(&line);
}

static void print(const struct count *count)
{
    printf("users=%" PRIu64 "\nconversations=%" PRIu64 "\nmembers=%" PRIu64 "\nmessages=%" PRIu64 "\nreactions=%" PRIu64
           "\nknown=%" PRIu64 "\nlate=%" PRIu64 "\nreplies_cut=%" PRIu64 "\nbad=%" PRIu64 "\n",
           count->users, count->conversations, count->members, count->messages, count->reactions, count->known,
           count->late, count->cut, count->bad);
}

static enum status run(struct import *import, FILE *file)
{
    read_all(import, file);
    print(&import->count);
    map_fini(&import->users.dry);
    map_fini(&import->conversations.dry);
    if (import->err) {
        command_database_failed(import->store);
        return command_cannot("not all was imported: run it again, and it goes on where it stopped");
    }
    if (ferror(file))
        return command_cannot("the file could not be read to its end");
    return import->count.bad ? STATUS_FOUND : STATUS_FINE;
}

enum status command_import(const struct settings *settings, const struct operation *operation)
{
    const char *name = operation->words[0];
    FILE *file = strcmp(name, "-") ? fopen(name, "re") : stdin;
    char why[256];
    if (!file) {
        snprintf(why, sizeof why, "cannot open %.150s: %.80s", name, strerror(errno));
        return command_cannot(why);
    }
    struct store *store = command_open_store(settings);
    enum status status = STATUS_CANNOT;
    if (store) {
        struct import *import = mem_zalloc(sizeof *import);
        import->settings = settings;
        import->store = store;
        import->dry = operation->dry;
        status = run(import, file);
        free(import);
    }
    store_free(store);
    if (file != stdin)
        fclose(file);
    return status;
}
