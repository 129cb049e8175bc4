/* ngx_http_chaguan_handoff_module.c: passes a WebSocket client's socket to a relay, so that nginx is not involved
 * afterwards: no copying, no memory, and a reload or an exit of nginx does not affect the connection.
 *
 *   location @chaguan_handoff {
 *       chaguan_handoff /run/chaguan/relay1.sock /run/chaguan/relay2.sock fallback=@chaguan_relay;
 *   }
 *
 * The names are the relays' listen_socket. It is a content handler: rewrites, limits and access rules (limit_req,
 * auth_request, allow and deny) came before it. The request goes to the next relay in turn, as one message
 * (common/handoff_wire.h) that is sent or not, without waiting; a relay that cannot be had is left out for `retry` (1s)
 * as long as another one can. What cannot be given away (TLS, HTTP/2, a body), and what no relay takes, goes to the
 * fallback, a location that proxies; without one it is 502. The access log says 101 for what was given.
 *
 * Everything here belongs to one worker: the relays' sockets and marks are in its copy of the configuration. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>

#include "common/handoff_wire.h"

#include <sys/socket.h>
#include <sys/un.h>

typedef struct {
    struct sockaddr_un address;
    int fd; /* to the relay; kept from one request to the next; -1: none */
    ngx_msec_t left_out_at;
    unsigned left_out : 1;
} relay_t;

typedef struct {
    ngx_array_t *relays; /* relay_t; NULL: not used in this location */
    ngx_uint_t turn;
    ngx_str_t fallback; /* with its @; empty: none */
    ngx_msec_t retry;
} conf_t;

/* A message that is being written. */
typedef struct {
    u_char bytes[HANDOFF_WIRE_BYTES];
    size_t len;
    unsigned too_long : 1;
} message_t;

ngx_module_t ngx_http_chaguan_handoff_module;

/* ---- what may be given ---- */

static ngx_uint_t is_named(const ngx_table_elt_t *header, const char *name)
{
    return header->key.len == ngx_strlen(name) && ngx_strncmp(header->lowcase_key, name, header->key.len) == 0;
}

/* Calls for each header, as long as visit gives 1. */
static ngx_uint_t each_header(ngx_http_request_t *r, ngx_uint_t (*visit)(void *arg, const ngx_table_elt_t *header),
                              void *arg)
{
    for (const ngx_list_part_t *part = &r->headers_in.headers.part; part; part = part->next)
        for (ngx_uint_t i = 0; i < part->nelts; i++)
            if (!visit(arg, (const ngx_table_elt_t *)part->elts + i))
                return 0;
    return 1;
}

/* Whether a comma-separated list has that word. */
static ngx_uint_t lists(const ngx_str_t *value, const char *word)
{
    size_t len = ngx_strlen(word);
    for (const u_char *at = value->data, *end = at + value->len; at < end;) {
        while (at < end && (*at == ' ' || *at == '\t' || *at == ','))
            at++;
        const u_char *from = at;
        while (at < end && *at != ' ' && *at != '\t' && *at != ',')
            at++;
        u_char *found = (u_char *)(uintptr_t)from, *wanted = (u_char *)(uintptr_t)word;
        if ((size_t)(at - from) == len && ngx_strncasecmp(found, wanted, len) == 0)
            return 1;
    }
    return 0;
}

typedef struct {
    ngx_uint_t websocket, other, connection;
} upgrade_t;

static ngx_uint_t look_for_upgrade(void *arg, const ngx_table_elt_t *header)
{
    upgrade_t *upgrade = arg;
    if (is_named(header, "connection"))
        upgrade->connection |= lists(&header->value, "upgrade");
    if (is_named(header, "upgrade")) {
        if (header->value.len == 9 && ngx_strncasecmp(header->value.data, (u_char *)"websocket", 9) == 0)
            upgrade->websocket = 1;
        else
            upgrade->other = 1; /* h2c: whoever accepts it makes a tunnel past every rule */
    }
    return 1;
}

/* A request that nginx has read to its end, from a socket that carries nothing else and is not encrypted. */
static ngx_uint_t can_be_given(ngx_http_request_t *r)
{
    const ngx_http_core_loc_conf_t *core = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
    return r == r->main && r->method == NGX_HTTP_GET && r->http_version == NGX_HTTP_VERSION_11 && !r->connection->ssl &&
           r->headers_in.content_length_n <= 0 && !r->headers_in.chunked && !r->request_body && !r->discard_body &&
           !r->header_sent && !core->post_action.data;
}

/* ---- the message ---- */

static void add(message_t *message, const void *bytes, size_t len)
{
    if (len > sizeof message->bytes - message->len) {
        message->too_long = 1;
        return;
    }
    ngx_memcpy(message->bytes + message->len, bytes, len);
    message->len += len;
}

static void add_text(message_t *message, const char *text)
{
    add(message, text, ngx_strlen(text));
}

static void add_str(message_t *message, const ngx_str_t *text)
{
    add(message, text->data, text->len);
}

/* As the client wrote it, or what a rewrite made of it. */
static ngx_int_t add_uri(message_t *message, ngx_http_request_t *r)
{
    if (r->valid_unparsed_uri) {
        add_str(message, &r->unparsed_uri);
        return NGX_OK;
    }
    size_t len = r->uri.len + 2 * ngx_escape_uri(NULL, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
    u_char *escaped = ngx_pnalloc(r->pool, len);
    if (!escaped)
        return NGX_ERROR;
    ngx_escape_uri(escaped, r->uri.data, r->uri.len, NGX_ESCAPE_URI);
    add(message, escaped, len);
    if (r->args.len) {
        add_text(message, "?");
        add_str(message, &r->args);
    }
    return NGX_OK;
}

/* What concerns this connection is said anew below; who the client is may not be the client's word. No relay reads
 * cookies, and other pages of this host may have set more of them than a relay takes. */
static ngx_uint_t add_header(void *arg, const ngx_table_elt_t *header)
{
    static const char *const left_out[] = {
        "connection", "upgrade",         "content-length",    "transfer-encoding", "te",        "keep-alive",
        "expect",     "x-forwarded-for", "x-forwarded-proto", "x-real-ip",         "forwarded", "cookie",
    };
    message_t *message = arg;
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (is_named(header, left_out[i]))
            return 1;
    add_str(message, &header->key);
    add_text(message, ": ");
    add_str(message, &header->value);
    add_text(message, "\r\n");
    return !message->too_long;
}

/* nginx writes NULs into what it has read, so the head is put together from its parts. What came behind it is in the
 * same buffer. */
static ngx_int_t write_message(message_t *message, ngx_http_request_t *r)
{
    struct handoff_wire header = {HANDOFF_WIRE_MAGIC, 0, 0};
    message->len = sizeof header;
    message->too_long = 0;
    add_text(message, "GET ");
    if (add_uri(message, r) != NGX_OK)
        return NGX_ERROR;
    add_text(message, " HTTP/1.1\r\n");
    each_header(r, add_header, message);
    add_text(message, "Connection: upgrade\r\nUpgrade: websocket\r\nX-Forwarded-Proto: http\r\nX-Forwarded-For: ");
    add_str(message, &r->connection->addr_text);
    add_text(message, "\r\n\r\n");
    add(message, r->header_in->pos, (size_t)(r->header_in->last - r->header_in->pos));
    header.len = message->len - sizeof header;
    ngx_memcpy(message->bytes, &header, sizeof header);
    return NGX_OK;
}

/* ---- the relays ---- */

static int connect_to(const relay_t *relay)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&relay->address, sizeof relay->address) != 0) {
        ngx_err_t error = ngx_errno;
        close(fd);
        ngx_set_errno(error);
        return -1;
    }
    return fd;
}

static void disconnect(relay_t *relay)
{
    if (relay->fd >= 0)
        close(relay->fd);
    relay->fd = -1;
}

static ngx_uint_t send_message(int to, const message_t *message, int socket)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {(void *)(uintptr_t)message->bytes, message->len};
    struct msghdr header;
    ngx_memzero(&control, sizeof control);
    ngx_memzero(&header, sizeof header);
    header.msg_iov = &iov;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes;
    header.msg_controllen = sizeof control.bytes;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    ngx_memcpy(CMSG_DATA(rights), &socket, sizeof(int));
    return sendmsg(to, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

/* NGX_OK: it has it. NGX_AGAIN: not now. NGX_DECLINED: it is not there, or takes nobody. */
static ngx_int_t give_to(relay_t *relay, const message_t *message, int socket)
{
    for (ngx_uint_t fresh = relay->fd < 0;; fresh = 1) {
        if (relay->fd < 0 && (relay->fd = connect_to(relay)) < 0)
            return ngx_errno == NGX_EAGAIN || ngx_errno == NGX_EMFILE ? NGX_AGAIN : NGX_DECLINED;
        if (send_message(relay->fd, message, socket))
            return NGX_OK;
        if (ngx_errno != NGX_EPIPE && ngx_errno != NGX_ECONNRESET && ngx_errno != NGX_ENOTCONN)
            return NGX_AGAIN; /* it is behind; the connection is good */
        disconnect(relay);
        if (fresh)
            return NGX_DECLINED;
    }
}

/* nginx' main log, not the request's: nothing of the request is to stand there. */
static void leave_out(relay_t *relay)
{
    if (!relay->left_out)
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, ngx_errno, "chaguan_handoff: %s takes no clients",
                      relay->address.sun_path);
    relay->left_out = 1;
    relay->left_out_at = ngx_current_msec;
}

static void let_in(relay_t *relay)
{
    if (relay->left_out)
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0, "chaguan_handoff: %s takes clients again",
                      relay->address.sun_path);
    relay->left_out = 0;
}

static ngx_uint_t is_left_out(const conf_t *conf, const relay_t *relay)
{
    return relay->left_out && ngx_current_msec - relay->left_out_at < conf->retry;
}

static ngx_uint_t try_relay(relay_t *relay, const message_t *message, int socket)
{
    ngx_int_t result = give_to(relay, message, socket);
    if (result == NGX_OK)
        let_in(relay);
    if (result == NGX_DECLINED)
        leave_out(relay);
    return result == NGX_OK;
}

/* One after another, each worker in an order of its own; those that are left out only if all others failed. */
static ngx_uint_t give(conf_t *conf, const message_t *message, int socket)
{
    relay_t *relays = conf->relays->elts;
    ngx_uint_t count = conf->relays->nelts, first = ngx_worker + conf->turn++;
    for (ngx_uint_t last_resort = 0; last_resort < 2; last_resort++)
        for (ngx_uint_t i = 0; i < count; i++) {
            relay_t *relay = &relays[(first + i) % count];
            if (is_left_out(conf, relay) == last_resort && try_relay(relay, message, socket))
                return 1;
        }
    return 0;
}

/* ---- the handler ---- */

static ngx_int_t fall_back(ngx_http_request_t *r, const conf_t *conf, ngx_int_t status)
{
    ngx_str_t name = conf->fallback;
    return name.len ? ngx_http_named_location(r, &name) : status;
}

/* The open file lives on with the relay, so closing alone would leave it in our epoll. And no word to the client: an
 * error ends the request without one, without lingering, and leaves the socket's options alone (NGX_HTTP_CLOSE would
 * count as a timeout, which reset_timedout_connection answers with a reset). */
static ngx_int_t let_go(ngx_http_request_t *r)
{
    ngx_connection_t *c = r->connection;
    if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) && (c->read->active || c->write->active))
        ngx_del_conn(c, 0);
    r->keepalive = 0;
    r->lingering_close = 0;
    r->err_status = 0;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    return NGX_ERROR;
}

static ngx_int_t on_request(ngx_http_request_t *r)
{
    static message_t message; /* too large for a stack, and nobody else is at work here */
    conf_t *conf = ngx_http_get_module_loc_conf(r, ngx_http_chaguan_handoff_module);
    upgrade_t upgrade = {0, 0, 0};
    each_header(r, look_for_upgrade, &upgrade);
    if (upgrade.other || (upgrade.websocket && !upgrade.connection)) /* who proxies would say it for the client */
        return NGX_HTTP_BAD_REQUEST;
    if (!upgrade.websocket)
        return fall_back(r, conf, NGX_HTTP_BAD_REQUEST);
    if (!can_be_given(r))
        return fall_back(r, conf, NGX_HTTP_BAD_GATEWAY);
    if (write_message(&message, r) != NGX_OK)
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    if (message.too_long || !give(conf, &message, r->connection->fd))
        return fall_back(r, conf, NGX_HTTP_BAD_GATEWAY);
    return let_go(r);
}

/* ---- the directive ---- */

static void on_end(void *data)
{
    const conf_t *conf = data;
    for (ngx_uint_t i = 0; i < conf->relays->nelts; i++)
        disconnect((relay_t *)conf->relays->elts + i);
}

static char *add_relay(ngx_conf_t *cf, conf_t *conf, const ngx_str_t *value)
{
    relay_t *relay;
    size_t suffix = sizeof HANDOFF_WIRE_FRONT; /* with its NUL */
    if (value->data[0] != '/' || value->len + suffix > sizeof relay->address.sun_path) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" is no absolute path of at most %uz bytes", value,
                           sizeof relay->address.sun_path - suffix);
        return NGX_CONF_ERROR;
    }
    relay = ngx_array_push(conf->relays);
    if (!relay)
        return NGX_CONF_ERROR;
    ngx_memzero(relay, sizeof *relay);
    relay->fd = -1;
    relay->address.sun_family = AF_UNIX;
    ngx_memcpy(relay->address.sun_path, value->data, value->len);
    ngx_memcpy(relay->address.sun_path + value->len, HANDOFF_WIRE_FRONT, suffix);
    return NGX_CONF_OK;
}

static char *read_argument(ngx_conf_t *cf, conf_t *conf, const ngx_str_t *value)
{
    if (value->len > 10 && ngx_strncmp(value->data, "fallback=@", 10) == 0) {
        conf->fallback.data = value->data + 9;
        conf->fallback.len = value->len - 9;
        return NGX_CONF_OK;
    }
    if (value->len > 6 && ngx_strncmp(value->data, "retry=", 6) == 0) {
        ngx_str_t time = {value->len - 6, value->data + 6};
        ngx_int_t parsed = ngx_parse_time(&time, 0);
        if (parsed == NGX_ERROR)
            return "has a retry= that is no time";
        conf->retry = (ngx_msec_t)parsed;
        return NGX_CONF_OK;
    }
    if (value->len > 5 && ngx_strncmp(value->data, "unix:", 5) == 0) {
        ngx_str_t path = {value->len - 5, value->data + 5};
        return add_relay(cf, conf, &path);
    }
    return value->len ? add_relay(cf, conf, value) : "has an empty argument";
}

static char *begin(ngx_conf_t *cf, conf_t *conf)
{
    ngx_http_core_loc_conf_t *core = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    ngx_pool_cleanup_t *cleanup = ngx_pool_cleanup_add(cf->pool, 0);
    conf->relays = ngx_array_create(cf->pool, 4, sizeof(relay_t));
    if (!cleanup || !conf->relays)
        return NGX_CONF_ERROR;
    cleanup->handler = on_end;
    cleanup->data = conf;
    core->handler = on_request;
    return NGX_CONF_OK;
}

/* May stand several times in a location: each names more. */
static char *on_directive(ngx_conf_t *cf, ngx_command_t *command, void *data)
{
    conf_t *conf = data;
    const ngx_str_t *values = cf->args->elts;
    char *result = conf->relays ? NGX_CONF_OK : begin(cf, conf);
    (void)command;
    for (ngx_uint_t i = 1; i < cf->args->nelts && result == NGX_CONF_OK; i++)
        result = read_argument(cf, conf, &values[i]);
    if (result == NGX_CONF_OK && !conf->relays->nelts)
        return "names no relay";
    return result;
}

static void *create_conf(ngx_conf_t *cf)
{
    conf_t *conf = ngx_pcalloc(cf->pool, sizeof *conf);
    if (conf)
        conf->retry = 1000;
    return conf;
}

static ngx_command_t commands[] = {
    {ngx_string("chaguan_handoff"), NGX_HTTP_LOC_CONF | NGX_CONF_1MORE, on_directive, NGX_HTTP_LOC_CONF_OFFSET, 0,
     NULL},
    ngx_null_command,
};

static ngx_http_module_t context = {
    .create_loc_conf = create_conf, /* nothing is inherited */
};

ngx_module_t ngx_http_chaguan_handoff_module = {
    NGX_MODULE_V1, &context, commands, NGX_HTTP_MODULE, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NGX_MODULE_V1_PADDING,
};
