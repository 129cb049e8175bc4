#include "relay/socketio/sio.h"

#include "common/clock.h"
#include "common/container.h"
#include "common/id.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store/store.h"
#include "common/store/store_io.h"
#include "common/text.h"
#include "relay/net/http_parse.h"
#include "relay/socketio/sio_client.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SAID_AT_ONCE = 250, /* sockets, when Redis came back */
    QUERY_TEXT_BYTES = 2048,
};

struct sio sio;

/* The client broke the protocol: its connection ends, nobody else notices. */
static void reject(struct sio_client *client, const char *why)
{
    metric_inc(METRIC_IO_PACKETS_REFUSED);
    log_info("io.invalid", "conn=%llu why=%s", (unsigned long long)eio_id(client->conn), why);
    eio_close(client->conn, "parse error");
}

/* ---- connecting to a namespace ---- */

void sio_refuse_connect(struct sio_client *client, struct str nsp, const char *message)
{
    struct buf out;
    buf_init(&out, 1024);
    sio_packet_add_head(&out, SIO_CONNECT_ERROR, 0, nsp, -1);
    if (eio_is_v3(client->conn)) {
        buf_add_json(&out, str_of(message));
    } else {
        json_begin_object(&out);
        json_add_text(&out, "message", message);
        json_end_object(&out);
    }
    eio_send(client->conn, false, buf_str(&out));
    buf_fini(&out);
    metric_inc(METRIC_IO_CONNECTS_REFUSED);
}

/* What an official client that was here before says in its CONNECT. */
static bool wants_recovery(const struct sio_namespace *nsp, struct str auth, char pid[IO_PID_LEN + 1], uint64_t *offset)
{
    struct json_object *object;
    struct str text, where;
    if (!nsp->app->recoverable || !sio.settings->io_recovery_ms || json_parse_object(auth, &object))
        return false;
    bool wants = json_get_string(object, "pid", &text) && text.len == IO_PID_LEN &&
                 json_get_string(object, "offset", &where) && sio_recovery_offset(where, offset);
    if (wants)
        memcpy(pid, text.ptr, IO_PID_LEN + 1); /* json-c ends its texts with a NUL */
    json_object_put(object);
    return wants;
}

/* A part of a query as a JSON string; what is no UTF-8 once it is decoded stays as it came. */
static void add_decoded(struct buf *out, struct str text)
{
    char decoded[QUERY_TEXT_BYTES];
    size_t len;
    bool fine =
        !text_decode_url(text, true, decoded, sizeof decoded, &len) && text_utf8_valid((struct str){decoded, len});
    buf_add_json(out, fine ? (struct str){decoded, len} : text);
}

static void connect_to(struct sio_client *client, struct str name, struct sio_namespace *nsp, struct str auth)
{
    char pid[IO_PID_LEN + 1];
    uint64_t offset;
    if (nsp && sanctions_on(sio.hub->sanctions, SANCTION_BAN, 0, eio_address(client->conn), nsp->conversation)) {
        metric_inc(METRIC_MODERATION_REFUSED);
        sio_refuse_connect(client, name, "banned");
        return;
    }
    if (!nsp) {
        sio_refuse_connect(client, name, "Invalid namespace");
        return;
    }
    /* It comes again, as from a connection that was lost. */
    if (!nsp->live || !sio_registry_has_room(eio_address(client->conn))) {
        metric_inc(METRIC_IO_CONNECTS_REFUSED);
        eio_close(client->conn, "server busy");
        return;
    }
    if (settings_doors_closed(sio.settings)) {
        sio_token_connect(client, nsp, auth);
        return;
    }
    wheel_cancel(&client->connect_timer);
    struct sio_socket *socket = sio_socket_new(client, nsp);
    if (!eio_is_v3(client->conn) && wants_recovery(nsp, auth, pid, &offset))
        sio_recovery_begin(socket, str_of(pid), offset, auth);
    else
        sio_socket_begin(socket, auth);
}

/* As the reference has it: the query of the namespace is what later clients say in their CONNECT. Text and nothing else;
 * of an argument that is there twice, JSON's readers take the last one. */
static struct str auth_of_query(struct str query, struct buf *out)
{
    json_begin_object(out);
    while (query.len) {
        const char *end = memchr(query.ptr, '&', query.len);
        struct str pair = {query.ptr, end ? (size_t)(end - query.ptr) : query.len};
        size_t past = pair.len + (end != NULL);
        query = (struct str){query.ptr + past, query.len - past};
        const char *sign = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        struct str name = {pair.ptr, sign ? (size_t)(sign - pair.ptr) : pair.len};
        struct str value = sign ? (struct str){sign + 1, (size_t)(pair.ptr + pair.len - sign) - 1} : STR("");
        if (!name.len)
            continue;
        json_add_key(out, NULL);
        add_decoded(out, name);
        buf_add_char(out, ':');
        add_decoded(out, value);
    }
    json_end_object(out);
    return out->failed ? STR("") : buf_str(out);
}

static void on_connect(struct sio_client *client, const struct sio_packet *packet)
{
    struct sio_namespace *nsp = sio_namespace_find(packet->nsp);
    struct buf query;
    buf_init(&query, packet->query.len * 6 + 64);
    struct str auth = eio_is_v3(client->conn) ? auth_of_query(packet->query, &query) : packet->payload;
    connect_to(client, packet->nsp, nsp, auth.len ? auth : STR("{}"));
    buf_fini(&query);
}

static void on_connect_late(struct wheel_timer *timer)
{
    struct sio_client *client = container_of(timer, struct sio_client, connect_timer);
    eio_close(client->conn, "forced close");
}

/* ---- events and acknowledgements ---- */

static bool forget_ask(struct sio_socket *socket, int64_t id)
{
    for (size_t i = 0; i < socket->ask_count; i++)
        if (socket->asks[i] == id) {
            socket->asks[i] = socket->asks[--socket->ask_count];
            if (!socket->ask_count) {
                free(socket->asks);
                socket->asks = NULL;
            }
            return true;
        }
    return false;
}

void sio_add_failure(struct buf *array, const char *error, int64_t retry_after_ms)
{
    json_begin_array(array);
    json_add_object(array, NULL);
    json_add_bool(array, "success", false);
    json_add_text(array, "error", error);
    if (retry_after_ms)
        json_add_int(array, "retry_after_ms", retry_after_ms);
    json_end_object(array);
    json_end_array(array);
}

/* It came too soon. */
static void refuse_event(struct sio_socket *socket, const struct sio_event *event, int64_t retry_after_ms)
{
    struct buf array;
    metric_inc(METRIC_FRAMES_REFUSED);
    if (socket->nsp->app->limited) {
        socket->nsp->app->limited(socket, event, retry_after_ms);
        return;
    }
    buf_init(&array, 128);
    sio_add_failure(&array, "rate", retry_after_ms);
    sio_ack(socket, event->ack_id, buf_str(&array), NULL, 0);
    buf_fini(&array);
}

/* `retry_after_ms` not 0: to be refused, until then. */
static void on_event(struct sio_socket *socket, const struct sio_packet *packet, const struct str *attachments,
                     int64_t retry_after_ms)
{
    struct buf name;
    buf_init(&name, packet->name.len + 1);
    bool answer = packet->type == SIO_ACK || packet->type == SIO_BINARY_ACK;
    if (!answer && !sio_event_name(packet->name, &name)) {
        buf_fini(&name);
        return;
    }
    struct sio_event event = {
        .name = buf_str(&name),
        .args = packet->args,
        .arg_count = packet->arg_count,
        .attachments = attachments,
        .attachment_count = packet->attachments,
        .ack_id = packet->ack_id,
    };
    const struct app *app = socket->nsp->app;
    metric_inc(METRIC_IO_EVENTS);
    if (retry_after_ms)
        refuse_event(socket, &event, retry_after_ms);
    else if (!answer)
        app->event(socket, &event);
    else if (forget_ask(socket, packet->ack_id) && app->acked) /* for nothing: ignored */
        app->acked(socket, packet->ack_id, &event);
    buf_fini(&name);
}

/* What passes a limit of ours without breaking the protocol costs its sender that packet and nothing else. */
static void refuse_size(struct sio_socket *socket, const struct sio_packet *packet)
{
    metric_inc(METRIC_IO_PACKETS_REFUSED);
    if (packet->type == SIO_ACK || packet->type == SIO_BINARY_ACK)
        forget_ask(socket, packet->ack_id);
    else
        sio_ack(socket, packet->ack_id, STR("[{\"success\":false,\"error\":\"too_many_arguments\"}]"), NULL, 0);
}

static struct sio_socket *socket_in(const struct sio_client *client, struct str nsp)
{
    struct sio_socket *socket;
    SLIST_FOREACH(socket, &client->sockets, link)
        if (str_eq(socket->nsp->name, nsp))
            break;
    return socket;
}

static void on_packet(struct sio_client *client, const struct sio_packet *packet, const struct str *attachments)
{
    struct sio_socket *socket = socket_in(client, packet->nsp);
    if (!socket && packet->type == SIO_CONNECT)
        on_connect(client, packet);
    else if (!socket || packet->type == SIO_CONNECT || socket->state != SIO_LIVE)
        reject(client, "state"); /* as the reference: not connected to it, or twice */
    else if (packet->type == SIO_DISCONNECT)
        sio_socket_end(socket, SIO_END_FINAL);
    else if (packet->too_many)
        refuse_size(socket, packet);
    else
        on_event(socket, packet, attachments, 0);
}

/* ---- packets with attachments ---- */

static void partial_free(struct sio_partial *partial)
{
    if (!partial)
        return;
    unfinished_set(&partial->unfinished, 0, 0);
    buf_fini(&partial->text);
    for (unsigned i = 0; i < partial->got; i++)
        buf_fini(&partial->bytes[i]);
    free(partial);
}

/* Too much is kept for all clients, and of its address most. */
static void on_crowded(struct unfinished *unfinished)
{
    struct sio_partial *partial = (struct sio_partial *)(void *)unfinished;
    struct sio_client *client = partial->client;
    client->partial = NULL;
    partial_free(partial);
    eio_close(client->conn, "server busy");
}

/* The last thing that is done with it: it may be dropped for it. */
static void note_partial(struct sio_partial *partial)
{
    unfinished_set(&partial->unfinished, eio_address(partial->client->conn), sizeof *partial + partial->total);
}

static void begin_partial(struct sio_client *client, struct str text, unsigned wanted)
{
    struct sio_partial *partial = mem_zalloc(sizeof *partial);
    partial->unfinished.drop = on_crowded;
    partial->client = client;
    buf_init(&partial->text, text.len);
    buf_add_str(&partial->text, text);
    partial->wanted = wanted;
    partial->total = text.len;
    client->partial = partial;
    note_partial(partial);
}

/* The packet is whole: its text is read once more, now that its views are needed. */
static void finish_partial(struct sio_client *client)
{
    struct sio_partial *partial = client->partial;
    struct str attachments[SIO_ATTACHMENTS_MAX];
    struct sio_packet packet;
    client->partial = NULL;
    unfinished_set(&partial->unfinished, 0, 0);
    for (unsigned i = 0; i < partial->got; i++)
        attachments[i] = buf_str(&partial->bytes[i]);
    if (sio_packet_parse(buf_str(&partial->text), &packet))
        reject(client, "packet");
    else
        on_packet(client, &packet, attachments);
    partial_free(partial);
}

static void on_attachment(struct sio_client *client, struct str bytes)
{
    struct sio_partial *partial = client->partial;
    partial->total += bytes.len;
    if (partial->total > (size_t)sio.settings->io_max_payload_bytes * 2) {
        reject(client, "attachments_too_large");
        return;
    }
    buf_init(&partial->bytes[partial->got], bytes.len);
    buf_add_str(&partial->bytes[partial->got++], bytes);
    if (partial->got == partial->wanted)
        finish_partial(client);
    else
        note_partial(partial);
}

/* ---- the layer ---- */

static void sio_opened(struct eio *conn)
{
    struct sio_client *client = sio_client_of(conn);
    client->conn = conn;
    client->connect_timer.fired = on_connect_late;
    wheel_set(sio.wheel, &client->connect_timer, sio.settings->io_connect_timeout_ms);
    if (eio_is_v3(conn)) /* it waits for the CONNECT of "/" before it asks for other namespaces */
        on_connect(client, &(struct sio_packet){.type = SIO_CONNECT, .nsp = STR("/"), .ack_id = -1});
}

static void sio_received(struct eio *conn, bool binary, struct str data)
{
    struct sio_client *client = sio_client_of(conn);
    struct sio_packet packet;
    if (binary && client->partial)
        on_attachment(client, data);
    else if (binary || client->partial)
        reject(client, binary ? "stray_binary" : "text_for_attachment");
    else if (sio_packet_parse(data, &packet))
        reject(client, "packet");
    else if (packet.attachments)
        begin_partial(client, data, packet.attachments);
    else
        on_packet(client, &packet, NULL);
}

/* A plain event can be refused by itself; anything else belongs to something. */
static bool sio_limited(struct eio *conn, bool binary, struct str data, int64_t retry_after_ms)
{
    struct sio_client *client = sio_client_of(conn);
    struct sio_packet packet;
    struct sio_socket *socket;
    if (binary || client->partial || sio_packet_parse(data, &packet) || packet.type != SIO_EVENT)
        return false;
    socket = socket_in(client, packet.nsp);
    if (!socket || socket->state != SIO_LIVE)
        return false;
    on_event(socket, &packet, NULL, retry_after_ms);
    return true;
}

static void sio_closed(struct eio *conn, const char *reason)
{
    struct sio_client *client = sio_client_of(conn);
    (void)reason;
    wheel_cancel(&client->connect_timer);
    while (!SLIST_EMPTY(&client->sockets))
        sio_socket_end(SLIST_FIRST(&client->sockets), SIO_END_CUT);
    postings_fini(&client->postings);
    partial_free(client->partial);
}

const struct eio_layer sio_layer = {
    .path = "/socket.io/",
    .sees_to_tokens = true, /* of each CONNECT */
    .state_size = sizeof(struct sio_client),
    .opened = sio_opened,
    .received = sio_received,
    .limited = sio_limited,
    .closed = sio_closed,
};

/* ---- moderation ---- */

static bool is_whom(const struct sio_socket *socket, const struct sanction *sanction, uint64_t address)
{
    if (sanction->conversation && sanction->conversation != socket->nsp->conversation)
        return false;
    bool is_user = socket->user && socket->user == sanction->user;
    if (sanction->kind == SANCTION_REVOCATION)
        return sanction->user ? is_user && socket->generation < sanction->generation : socket->user != 0;
    return is_user || (*sanction->name && socket->name && !strcmp(socket->name, sanction->name)) ||
           (address && eio_address(socket->client->conn) == address);
}

static void put_out(struct sio_socket *socket, bool ban)
{
    struct eio *conn = socket->client->conn;
    if (socket->state == SIO_LIVE)
        sio_disconnect(socket);
    else /* it is being recovered: what it was asked for before is void, too */
        sio_socket_end(socket, SIO_END_FINAL);
    eio_expel(conn, ban);
}

/* Whether it is on nobody here, without a look at each: rights end often, and mostly elsewhere. */
static bool is_elsewhere(const struct sanction *sanction, uint64_t address)
{
    bool is_here = !sanction->conversation;
    for (size_t i = 0; !is_here && i < sio.namespace_count; i++)
        is_here = sio.namespaces[i].conversation == sanction->conversation;
    return !is_here || (!address && !*sanction->name && !sio.user_count);
}

/* None of them can be recovered: they get a DISCONNECT first. One may take others with it, so they are found first,
 * and all are looked at once. */
void sio_expel(const struct sanction *sanction, uint64_t address)
{
    struct sio_socket *socket;
    if (is_elsewhere(sanction, address))
        return;
    uint64_t *serials = mem_zalloc((sio.by_serial.count + 1) * sizeof *serials);
    size_t count = 0;
    for (size_t at = 0; (socket = map_next(&sio.by_serial, &at));)
        if (socket->state != SIO_GONE && is_whom(socket, sanction, address))
            serials[count++] = socket->serial;
    for (size_t i = 0; i < count; i++)
        if ((socket = sio_socket_find(serials[i])) && socket->state != SIO_GONE)
            put_out(socket, sanction->kind == SANCTION_BAN);
    free(serials);
}

/* ---- beginning and end ---- */

/* The namespaces of the settings' applications, in the order in which they are added. */
struct listing {
    struct {
        struct str name;
        const struct app *app;
    } rows[SIO_NAMESPACES_MAX];
    size_t count;
};

static bool list_namespace(struct listing *listing, struct str name, const struct app *app, char why[256])
{
    bool fine = name.len && name.ptr[0] == '/' && name.len <= SIO_NAMESPACE_MAX && !memchr(name.ptr, '?', name.len) &&
                !memchr(name.ptr, ' ', name.len) && text_utf8_valid(name) && listing->count < SIO_NAMESPACES_MAX;
    for (size_t i = 0; i < listing->count; i++)
        fine &= !str_eq(listing->rows[i].name, name);
    if (!fine) {
        snprintf(why, 256, "io_namespaces: %.*s is no namespace, there twice, or one too many",
                 (int)(name.len > 128 ? 128 : name.len), name.ptr);
        return false;
    }
    listing->rows[listing->count].name = name;
    listing->rows[listing->count++].app = app;
    return true;
}

static bool list_configured(struct listing *listing, const char *at, const struct app *app, char why[256])
{
    while (*at) {
        size_t len = strcspn(at, ",");
        if (len && !list_namespace(listing, (struct str){at, len}, app, why))
            return false;
        at += len + (at[len] == ',');
    }
    return true;
}

/* The names are borrowed from `configured` and the applications. */
static bool list_all(struct listing *listing, const struct app *const *apps, const struct settings *settings,
                     const char *configured, char why[256])
{
    bool found = false;
    listing->count = 0;
    for (const struct app *const *at = apps; *at; at++) {
        const struct app *app = *at;
        if (!app->namespaces) {
            if (!list_configured(listing, configured, app, why))
                return false;
            continue;
        }
        if (app->demo ? !settings->demos : strcmp(app->name, settings->io_app) != 0)
            continue;
        found |= !app->demo;
        for (const char *const *name = app->namespaces; *name; name++)
            if (!list_namespace(listing, str_of(*name), app, why))
                return false;
    }
    if (!found)
        snprintf(why, 256, "io_app: there is no application %.64s", settings->io_app);
    return found;
}

enum err sio_check(const struct app *const *apps, const struct settings *settings, char why[256])
{
    struct listing listing;
    return list_all(&listing, apps, settings, settings->io_namespaces, why) ? ERR_OK : ERR_INVALID;
}

static bool add_all(const struct app *const *apps, struct store *store, char why[256])
{
    struct listing listing;
    if (!list_all(&listing, apps, sio.settings, sio.namespace_list, why))
        return false;
    for (size_t i = 0; i < listing.count; i++) {
        uint64_t conversation;
        if (store_io_namespace(store, listing.rows[i].name, true, &conversation)) {
            snprintf(why, 256, "cannot read the namespaces: %.200s", store_error(store));
            return false;
        }
        sio_namespace_init(&sio.namespaces[sio.namespace_count++], listing.rows[i].name, listing.rows[i].app,
                           conversation);
    }
    return true;
}

/* Some at a time, so that others are served meanwhile: `to_say` are the serials of all there were when it began. */
static struct {
    struct wheel_timer timer;
    uint64_t *to_say;
    size_t count, said;
} saying;

static void say_stop(void)
{
    wheel_cancel(&saying.timer);
    free(saying.to_say);
    saying.to_say = NULL;
    saying.count = saying.said = 0;
}

/* Also one that is still being recovered: it is this relay's already. */
static void say_again(const struct sio_socket *socket)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct sio_record record = sio_socket_record(socket, rooms);
    if (!*socket->sid || socket->state == SIO_GONE)
        return;
    sio_registry_add(&record);
    sio_registry_since(&record, rooms, socket->since, record.room_count);
}

static void say_some(struct wheel_timer *timer)
{
    for (size_t i = 0; i < SAID_AT_ONCE && saying.said < saying.count; i++) {
        const struct sio_socket *socket = sio_socket_find(saying.to_say[saying.said++]);
        if (socket)
            say_again(socket);
    }
    if (saying.said < saying.count) {
        wheel_set(sio.wheel, timer, 0);
        return;
    }
    say_stop();
    sio_registry_said();
}

static void say_all(void *arg)
{
    size_t at = 0;
    (void)arg;
    say_stop();
    saying.timer.fired = say_some;
    saying.to_say = mem_zalloc((sio.by_serial.count + 1) * sizeof *saying.to_say);
    for (const struct sio_socket *socket; (socket = map_next(&sio.by_serial, &at));)
        saying.to_say[saying.count++] = socket->serial;
    say_some(&saying.timer);
}

bool sio_init(const struct app *const *apps, const struct settings *settings, struct wheel *wheel, struct hub *hub,
              struct bus *bus, struct db_pool *db_pool, struct store *store, uint64_t incarnation, char why[256])
{
    sio = (struct sio){
        .settings = settings,
        .wheel = wheel,
        .hub = hub,
        .bus = bus,
        .db_pool = db_pool,
        .namespace_list = mem_strdup(settings->io_namespaces),
        .hash_seed = id_random(),
    };
    buf_init(&sio.scratch, (size_t)settings->io_max_payload_bytes * 2 + AUDIENCE_MAX);
    sio_registry_init(settings, wheel, bus, incarnation, say_all, NULL);
    return add_all(apps, store, why);
}

void sio_fini(void)
{
    sio_flush();
    for (size_t i = 0; i < sio.namespace_count; i++)
        sio_namespace_fini(&sio.namespaces[i]);
    say_stop();
    sio_registry_fini();
    map_fini(&sio.by_serial);
    buf_fini(&sio.scratch);
    free(sio.namespace_list);
}

void sio_begin_epoch(void)
{
    for (size_t i = 0; i < sio.namespace_count; i++)
        sio_namespace_forget(&sio.namespaces[i]);
}

bool sio_ready(void)
{
    for (size_t i = 0; i < sio.namespace_count; i++)
        if (!sio.namespaces[i].live)
            return false;
    return true;
}

void sio_bus_state(bool up)
{
    sio_registry_bus_state(up);
}

void sio_flush(void)
{
    for (struct sio_socket *socket; (socket = SLIST_FIRST(&sio.graveyard));) {
        SLIST_REMOVE_HEAD(&sio.graveyard, link);
        sio_socket_free(socket);
    }
}
