#include "admin/commands.h"
#include "admin/redis.h"
#include "common/service/operator.h"
#include "common/store/store_rights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- words of the command line ---- */

static struct str option(const struct operation *operation, enum operation_option which)
{
    return str_of(operation->options[which]);
}

int64_t command_seconds(struct str text)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 24 * 3600}};
    char *end;
    if (!text.len || text.len > 12 || text.ptr[0] < '0' || text.ptr[0] > '9')
        return -1;
    int64_t number = strtoll(text.ptr, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (!strcmp(end, units[i].unit))
            return number * units[i].seconds;
    return -1;
}

/* ---- orders ---- */

/* An event of a conversation, which the relays find by themselves if they do not hear of it. */
static void tell_event(const struct settings *settings, const struct operator_done *done)
{
    char why[256] = "";
    int64_t heard;
    struct buf wire;
    buf_init(&wire, 1024 + message_size(done->told));
    wire_add_header(
        &wire, &(struct wire_header){
                   .kind = WIRE_MESSAGES, .epoch = done->epoch, .conversation = done->told->conversation, .count = 1});
    wire_add_message(&wire, done->told);
    (void)!redis_publish(settings, done->told->conversation, buf_str(&wire), &heard, why);
    buf_fini(&wire);
}

/* A kick that nobody hears of is lost; of the rest the relays will find what is stored. */
static enum status tell(const struct settings *settings, struct store *store, const struct operator_done *done)
{
    const struct sanction *sanction = &done->sanction;
    char why[256] = "";
    uint64_t epoch;
    int64_t heard;
    struct buf wire;
    if (store_epoch(store, &epoch))
        return command_database_failed(store);
    if (done->told)
        tell_event(settings, done);
    buf_init(&wire, 1024);
    operator_add_wire(&wire, sanction, epoch);
    enum err err = redis_publish(settings, WIRE_CONTROL, buf_str(&wire), &heard, why);
    buf_fini(&wire);
    if (err && sanction->kind == SANCTION_KICK)
        return command_cannot(why);
    if (err)
        fprintf(stderr, "chaguan: %s: the relays will find it by themselves within seconds\n", why);
    return STATUS_FINE;
}

static enum status carry_out(const struct settings *settings, const struct operation *operation,
                             struct operator_order *order)
{
    struct operator_done done;
    const char *why;
    order->realm = option(operation, OPTION_REALM);
    order->room = option(operation, OPTION_ROOM);
    order->reason = option(operation, OPTION_REASON);
    if (operation->options[OPTION_FOR] && (order->for_s = command_seconds(option(operation, OPTION_FOR))) <= 0)
        return command_cannot("--for takes a number of seconds, or with s, min, h, d");
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = operator_carry_out(store, order, &done, &why);
    enum status status = err ? command_cannot(why) : tell(settings, store, &done);
    if (!status && order->lift)
        printf("lifted=%" PRIu64 "\n", done.lifted);
    free(done.told);
    store_free(store);
    return status;
}

static enum status on_user(const struct settings *settings, const struct operation *operation, enum sanction_kind kind,
                           bool lift)
{
    struct operator_order order = {.kind = kind, .lift = lift, .user = str_of(operation->words[0])};
    return carry_out(settings, operation, &order);
}

static enum status on_address(const struct settings *settings, const struct operation *operation,
                              enum sanction_kind kind, bool lift)
{
    struct operator_order order = {.kind = kind, .lift = lift, .address = str_of(operation->words[0])};
    return carry_out(settings, operation, &order);
}

enum status command_user_mute(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_MUTE, false);
}

enum status command_user_unmute(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_MUTE, true);
}

enum status command_user_ban(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_BAN, false);
}

enum status command_user_unban(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_BAN, true);
}

enum status command_user_kick(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_KICK, false);
}

enum status command_user_revoke(const struct settings *settings, const struct operation *operation)
{
    return on_user(settings, operation, SANCTION_REVOCATION, false);
}

enum status command_tokens_revoke(const struct settings *settings, const struct operation *operation)
{
    const struct store_revocation all = {.user = 0};
    (void)operation;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum status status = store_revoke(store, &all)
                             ? command_database_failed(store)
                             : tell(settings, store, &(struct operator_done){.sanction.kind = SANCTION_REVOCATION});
    store_free(store);
    return status;
}

enum status command_address_ban(const struct settings *settings, const struct operation *operation)
{
    return on_address(settings, operation, SANCTION_BAN, false);
}

enum status command_address_unban(const struct settings *settings, const struct operation *operation)
{
    return on_address(settings, operation, SANCTION_BAN, true);
}

/* ---- lists ---- */

/* Names hold anything but controls: shown as JSON strings. */
static void print_text(const char *key, struct str text)
{
    struct buf out;
    if (!text.len)
        return;
    buf_init(&out, text.len * 6 + 2);
    buf_add_json(&out, text);
    printf(" %s=%.*s", key, (int)out.len, out.data);
    buf_fini(&out);
}

static void print_line(void *arg, const struct store_sanction_line *line)
{
    const struct sanction *sanction = &line->sanction;
    const bool *addresses_only = arg;
    if (addresses_only && *addresses_only && !*sanction->address)
        return;
    printf("%s", sanction->kind == SANCTION_MUTE ? "mute" : "ban");
    print_text("realm", str_of(operator_realm_word(*sanction->name ? OPERATOR_SOCKETIO : (int)line->realm)));
    print_text("user", *sanction->name ? str_of(sanction->name) : line->user_name);
    print_text("address", str_of(sanction->address));
    print_text("room", line->room);
    print_text("until", line->until);
    print_text("reason", line->reason);
    print_text("since", line->created_at);
    putchar('\n');
}

struct users {
    uint64_t last;
    unsigned count;
};

static void print_user(void *arg, const struct store_moderated *user)
{
    struct users *users = arg;
    printf("user");
    print_text("realm", str_of(operator_realm_word((int)user->realm)));
    print_text("name", user->name);
    print_text("since", (struct str){user->created_at.ptr, user->created_at.len > 19 ? 19 : user->created_at.len});
    putchar('\n');
    users->last = user->user;
    users->count++;
}

static bool take_realm(const struct operation *operation, int *realm)
{
    if (!operator_realm(option(operation, OPTION_REALM), realm) && *realm != OPERATOR_SOCKETIO)
        return true;
    command_cannot("--realm is chatroom, friends, customers, spaces or app");
    return false;
}

enum status command_user_list(const struct settings *settings, const struct operation *operation)
{
    enum { PAGE = 1000 };
    struct users users = {.count = PAGE};
    int realm;
    enum err err = ERR_OK;
    if (!take_realm(operation, &realm))
        return STATUS_CANNOT;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    while (!err && users.count == PAGE) {
        users.count = 0;
        err = store_moderated_list(store, (enum store_realm)realm, users.last, PAGE, print_user, &users);
    }
    enum status status = err ? command_database_failed(store) : STATUS_FINE;
    store_free(store);
    return status;
}

struct shown {
    uint64_t users[8]; /* one name in every realm, at most */
    size_t count;
};

static void remember_user(void *arg, const struct store_moderated *user)
{
    struct shown *shown = arg;
    struct users users = {0};
    print_user(&users, user);
    if (shown->count < sizeof shown->users / sizeof shown->users[0])
        shown->users[shown->count++] = user->user;
}

enum status command_user_show(const struct settings *settings, const struct operation *operation)
{
    struct shown shown = {.count = 0};
    struct str user = str_of(operation->words[0]);
    int realm;
    if (!take_realm(operation, &realm))
        return STATUS_CANNOT;
    if (!realm && operator_app_id(&user))
        realm = REALM_APP;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = store_moderated_find(store, (enum store_realm)realm, user, remember_user, &shown);
    for (size_t i = 0; !err && i < shown.count; i++)
        err = store_sanction_lines(store, shown.users[i], print_line, NULL);
    enum status status = err            ? command_database_failed(store)
                         : !shown.count ? command_cannot("no such user")
                                        : STATUS_FINE;
    store_free(store);
    return status;
}

static enum status list_sanctions(const struct settings *settings, bool addresses_only)
{
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = store_sanction_lines(store, 0, print_line, &addresses_only);
    enum status status = err ? command_database_failed(store) : STATUS_FINE;
    store_free(store);
    return status;
}

enum status command_address_list(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    return list_sanctions(settings, true);
}

enum status command_sanctions(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    return list_sanctions(settings, false);
}
