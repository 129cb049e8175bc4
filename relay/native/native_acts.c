/* native_acts.c: commands about the application's conversations: listing a user's own, creating one, changing members.
 * Uses the server API's functions and rules (common/service/app_acts.h), in a thread of the pool. */
#include "common/mem.h"
#include "common/service/app_acts.h"
#include "common/store/store_words.h"
#include "relay/core/limits.h"
#include "relay/core/presence.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LINES = 50,
    LINES_MAX = 100,
    LINE_COST = 1 + (STORE_APP_UNREAD_MAX + STORE_APP_LAST_AMONG) / 50,
    META_BYTES = 1 << 16,
};
_Static_assert((int)LINES_MAX <= (int)PRESENCE_ASKED, "partners of a page are asked for together");

bool native_is_of_app(struct native *native, int64_t re)
{
    if (*native->id)
        return true;
    native_refuse(native, re, "forbidden", "only users of the application have that");
    return false;
}

static void refuse(struct native *native, int64_t re, enum app_refusal why)
{
    native_refuse(native, re, app_refusal_code(why), app_refusal_text(why));
}

/* What was found not to be is no failure of the job. */
static enum err settle(enum err err, enum app_refusal why)
{
    return err == ERR_DENIED && why ? ERR_OK : err;
}

/* ---- mine ---- */

/* A line as far as it is known before it is asked who is online: what comes behind `partner`'s members is left open. */
struct line {
    size_t end;       /* in `rows`; it begins where the one before ends */
    uint64_t number;  /* of its conversation: the cursor */
    uint64_t partner; /* 0: there is none */
};

struct listing {
    struct native_asked asked;
    uint64_t before;
    unsigned limit;

    struct buf rows;
    struct line lines[LINES_MAX];
    size_t count;
    bool more; /* there may be more behind them */

    struct presence_asked partners[PRESENCE_ASKED];
    size_t partner_count;
};

static void listing_free(struct listing *listing)
{
    buf_fini(&listing->rows);
    free(listing);
}

/* What does not fit any more is on the next page. */
static void on_line(void *arg, const struct store_app_line *line)
{
    struct listing *listing = arg;
    size_t begin = listing->rows.len;
    if (listing->more)
        return;
    json_begin_object(&listing->rows);
    app_begin_line(&listing->rows, line);
    bool is_too_much = listing->rows.failed || listing->rows.len > (size_t)protocol_context.settings->history_bytes;
    if (is_too_much && listing->count) {
        listing->rows.len = begin;
        listing->more = true;
        return;
    }
    listing->lines[listing->count++] = (struct line){listing->rows.len, line->conversation, line->partner.user};
}

static void list(struct job *job, struct store *store)
{
    struct listing *listing = (struct listing *)job;
    job->err =
        store_app_conversations_of(store, listing->asked.user, listing->before, listing->limit, on_line, listing);
    listing->more |= listing->count == listing->limit;
    job->bytes = listing->rows.cap;
}

static void add_line(struct buf *out, const struct listing *listing, size_t i, size_t *partner)
{
    size_t begin = i ? listing->lines[i - 1].end : 0;
    json_add_raw(out, NULL, (struct str){listing->rows.data + begin, listing->lines[i].end - begin});
    if (listing->lines[i].partner) {
        const struct presence_asked *asked = &listing->partners[(*partner)++];
        if (asked->known)
            json_add_bool(out, "online", asked->online);
        json_end_object(out);
    }
    json_end_object(out);
}

static void on_online(void *arg)
{
    struct listing *listing = arg;
    struct native *native = native_find(listing->asked.session_id);
    if (native) {
        struct buf out;
        size_t partner = 0;
        native->asked--;
        native_begin(&out, listing->rows.len + listing->count * 64 + 512, listing->asked.re);
        json_add_array(&out, "items");
        for (size_t i = 0; i < listing->count; i++)
            add_line(&out, listing, i, &partner);
        json_end_array(&out);
        json_add_key(&out, "next");
        if (listing->more)
            buf_addf(&out, "\"%llu\"", (unsigned long long)listing->lines[listing->count - 1].number);
        else
            buf_add_text(&out, "null");
        native_end(native, &out);
        native_answered(&listing->asked, native);
    }
    listing_free(listing);
}

static void on_listed(struct job *job)
{
    struct listing *listing = (struct listing *)job;
    struct native *native = native_asked_by(&listing->asked);
    if (!native) {
        listing_free(listing);
        return;
    }
    if (listing->asked.forgotten != protocol_context.hub->forgotten) { /* some of what was said last may be gone */
        native_fail(native, listing->asked.re, ERR_DOWN);
        native_answered(&listing->asked, native);
        listing_free(listing);
        return;
    }
    for (size_t i = 0; i < listing->count; i++)
        if (listing->lines[i].partner)
            listing->partners[listing->partner_count++].user = listing->lines[i].partner;
    native->asked++; /* until it is known who is online */
    presence_ask_online(protocol_context.presence, listing->partners, listing->partner_count, on_online, listing);
}

bool native_read_next(struct json_object *object, uint64_t *before)
{
    struct str text;
    int64_t number;
    *before = INT64_MAX;
    if (!json_has(object, "cursor"))
        return true;
    if (!json_get_string(object, "cursor", &text) || !json_whole(text, &number) || number < 1)
        return false;
    *before = (uint64_t)number;
    return true;
}

void native_conversations(struct native *native, int64_t re, struct json_object *object)
{
    int64_t limit = LINES;
    uint64_t before;
    if (!native_is_of_app(native, re))
        return;
    if (json_has(object, "limit") && !json_get_int(object, "limit", 1, LINES_MAX, &limit)) {
        native_refuse_argument(native, re, "limit", "must be a number up to 100");
        return;
    }
    if (!native_read_next(object, &before)) {
        native_refuse_argument(native, re, "cursor", "must be what `next` said");
        return;
    }
    struct listing *listing = native_asked_new(native, re, sizeof *listing, list, on_listed);
    listing->before = before;
    listing->limit = (unsigned)limit;
    buf_init(&listing->rows, (size_t)protocol_context.settings->history_bytes + (1 << 17));
    job_charge(&listing->asked.job, JOB_ASK, native->user, 1 + (size_t)limit * LINE_COST);
    native_look_up_much(native, &listing->asked);
}

/* ---- a new one ---- */

struct making {
    struct native_asked asked;
    char own_id[APP_ID_MAX + 1];
    struct app_wish wish;

    enum app_refusal why;
    struct store_app_conversation found;
    struct buf meta;
    bool made;
};

static void making_free(struct making *making)
{
    app_wish_fini(&making->wish);
    buf_fini(&making->meta);
    free(making);
}

static void make(struct job *job, struct store *store)
{
    struct making *making = (struct making *)job;
    struct app_actor actor;
    job->err = app_actor_find(store, str_of(making->own_id), making->asked.user, &actor);
    if (!job->err)
        job->err = app_make(store, protocol_context.settings, &actor, &making->wish, STR(""), &making->found,
                            &making->meta, &making->made, &making->why);
    job->err = settle(job->err, making->why);
}

static void on_made(struct job *job)
{
    struct making *making = (struct making *)job;
    struct native *native = native_asked_by(&making->asked);
    if (native && making->why) {
        refuse(native, making->asked.re, making->why);
    } else if (native) {
        struct buf out;
        native_begin(&out, 16384 + making->meta.len, making->asked.re);
        app_add_conversation(&out, &making->found, buf_str(&making->meta));
        json_add_bool(&out, "made", making->made);
        native_end(native, &out);
    }
    making_free(making);
}

/* NULL: it was refused. */
static struct making *read_wish(struct native *native, int64_t re, struct json_object *object)
{
    struct app_wrong wrong;
    struct making *making = native_asked_new(native, re, sizeof *making, make, on_made);
    buf_init(&making->meta, META_BYTES);
    if (app_wish_read(object, "room", &making->wish, &wrong))
        return making;
    native_refuse_argument(native, re, wrong.field, wrong.rule);
    making_free(making);
    return NULL;
}

void native_create(struct native *native, int64_t re, struct json_object *object)
{
    const struct app_actor actor = {.is_user = true};
    int64_t retry_after_ms;
    if (!native_is_of_app(native, re))
        return;
    if (!app_may_make(protocol_context.settings, &actor)) {
        refuse(native, re, APP_CREATE);
        return;
    }
    struct making *making = read_wish(native, re, object);
    if (!making)
        return;
    if (!limits_creation(native->session->owner->limits, &native->session->client, &retry_after_ms)) {
        native_refuse_for(native, re, "rate", "too much was made: try again later", retry_after_ms);
        making_free(making);
        return;
    }
    memcpy(making->own_id, native->id, strlen(native->id));
    /* looked for, written, and looked at; members are looked up 32 at once, and written 100 */
    job_charge(&making->asked.job, JOB_ASK, native->user, 10 + making->wish.count / 10);
    struct app_wish wish = making->wish;
    struct buf meta = making->meta;
    if (!native_look_up(native, re, &making->asked.job)) { /* the job is gone already */
        app_wish_fini(&wish);
        buf_fini(&meta);
    }
}

/* ---- who is in it ---- */

struct changing {
    struct native_asked asked;
    char own_id[APP_ID_MAX + 1], room[NATIVE_ID_MAX], user[APP_ID_MAX + 1];
    enum store_member_role role; /* 0: not said */
    bool removes;

    enum app_refusal why;
    struct app_change change;
};

static void change(struct job *job, struct store *store)
{
    struct changing *changing = (struct changing *)job;
    struct app_actor actor;
    struct str room = str_of(changing->room), user = str_of(changing->user);
    job->err = app_actor_find(store, str_of(changing->own_id), changing->asked.user, &actor);
    if (!job->err && changing->removes)
        job->err = app_remove_member(store, &actor, room, user, &changing->change, &changing->why);
    else if (!job->err)
        job->err = app_put_member(store, &actor, room, user, changing->role, &changing->change, &changing->why);
    job->err = settle(job->err, changing->why);
}

static void answer_put(struct native *native, const struct changing *changing)
{
    const struct app_change *made = &changing->change;
    struct buf out;
    native_begin(&out, 2048, changing->asked.re);
    json_add_u64(&out, "ch", made->of.conversation);
    json_add_text(&out, "id", made->user.id);
    json_add_u64(&out, "uid", made->user.user);
    json_add_text(&out, "role", role_word(made->role));
    json_add_bool(&out, "made", made->made);
    native_end(native, &out);
}

static void on_changed(struct job *job)
{
    struct changing *changing = (struct changing *)job;
    struct native *native = native_asked_by(&changing->asked);
    if (native && changing->why)
        refuse(native, changing->asked.re, changing->why);
    else if (native && changing->removes)
        native_ok(native, changing->asked.re);
    else if (native)
        answer_put(native, changing);
    hub_tell(protocol_context.hub, changing->change.told, changing->change.epoch); /* before their subscription ends */
    if (changing->change.revoked)
        hub_revoked(protocol_context.hub);
    free(changing->change.told);
    free(changing);
}

/* `user`: the application's id of the other user. */
static void change_member(struct native_room *room, int64_t re, struct str user, enum store_member_role role,
                          bool removes)
{
    struct native *native = room->native;
    if (room->membership.kind != KIND_APP) {
        refuse(native, re, APP_NOT_OURS);
        return;
    }
    struct changing *changing = native_asked_new(native, re, sizeof *changing, change, on_changed);
    memcpy(changing->own_id, native->id, strlen(native->id));
    memcpy(changing->room, room->id, strlen(room->id));
    memcpy(changing->user, user.ptr, user.len);
    changing->role = role;
    changing->removes = removes;
    job_charge(&changing->asked.job, JOB_ASK, native->user, 8); /* as many statements */
    native_look_up(native, re, &changing->asked.job);
}

static bool read_user(struct native *native, int64_t re, struct json_object *object, struct str *user)
{
    if (json_get_string(object, "user", user) && app_id_ok(*user))
        return true;
    native_refuse_argument(native, re, "user", "must be the application's id of a user");
    return false;
}

void native_invite(struct native_room *room, int64_t re, struct json_object *object)
{
    struct native *native = room->native;
    enum store_member_role role = (enum store_member_role)0;
    struct str user, word;
    if (!read_user(native, re, object, &user))
        return;
    if (json_has(object, "role") && (!json_get_string(object, "role", &word) || !role_of_word(word, &role)))
        native_refuse_argument(native, re, "role", "must be owner, moderator, member or reader");
    else
        change_member(room, re, user, role, false);
}

void native_remove(struct native_room *room, int64_t re, struct json_object *object)
{
    struct str user;
    if (read_user(room->native, re, object, &user))
        change_member(room, re, user, (enum store_member_role)0, true);
}

void native_quit(struct native_room *room, int64_t re, struct json_object *object)
{
    (void)object;
    change_member(room, re, str_of(room->native->id), (enum store_member_role)0, true);
}
