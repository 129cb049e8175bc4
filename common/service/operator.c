#include "common/service/operator.h"

#include "common/store/store_app_event.h"
#include "common/store/store_rights.h"
#include "common/text.h"

#include <stdlib.h>

static const char *const realms[] = {
    [REALM_CHATROOM] = "chatroom", [REALM_FRIENDS] = "friends", [REALM_CUSTOMERS] = "customers",
    [REALM_SPACES] = "spaces",     [REALM_APP] = "app",         [OPERATOR_SOCKETIO] = "socketio",
};
enum { REALMS = sizeof realms / sizeof realms[0], PATIENCE_MS = 10000 };

enum err operator_realm(struct str word, int *realm)
{
    *realm = 0;
    for (int i = 1; word.len && i < REALMS; i++)
        if (str_eq(word, str_of(realms[i])))
            *realm = i;
    return word.len && !*realm ? ERR_NOT_FOUND : ERR_OK;
}

const char *operator_realm_word(int realm)
{
    return realm > 0 && realm < REALMS ? realms[realm] : "";
}

bool operator_app_id(struct str *user)
{
    const struct str prefix = STR("app:");
    if (user->len <= prefix.len || memcmp(user->ptr, prefix.ptr, prefix.len) != 0)
        return false;
    *user = (struct str){user->ptr + prefix.len, user->len - prefix.len};
    return true;
}

/* ---- the target ---- */

struct found {
    uint64_t user;
    int realm;
    unsigned count;
};

static void on_found(void *arg, const struct store_moderated *user)
{
    struct found *found = arg;
    found->user = user->user;
    found->realm = (int)user->realm;
    found->count++;
}

static enum err fail(enum err err, const char *sentence, const char **why)
{
    *why = sentence;
    return err;
}

static enum err read_name(const struct operator_order *order, struct sanction *sanction, const char **why)
{
    if (text_check_label(order->user, SANCTION_NAME_MAX) || order->user.len >= SANCTION_NAME_MAX)
        return fail(ERR_INVALID, "user is a name of at most 256 bytes", why);
    memcpy(sanction->name, order->user.ptr, order->user.len);
    return ERR_OK;
}

static enum err find_user(struct store *store, const struct operator_order *order, int *realm,
                          struct sanction *sanction, const char **why)
{
    struct found found = {.count = 0};
    struct str user = order->user;
    if (!*realm && operator_app_id(&user))
        *realm = REALM_APP;
    enum err err = store_moderated_find(store, (enum store_realm) * realm, user, on_found, &found);
    if (!err && !found.count)
        return fail(ERR_NOT_FOUND, "no such user", why);
    if (!err && found.count > 1)
        return fail(ERR_DUPLICATE, "several users are called so: say in which realm, or the id", why);
    sanction->user = found.user;
    *realm = found.realm;
    return err;
}

static enum store_kind kind_of(int realm)
{
    return realm == OPERATOR_SOCKETIO ? KIND_SOCKETIO : realm == REALM_APP ? KIND_APP : (enum store_kind)realm;
}

static enum err find(struct store *store, const struct operator_order *order, struct sanction *sanction,
                     const char **why)
{
    int realm;
    enum err err = ERR_OK;
    if (operator_realm(order->realm, &realm))
        return fail(ERR_INVALID, "realm is chatroom, friends, customers, spaces, app or socketio", why);
    if (!order->user.len == !order->address.len)
        return fail(ERR_INVALID, "either a user or an address", why);
    if (order->address.len && sanction_address(order->address, sanction->address))
        return fail(ERR_INVALID, "address is an IPv4 or IPv6 address", why);
    if (order->user.len && realm == OPERATOR_SOCKETIO)
        err = read_name(order, sanction, why);
    else if (order->user.len)
        err = find_user(store, order, &realm, sanction, why);
    if (!err && order->room.len) {
        err = store_moderated_room(store, kind_of(realm), order->room, &sanction->conversation);
        if (err == ERR_NOT_FOUND)
            *why = "no such room";
    }
    return err;
}

/* In a conversation of the application's an event tells of it. */
static enum err remove_member(struct store *store, struct operator_done *done)
{
    const struct sanction *sanction = &done->sanction;
    struct store_app_event event = {
        .kind = MESSAGE_REMOVED, .conversation = sanction->conversation, .user = sanction->user};
    enum err err = store_app_event(store, &event, PATIENCE_MS);
    done->told = event.told;
    done->epoch = event.epoch;
    return err == ERR_NOT_FOUND ? store_member_remove(store, sanction->conversation, sanction->user) : err;
}

static enum err revoke(struct store *store, struct operator_done *done, const char **why)
{
    const struct sanction *sanction = &done->sanction;
    struct store_revocation all = {.user = sanction->user, .tokens_too = true};
    if (!sanction->user)
        return fail(ERR_INVALID, "a revocation is a user's, who is none of Socket.IO's", why);
    if (!sanction->conversation)
        return store_revoke(store, &all);
    enum err err = remove_member(store, done);
    return err == ERR_NOT_FOUND ? fail(err, "no member of that room", why) : err;
}

enum err operator_carry_out(struct store *store, const struct operator_order *order, struct operator_done *done,
                            const char **why)
{
    struct sanction *sanction = &done->sanction;
    *done = (struct operator_done){.sanction.kind = order->kind};
    *why = "the database cannot be used now";
    if (order->for_s < 0 || order->for_s > SANCTION_LONGEST_S)
        return fail(ERR_INVALID, "the time is at most ten years", why);
    if (!text_utf8_valid(order->reason) || text_length(order->reason) > SANCTION_REASON_MAX ||
        (order->reason.len && text_check_content(order->reason)))
        return fail(ERR_INVALID, "reason is a text of at most 500 characters", why);
    enum err err = find(store, order, sanction, why);
    if (!err && order->kind == SANCTION_REVOCATION)
        return revoke(store, done, why);
    if (err || order->kind == SANCTION_KICK)
        return err;
    return order->lift ? store_sanction_lift(store, sanction, &done->lifted)
                       : store_sanction_add(store, sanction, order->for_s, order->reason);
}

/* ---- notices to the relays ---- */

static void add_header(struct buf *out, enum wire_kind kind, uint64_t epoch)
{
    wire_add_header(out, &(struct wire_header){.kind = kind, .epoch = epoch, .conversation = WIRE_CONTROL});
}

void operator_add_wire(struct buf *out, const struct sanction *sanction, uint64_t epoch)
{
    add_header(out, WIRE_SANCTION, epoch);
    if (sanction->kind == SANCTION_KICK)
        sanction_add_kick(out, sanction);
}

void operator_add_drain(struct buf *out, struct str relay, uint64_t epoch)
{
    add_header(out, WIRE_DRAIN, epoch);
    buf_add_str(out, relay);
}
