#include "common/service/app_acts.h"

#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store_app_event.h"
#include "common/store/store_sanctions.h"

#include <stdlib.h>

enum { PATIENCE_MS = 5000 };

static enum err deny(enum app_refusal *why, enum app_refusal refusal)
{
    *why = refusal;
    return ERR_DENIED;
}

static uint64_t reader_of(const struct app_actor *actor)
{
    return actor->is_user ? actor->user : 0;
}

enum err app_actor_find(struct store *store, struct str id, uint64_t user, struct app_actor *actor)
{
    struct store_app_user found;
    enum err err = store_app_user_find(store, id, &found);
    *actor = (struct app_actor){.is_user = true, .user = user, .role = found.role};
    return !err && found.user != user ? ERR_NOT_FOUND : err;
}

/* ---- which one ---- */

static enum err is_banned(struct store *store, const struct app_actor *actor, uint64_t conversation, bool *banned)
{
    char address[SANCTION_ADDRESS_MAX];
    struct store_sanctioned on = {.banned = false};
    if (!actor->address.len || sanction_address(actor->address, address))
        *address = '\0';
    enum err err = store_sanctioned(store, actor->user, str_of(address), conversation, &on);
    *banned = on.banned;
    return err;
}

static enum err judge(struct store *store, const struct app_actor *actor, enum app_act act,
                      const struct store_app_conversation *found, enum app_refusal *why)
{
    bool banned = false;
    *why = app_judge(actor, act, found);
    if (*why == APP_NO_CONVERSATION)
        return ERR_DENIED;
    enum err err = actor->is_user ? is_banned(store, actor, found->conversation, &banned) : ERR_OK;
    if (err)
        return err;
    if (banned) {
        metric_inc(METRIC_MODERATION_REFUSED);
        return deny(why, APP_BANNED);
    }
    return *why ? ERR_DENIED : ERR_OK;
}

enum err app_find(struct store *store, const struct app_actor *actor, struct str id, enum app_act act,
                  struct store_app_conversation *found, struct buf *meta, enum app_refusal *why)
{
    enum err err = store_app_conversation_find(store, id, reader_of(actor), false, found, meta);
    if (err == ERR_NOT_FOUND)
        return deny(why, APP_NO_CONVERSATION);
    return err ? err : judge(store, actor, act, found, why);
}

enum err app_delete(struct store *store, const struct app_actor *actor, struct str id, bool *revoked,
                    enum app_refusal *why)
{
    struct store_app_conversation found;
    *revoked = false;
    enum err err = store_app_conversation_find(store, id, reader_of(actor), true, &found, NULL);
    if (err == ERR_NOT_FOUND)
        return deny(why, APP_NO_CONVERSATION);
    if (!err)
        err = judge(store, actor, APP_OWN, &found, why);
    if (err)
        return err;
    if (found.kind != KIND_APP)
        return deny(why, APP_NOT_OURS);
    *revoked = true;
    return store_app_conversation_delete(store, &found);
}

/* ---- members ---- */

/* The member that is meant, in a conversation of the application's that is not of two. *from: what they are there. */
static enum err find_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                            bool may_make, struct app_change *change, enum store_member_role *from,
                            enum app_refusal *why)
{
    *change = (struct app_change){.made = false};
    enum err err = app_find(store, actor, id, APP_READ, &change->of, NULL, why);
    if (err)
        return err;
    if (change->of.kind != KIND_APP)
        return deny(why, APP_NOT_OURS);
    if (change->of.type == APP_DIRECT)
        return deny(why, APP_FIXED);
    struct app_claims claims = {.id = user};
    err = store_app_user_find(store, user, &change->user);
    if (err == ERR_NOT_FOUND && may_make && app_id_ok(user))
        err = store_app_user_seen(store, &claims, &change->user);
    if (err == ERR_NOT_FOUND)
        return deny(why, APP_NO_USER);
    return err ? err : store_app_member_role(store, change->of.conversation, change->user.user, from);
}

static bool may_change(const struct app_actor *actor, const struct app_change *change, enum store_member_role from,
                       enum store_member_role to)
{
    bool is_self = actor->is_user && actor->user == change->user.user;
    return app_may_change(actor, &change->of, is_self, from, to);
}

static enum err carry_out(struct store *store, const struct app_actor *actor, struct store_app_event *event,
                          struct app_change *change)
{
    event->by = actor->is_user ? actor->user : 0;
    enum err err = store_app_event(store, event, PATIENCE_MS);
    change->role = event->now;
    change->made = event->made;
    change->revoked = event->revoked;
    change->told = event->told;
    change->epoch = event->epoch;
    return err;
}

enum err app_put_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                        enum store_member_role role, struct app_change *change, enum app_refusal *why)
{
    enum store_member_role from = (enum store_member_role)0;
    enum err err = find_member(store, actor, id, user, !actor->is_user, change, &from, why);
    if (err)
        return err;
    struct store_app_event event = {
        .kind = MESSAGE_JOINED,
        .conversation = change->of.conversation,
        .user = change->user.user,
        .role = role   ? role
                : from ? from
                       : ROLE_MEMBER,
        .keep_role = !role,
    };
    if (event.role != from && !may_change(actor, change, from, event.role))
        return deny(why, APP_ROLE);
    err = carry_out(store, actor, &event, change);
    return err == ERR_NOT_FOUND ? deny(why, APP_NO_CONVERSATION) : err; /* deleted meanwhile, or they were erased */
}

enum err app_remove_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                           struct app_change *change, enum app_refusal *why)
{
    enum store_member_role from = (enum store_member_role)0;
    enum err err = find_member(store, actor, id, user, false, change, &from, why);
    if (err)
        return err;
    if (!from)
        return deny(why, APP_NO_MEMBER);
    if (!may_change(actor, change, from, (enum store_member_role)0))
        return deny(why, APP_ROLE);
    struct store_app_event event = {
        .kind = MESSAGE_REMOVED, .conversation = change->of.conversation, .user = change->user.user};
    err = carry_out(store, actor, &event, change);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* somebody else was quicker */
}

enum err app_rename(struct store *store, const struct app_actor *actor, uint64_t conversation,
                    const struct store_app_change *change, struct app_change *told)
{
    struct store_app_event event = {
        .kind = MESSAGE_RENAMED,
        .conversation = conversation,
        .user = actor->is_user ? actor->user : 0,
        .change = change,
    };
    *told = (struct app_change){.made = false};
    enum err err = change->has_title ? carry_out(store, actor, &event, told) : ERR_OK;
    bool is_left = !told->told && change->has_meta; /* it was called so already */
    return !err && is_left ? store_app_conversation_patch(store, conversation, change) : err;
}

/* ---- making one ---- */

/* The users that are named: the application's backend makes those that are not there, as a token does. */
static enum err make_some(struct store *store, const struct str *ids, size_t count, struct store_app_member *members)
{
    struct app_claims claims[STORE_APP_SEEN_MAX];
    struct store_app_seen seen[STORE_APP_SEEN_MAX];
    struct store_app_user *users = mem_zalloc(count * sizeof *users);
    for (size_t i = 0; i < count; i++) {
        claims[i] = (struct app_claims){.id = ids[i]};
        seen[i] = (struct store_app_seen){.claims = &claims[i], .user = &users[i]};
    }
    enum err err = store_app_users_seen(store, seen, count);
    for (size_t i = 0; !err && i < count; i++) {
        err = seen[i].err;
        members[i] = (struct store_app_member){users[i].user, ROLE_MEMBER};
    }
    free(users);
    return err;
}

struct finding {
    const struct str *ids;
    size_t count;
    struct store_app_member *members;
};

static void on_number(void *arg, uint64_t user, struct str id)
{
    struct finding *finding = arg;
    for (size_t i = 0; i < finding->count; i++)
        if (str_eq(finding->ids[i], id))
            finding->members[i].user = user;
}

/* A user may only name existing users. */
static enum err find_some(struct store *store, const struct str *ids, size_t count, struct store_app_member *members)
{
    struct finding finding = {ids, count, members};
    for (size_t i = 0; i < count; i++)
        members[i] = (struct store_app_member){0, ROLE_MEMBER};
    enum err err = store_app_numbers(store, ids, count, on_number, &finding);
    for (size_t i = 0; !err && i < count; i++)
        if (!members[i].user)
            err = ERR_NOT_FOUND;
    return err;
}

static int by_user(const void *a, const void *b)
{
    const struct store_app_member *one = a, *other = b;
    if (one->user != other->user)
        return one->user < other->user ? -1 : 1;
    return one->role < other->role ? -1 : one->role > other->role;
}

/* Each user once, with the highest of their roles, by their numbers. */
static size_t sort(struct store_app_member *members, size_t count)
{
    size_t kept = 0;
    qsort(members, count, sizeof *members, by_user);
    for (size_t i = 0; i < count; i++)
        if (!kept || members[kept - 1].user != members[i].user)
            members[kept++] = members[i];
    return kept;
}

/* `members` has room for one more than are named. */
static enum err find_members(struct store *store, const struct app_actor *actor, const struct app_wish *wish,
                             struct store_app_member *members, size_t *count, enum app_refusal *why)
{
    enum err err = ERR_OK;
    for (*count = 0; !err && *count < wish->count;) {
        size_t left = wish->count - *count, some = left < STORE_APP_SEEN_MAX ? left : STORE_APP_SEEN_MAX;
        err = (actor->is_user ? find_some : make_some)(store, wish->members + *count, some, members + *count);
        *count += some;
    }
    if (err == ERR_NOT_FOUND)
        return deny(why, APP_NO_USER);
    if (err)
        return err;
    if (actor->is_user)
        members[(*count)++] =
            (struct store_app_member){actor->user, wish->type == APP_DIRECT ? ROLE_MEMBER : ROLE_OWNER};
    *count = sort(members, *count);
    return wish->type == APP_DIRECT && *count != 2 ? deny(why, APP_TWO) : ERR_OK;
}

static enum err make(struct store *store, const struct app_actor *actor, struct store_app_new *wanted,
                     struct store_app_conversation *found, struct buf *meta, enum app_refusal *why)
{
    enum err err = store_app_conversation_make(store, wanted);
    if (!err)
        err = store_app_conversation_find(store, str_of(wanted->name), reader_of(actor), false, found, meta);
    if (err == ERR_NOT_FOUND)
        return deny(why, APP_NO_CONVERSATION);
    if (!err && found->type != wanted->type)
        return deny(why, APP_CONFLICT);
    if (!err)
        err = judge(store, actor, APP_READ, found, why);
    return err == ERR_DENIED ? deny(why, APP_CONFLICT) : err; /* one that is not theirs */
}

bool app_may_make(const struct settings *settings, const struct app_actor *actor)
{
    return !actor->is_user || !strcmp(settings->create, "users");
}

enum err app_make(struct store *store, const struct settings *settings, const struct app_actor *actor,
                  const struct app_wish *wish, struct str public_id, struct store_app_conversation *found,
                  struct buf *meta, bool *made, enum app_refusal *why)
{
    struct store_app_new wanted = {
        .id = wish->id,
        .public_id = public_id,
        .type = wish->type,
        .title = wish->title,
        .meta = wish->meta,
        .created_by = reader_of(actor),
    };
    *made = false;
    if (!app_may_make(settings, actor))
        return deny(why, APP_CREATE);
    struct store_app_member *members = mem_zalloc((wish->count + 1) * sizeof *members);
    enum err err = find_members(store, actor, wish, members, &wanted.count, why);
    wanted.members = members;
    if (!err)
        err = make(store, actor, &wanted, found, meta, why);
    *made = wanted.made;
    free(members);
    return err;
}
