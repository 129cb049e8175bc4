#include "rest/calls/admin.h"

#include "common/json.h"
#include "common/service/operator.h"
#include "common/token.h"
#include "rest/http/failure.h"
#include "rest/services/publish.h"

#include <stdlib.h>
#include <strings.h>

/* ---- who may ---- */

int admin_check(struct call *call)
{
    static const char scheme[] = "Bearer ";
    const size_t len = sizeof scheme - 1;
    struct str wanted = str_of(settings_secret(&call->backends->settings->admin_token));
    struct str given = call->request->authorization;
    if (!wanted.len) {
        call->error = "the admin calls are off (setting admin_token)";
        call->code = "off";
        return 403;
    }
    if (given.len <= len || strncasecmp(given.ptr, scheme, len) != 0)
        return 401;
    given = (struct str){given.ptr + len, given.len - len};
    return token_same(given, wanted) ? 0 : 401;
}

/* ---- orders ---- */

static bool take_text(struct json_object *object, const char *key, struct str *text)
{
    *text = STR("");
    return !json_has(object, key) || json_get_string(object, key, text);
}

static int carry_out(struct call *call, struct operator_order *order, struct json_object *object)
{
    struct operator_done done;
    const char *why;
    if (!take_text(object, "user", &order->user) || !take_text(object, "address", &order->address) ||
        !take_text(object, "realm", &order->realm) || !take_text(object, "room", &order->room) ||
        !take_text(object, "reason", &order->reason) ||
        (json_has(object, "forSeconds") && !json_get_int(object, "forSeconds", 1, SANCTION_LONGEST_S, &order->for_s))) {
        call->error = "user, address, realm, room and reason are texts, forSeconds is a number of seconds";
        return 400;
    }
    enum err err = operator_carry_out(call->backends->store, order, &done, &why);
    if (!err) {
        if (done.told)
            publish_message(call->backends, done.told, done.epoch);
        free(done.told);
        why = "Redis cannot be used now: nobody was told";
        err = publish_sanction(call->backends, &done.sanction);
        if (done.sanction.kind != SANCTION_KICK)
            err = ERR_OK; /* the relays find what is stored */
    }
    if (err) {
        call->error = why;
        return failure_status(err, "admin");
    }
    json_begin_object(call->out);
    json_add_bool(call->out, "success", true);
    if (order->lift) {
        json_add_object(call->out, "data");
        json_add_u64(call->out, "lifted", done.lifted);
        json_end_object(call->out);
    }
    json_end_object(call->out);
    return 200;
}

/* A body: read only once its sender may ask for anything at all. */
static int on_order(struct call *call, enum sanction_kind kind, bool lift)
{
    size_t limit = (size_t)call->backends->settings->max_body_bytes;
    struct operator_order order = {.kind = kind, .lift = lift};
    struct json_object *object;
    struct buf text;
    int status = admin_check(call);
    if (status)
        return status;
    buf_init(&text, limit);
    enum err err = http_read_body(call->request, limit, &text);
    status = err == ERR_TOO_BIG ? 413 : 400;
    if (!err && !json_parse_object(buf_str(&text), &object)) {
        status = carry_out(call, &order, object);
        json_object_put(object);
    }
    buf_fini(&text);
    return status;
}

static int mute(struct call *call)
{
    return on_order(call, SANCTION_MUTE, false);
}

static int unmute(struct call *call)
{
    return on_order(call, SANCTION_MUTE, true);
}

static int ban(struct call *call)
{
    return on_order(call, SANCTION_BAN, false);
}

static int unban(struct call *call)
{
    return on_order(call, SANCTION_BAN, true);
}

static int kick(struct call *call)
{
    return on_order(call, SANCTION_KICK, false);
}

static int revoke(struct call *call)
{
    return on_order(call, SANCTION_REVOCATION, false);
}

/* ---- the list ---- */

static void add_field(struct buf *out, const char *name, struct str value)
{
    if (value.len)
        json_add_string(out, name, value);
}

static void on_line(void *arg, const struct store_sanction_line *line)
{
    struct buf *out = arg;
    const struct sanction *sanction = &line->sanction;
    int realm = *sanction->name ? OPERATOR_SOCKETIO : (int)line->realm;
    json_add_object(out, NULL);
    json_add_text(out, "kind", sanction->kind == SANCTION_MUTE ? "mute" : "ban");
    add_field(out, "realm", str_of(operator_realm_word(realm)));
    add_field(out, "user", *sanction->name ? str_of(sanction->name) : line->user_name);
    add_field(out, "address", str_of(sanction->address));
    add_field(out, "room", line->room);
    add_field(out, "until", line->until);
    add_field(out, "reason", line->reason);
    add_field(out, "createdAt", line->created_at);
    json_end_object(out);
}

static int list(struct call *call)
{
    int status = admin_check(call);
    if (status)
        return status;
    json_begin_object(call->out);
    json_add_bool(call->out, "success", true);
    json_add_array(call->out, "data");
    enum err err = store_sanction_lines(call->backends->store, 0, on_line, call->out);
    json_end_array(call->out);
    json_end_object(call->out);
    return failure_status(err, "admin");
}

#define ORDER(word, means) \
    {.method = "POST", \
     .path = "/api/admin/" #word, \
     .body = BODY_STREAM, \
     .handler = (word), \
     .failed = failure_coded, \
     .doc = means " (admin)"}

static const struct route rows[] = {
    ORDER(mute, "a user or an address may not post"),
    ORDER(unmute, "… may again"),
    ORDER(ban, "a user or an address may not be here"),
    ORDER(unban, "… may again"),
    ORDER(kick, "closes the connections of a user or an address"),
    ORDER(revoke, "a user's tokens and connections, or membership in a room, are over"),
    {.method = "GET",
     .path = "/api/admin/sanctions",
     .handler = list,
     .failed = failure_coded,
     .doc = "the mutes and bans in force (admin)"},
};

const struct route_table admin_routes = ROUTE_TABLE(rows);
