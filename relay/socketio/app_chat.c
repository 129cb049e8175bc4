#include "relay/socketio/app_chat.h"

#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/name.h"
#include "common/text.h"
#include "relay/core/debts.h"
#include "relay/core/protocol.h"

#include <stdlib.h>
#include <sys/queue.h>

enum { HISTORY = 10, WAITING_MAX = 16, LINE_BYTES = 4096 };
/* Ack ids of what no client waits for; a line of the server's is no message of theirs. */
enum { NO_ACK = -1, OWN_LINE = -2 };

#define SYSTEM "系统"

/* A message that came before its sender's name was decided. */
struct waiting {
    STAILQ_ENTRY(waiting) link;
    int64_t ack_id;
    size_t len;
    char text[];
};

struct chat_state {
    bool claiming;
    int64_t claim_ack;
    STAILQ_HEAD(, waiting) waiting;
    size_t count;
};

static struct chat_state *state_of(struct sio_socket *socket)
{
    return sio_state(socket);
}

/* ---- what clients see ---- */

/* {"username":…,"content":…,"createAt":…}, still open. */
static void begin_line(struct buf *out, struct str username, struct str content, int64_t at_ms)
{
    char when[CLOCK_TEXT_MAX];
    clock_format_utc(at_ms, when);
    when[10] = 'T';
    json_add_object(out, NULL);
    json_add_string(out, "username", username);
    json_add_string(out, "content", content);
    json_add_joined(out, "createAt", str_of(when), STR("Z"));
}

/* ["message",{…}], still open. */
static void begin_event(struct buf *out, struct str username, struct str content, int64_t at_ms)
{
    json_begin_array(out);
    json_add_text(out, NULL, "message");
    begin_line(out, username, content, at_ms);
}

static void end_event(struct buf *out)
{
    json_end_object(out);
    json_end_array(out);
}

static void chat_encode(const struct message *message, struct buf *out)
{
    begin_event(out, message->sender_name, message->content, message->at_ms);
    json_add_u64(out, "seq", message->seq);
    end_event(out);
}

/* A line of the server's to this client alone: `subject` and what is said of it. */
static void tell(struct sio_socket *socket, struct str subject, const char *text)
{
    struct buf line, array;
    buf_init(&line, LINE_BYTES);
    buf_init(&array, LINE_BYTES * 2);
    buf_add_str(&line, subject);
    buf_add_text(&line, text);
    begin_event(&array, STR(SYSTEM), buf_str(&line), clock_wall_ms());
    end_event(&array);
    sio_emit(socket, buf_str(&array), NULL, 0);
    buf_fini(&line);
    buf_fini(&array);
}

static void ack_ok(struct sio_socket *socket, int64_t ack_id)
{
    sio_ack(socket, ack_id, STR("[{\"success\":true}]"), NULL, 0);
}

/* `error`: a word for programs. */
static void ack_error(struct sio_socket *socket, int64_t ack_id, const char *error)
{
    struct buf array;
    buf_init(&array, 256);
    sio_add_failure(&array, error, 0);
    sio_ack(socket, ack_id, buf_str(&array), NULL, 0);
    buf_fini(&array);
}

static void refuse_message(struct sio_socket *socket, int64_t ack_id, const char *error, const char *text)
{
    tell(socket, STR(""), text);
    ack_error(socket, ack_id, error);
}

/* ---- history ---- */

static void add_to_list(void *arg, const struct message *message)
{
    begin_line(arg, message->sender_name, message->content, message->at_ms);
    json_end_object(arg);
}

static void on_get_all(struct sio_socket *socket, const struct sio_event *event)
{
    struct buf array;
    if (debts_refuse()) {
        refuse_message(socket, event->ack_id, "busy", "聊天太忙,请稍后再试");
        return;
    }
    buf_init(&array, HISTORY * ((size_t)protocol_context.settings->io_max_payload_bytes + 1024));
    json_begin_array(&array);
    json_add_text(&array, NULL, "allMessages");
    json_add_array(&array, NULL);
    sio_history(socket, add_to_list, &array);
    json_end_array(&array);
    json_end_array(&array);
    sio_emit(socket, buf_str(&array), NULL, 0);
    ack_ok(socket, event->ack_id);
    buf_fini(&array);
}

/* ---- messages ---- */

static enum err post(struct sio_socket *socket, enum message_kind kind, struct str content, struct str audience,
                     int64_t ack_id)
{
    struct message message = {.kind = kind, .sender_name = sio_name(socket), .content = content, .audience = audience};
    return sio_post(socket, &message, ack_id);
}

static void refuse_busy(struct sio_socket *socket, int64_t ack_id)
{
    refuse_message(socket, ack_id, "busy", "发言太多,请稍后再试");
}

static void post_or_refuse(struct sio_socket *socket, enum message_kind kind, struct str content, struct str audience,
                           int64_t ack_id)
{
    enum err err = post(socket, kind, content, audience, ack_id);
    if (err == ERR_DENIED)
        refuse_message(socket, ack_id, "muted", "你已被禁言");
    else if (err)
        refuse_busy(socket, ack_id);
}

static void chat_posted(struct sio_socket *socket, enum err err, const struct message *message, int64_t ack_id)
{
    struct buf array;
    if (ack_id == OWN_LINE)
        return;
    if (err == ERR_UNKNOWN) { /* it may come yet: who says it again says it perhaps twice */
        refuse_message(socket, ack_id, "unknown", "不知道消息是否发出");
        return;
    }
    if (err) {
        refuse_message(socket, ack_id, "unavailable", "消息没有发出,请稍后再试");
        return;
    }
    buf_init(&array, 128);
    json_begin_array(&array);
    json_add_object(&array, NULL);
    json_add_bool(&array, "success", true);
    json_add_u64(&array, "seq", message->seq);
    json_end_object(&array);
    json_end_array(&array);
    sio_ack(socket, ack_id, buf_str(&array), NULL, 0);
    buf_fini(&array);
}

static void say_aloud(struct sio_socket *socket, struct str content, int64_t ack_id)
{
    struct str rooms[IO_ROOMS_PER_SOCKET];
    struct buf audience;
    size_t count = sio_rooms(socket, rooms);
    buf_init(&audience, AUDIENCE_MAX);
    for (size_t i = 0; i < count; i++)
        audience_add(&audience, 'r', rooms[i]);
    if (audience.failed)
        refuse_message(socket, ack_id, "too_many_rooms", "房间太多");
    else
        post_or_refuse(socket, MESSAGE_TEXT, content, buf_str(&audience), ack_id);
    buf_fini(&audience);
}

/* `text`: "NAME content", as it was after the @. */
static void on_found(struct sio_socket *socket, enum err err, struct str sid, struct str text, int64_t ack_id)
{
    const char *blank = memchr(text.ptr, ' ', text.len);
    struct str name = {text.ptr, (size_t)(blank - text.ptr)};
    struct str content = {blank + 1, text.len - name.len - 1};
    if (err == ERR_BUSY) {
        refuse_busy(socket, ack_id);
        return;
    }
    if (err) {
        tell(socket, name, "不在聊天室");
        ack_error(socket, ack_id, "not_here");
        return;
    }
    struct buf audience, array;
    buf_init(&audience, AUDIENCE_MAX);
    buf_init(&array, content.len * 6 + LINE_BYTES);
    audience_add(&audience, 's', sid);
    begin_event(&array, sio_name(socket), content, clock_wall_ms());
    json_add_bool(&array, "private", true);
    end_event(&array);
    post_or_refuse(socket, MESSAGE_EVENT, buf_str(&array), buf_str(&audience), ack_id);
    buf_fini(&audience);
    buf_fini(&array);
}

static bool ends_line(struct str rest)
{
    return *rest.ptr == '\n' || *rest.ptr == '\r' ||
           (rest.len >= 3 && (!memcmp(rest.ptr, "\u2028", 3) || !memcmp(rest.ptr, "\u2029", 3)));
}

/* "@NAME text" anywhere in the text, as the article's /@([^ ]+) (.+)/ finds it: the first @ behind which there are a name,
 * a blank and something on the same line. *private is what follows the @. */
static bool is_private(struct str text, struct str *private, struct str *name)
{
    const char *end = text.ptr + text.len, *at = text.ptr;
    while (at < end && (at = memchr(at, '@', (size_t)(end - at)))) {
        at++;
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        if (!blank)
            return false; /* nor behind any later one */
        if (blank == at || blank + 1 == end || ends_line((struct str){blank + 1, (size_t)(end - blank) - 1}))
            continue;
        *private = (struct str){at, (size_t)(end - at)};
        *name = (struct str){at, (size_t)(blank - at)};
        return true;
    }
    return false;
}

static void say(struct sio_socket *socket, struct str text, int64_t ack_id)
{
    struct buf clean;
    struct str name, private;
    if (text_check_content(text)) {
        refuse_message(socket, ack_id, "bad_content", "消息不能为空,也不能有控制字符");
        return;
    }
    buf_init(&clean, text.len * 2 + 16);
    text_add_content(&clean, text);
    struct str content = buf_str(&clean);
    if (is_private(content, &private, &name))
        sio_find(socket, name, private, ack_id, on_found);
    else
        say_aloud(socket, content, ack_id);
    buf_fini(&clean);
}

/* ---- names ---- */

static void greet(struct sio_socket *socket)
{
    struct buf line, audience, array;
    buf_init(&line, LINE_BYTES);
    buf_init(&audience, AUDIENCE_MAX);
    buf_init(&array, LINE_BYTES * 2);
    buf_add_str(&line, sio_name(socket));
    buf_add_text(&line, "加入聊天室");
    begin_event(&array, STR(SYSTEM), buf_str(&line), clock_wall_ms());
    end_event(&array);
    audience_add(&audience, 'x', sio_id(socket)); /* everybody else */
    if (post(socket, MESSAGE_EVENT, buf_str(&array), buf_str(&audience), OWN_LINE))
        sio_show(sio_nsp(socket), buf_str(&audience), buf_str(&array)); /* not stored, but seen */
    buf_fini(&line);
    buf_fini(&audience);
    buf_fini(&array);
}

static void on_text(struct sio_socket *socket, struct str text, int64_t ack_id);

static void free_waiting(struct chat_state *state)
{
    for (struct waiting *waiting; (waiting = STAILQ_FIRST(&state->waiting));) {
        STAILQ_REMOVE_HEAD(&state->waiting, link);
        free(waiting);
    }
    state->count = 0;
}

/* What was said meanwhile: with a name, messages; without, the first is the next try for one. */
static void go_on(struct sio_socket *socket)
{
    struct chat_state *state = state_of(socket);
    while (!STAILQ_EMPTY(&state->waiting) && !state->claiming) {
        struct waiting *waiting = STAILQ_FIRST(&state->waiting);
        STAILQ_REMOVE_HEAD(&state->waiting, link);
        state->count--;
        on_text(socket, (struct str){waiting->text, waiting->len}, waiting->ack_id);
        free(waiting);
    }
}

static void on_named(struct sio_socket *socket, struct str wanted, enum err err)
{
    struct chat_state *state = state_of(socket);
    state->claiming = false;
    if (!err) {
        ack_ok(socket, state->claim_ack);
        greet(socket);
    } else if (err == ERR_DENIED) {
        refuse_message(socket, state->claim_ack, "banned", "这个用户名已被禁止使用");
    } else if (err == ERR_BUSY) {
        refuse_busy(socket, state->claim_ack);
    } else {
        tell(socket, wanted, "已经被占用,请换一个用户名吧");
        ack_error(socket, state->claim_ack, "taken");
    }
    go_on(socket);
}

static void claim(struct sio_socket *socket, struct str name, int64_t ack_id)
{
    struct chat_state *state = state_of(socket);
    if (name_judge(name, (size_t)protocol_context.settings->max_name_chars) != NAME_OK) {
        refuse_message(socket, ack_id, "bad_name", "用户名不合法,请换一个用户名吧");
        return;
    }
    state->claim_ack = ack_id;
    state->claiming = true;
    if (name_looks_reserved(name))
        on_named(socket, name, ERR_DUPLICATE);
    else
        sio_claim(socket, name, on_named);
}

static void wait(struct sio_socket *socket, struct str text, int64_t ack_id)
{
    struct chat_state *state = state_of(socket);
    if (state->count == WAITING_MAX) {
        refuse_busy(socket, ack_id);
        return;
    }
    struct waiting *waiting = mem_zalloc(sizeof *waiting + text.len);
    waiting->ack_id = ack_id;
    waiting->len = text.len;
    memcpy(waiting->text, text.ptr, text.len);
    STAILQ_INSERT_TAIL(&state->waiting, waiting, link);
    state->count++;
}

static void on_text(struct sio_socket *socket, struct str text, int64_t ack_id)
{
    if (state_of(socket)->claiming)
        wait(socket, text, ack_id);
    else if (!sio_name(socket).len)
        claim(socket, text, ack_id);
    else
        say(socket, text, ack_id);
}

/* ---- events in: all take one text ---- */

static void on_message(struct sio_socket *socket, struct str text, int64_t ack_id)
{
    if (text.len > (size_t)protocol_context.settings->max_message_bytes)
        refuse_message(socket, ack_id, "too_long", "消息太长");
    else
        on_text(socket, text, ack_id);
}

static void emit_room(struct sio_socket *socket, const char *event, struct str room)
{
    struct buf array;
    buf_init(&array, LINE_BYTES);
    json_begin_array(&array);
    json_add_text(&array, NULL, event);
    json_add_string(&array, NULL, room);
    json_end_array(&array);
    sio_emit(socket, buf_str(&array), NULL, 0);
    buf_fini(&array);
}

static void on_join(struct sio_socket *socket, struct str room, int64_t ack_id)
{
    if (!sio_in(socket, room)) {
        bool valid =
            room.len <= IO_ROOM_MAX && name_judge(room, (size_t)protocol_context.settings->max_name_chars) == NAME_OK;
        enum err err = valid ? sio_join(socket, room) : ERR_INVALID;
        if (err == ERR_BUSY) {
            refuse_busy(socket, ack_id);
            return;
        }
        if (err) {
            refuse_message(socket, ack_id, "bad_room", "不能进入这个房间");
            return;
        }
        emit_room(socket, "joined", room);
    }
    ack_ok(socket, ack_id);
}

static void on_leave(struct sio_socket *socket, struct str room, int64_t ack_id)
{
    if (sio_in(socket, room)) {
        sio_leave(socket, room);
        emit_room(socket, "leaved", room);
    }
    ack_ok(socket, ack_id);
}

static const struct {
    const char *name;
    void (*handle)(struct sio_socket *socket, struct str text, int64_t ack_id);
} commands[] = {
    {"message", on_message},
    {"join", on_join},
    {"leave", on_leave},
};

static void chat_event(struct sio_socket *socket, const struct sio_event *event)
{
    if (str_eq(event->name, STR("getAllMessages"))) {
        on_get_all(socket, event);
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!str_eq(event->name, str_of(commands[i].name)))
            continue;
        struct buf text;
        buf_init(&text, event->arg_count ? event->args[0].len + 1 : 1);
        if (event->arg_count && sio_json_string(event->args[0], &text))
            commands[i].handle(socket, buf_str(&text), event->ack_id);
        else
            refuse_message(socket, event->ack_id, "bad_content", "只能发送文字");
        buf_fini(&text);
        return;
    }
    ack_error(socket, event->ack_id, "unknown_event"); /* nobody listens to it: no harm, as in the reference */
}

static void chat_limited(struct sio_socket *socket, const struct sio_event *event, int64_t retry_after_ms)
{
    struct buf array;
    buf_init(&array, 256);
    sio_add_failure(&array, "rate", retry_after_ms);
    tell(socket, STR(""), "发言太快,请稍后再试");
    sio_ack(socket, event->ack_id, buf_str(&array), NULL, 0);
    buf_fini(&array);
}

/* A client with a token has the token's name. Of several with the same name, the first one gets messages addressed to
 * it. */
static void on_known(struct sio_socket *socket, struct str name, enum err err)
{
    (void)name;
    if (!err)
        greet(socket);
}

static void chat_connected(struct sio_socket *socket, struct str auth, bool recovered)
{
    (void)auth;
    STAILQ_INIT(&state_of(socket)->waiting);
    if (!recovered && sio_name(socket).len) /* a token has said it */
        sio_claim(socket, sio_name(socket), on_known);
}

static void chat_disconnected(struct sio_socket *socket)
{
    free_waiting(state_of(socket));
}

static const char *const namespaces[] = {"/", NULL};

const struct app chat_app = {
    .name = "chat",
    .namespaces = namespaces,
    .recoverable = true,
    .state_size = sizeof(struct chat_state),
    .history = HISTORY,
    .connected = chat_connected,
    .event = chat_event,
    .limited = chat_limited,
    .disconnected = chat_disconnected,
    .posted = chat_posted,
    .encode = chat_encode,
};
