/* chatroom_http_parts.h: the chatrooms over plain HTTP as their own files see them.
 *
 *   chatroom_http.c           which request is which; who may be here; answers
 *   chatroom_http_encode.c    how events look; what cursors and callbacks may be
 *   chatroom_http_held.c      a call that waits for its answer as a session
 *   chatroom_http_poll.c      polling and long polling
 *   chatroom_http_pollers.c   who polls counts as present
 *   chatroom_http_stream.c    Server-Sent Events and iframe streaming
 *   chatroom_http_send.c      a POST to send */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_PARTS_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_PARTS_H

#include "relay/protocols/admission.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"
#include "relay/protocols/chatroom_http.h"
#include "common/json.h"

enum { ROOMS_ARGUMENT_BYTES = 256, ROOMS_CALLBACK_MAX = 64 };

/* ---- chatroom_http.c ---- */

/* A call whose user and room are being looked up. First member of what its handler keeps of it. */
struct chatroom_http_asked {
    struct admission admission;
    struct http_call *call; /* NULL: the client has left */
    /* The user may be here; also if the client has left by now. `release` follows. */
    void (*admitted)(struct chatroom_http_asked *asked);
    /* Frees it and what it holds. */
    void (*release)(struct chatroom_http_asked *asked);
};

/* Holds the call and asks, or answers with 404 or 503 and releases. */
void chatroom_http_ask(struct chatroom_http_asked *asked, struct http_call *call, struct str room_id,
                       struct str nick_id);

/* Answers {"error":…,"code":…}; both texts are literals that need no escape. 503 says when to come back. */
void chatroom_http_refuse(struct http_call *call, unsigned status, const char *code, const char *error);
void chatroom_http_reply(struct http_call *call, struct str json);
/* 429, past a rate or with too many connections. */
void chatroom_http_refuse_limited(struct http_call *call, const char *code, const char *error, int64_t retry_after_ms);
/* What is said when the database pool, the journal or the table of connections is full. */
void chatroom_http_refuse_busy(struct http_call *call);
void chatroom_http_refuse_down(struct http_call *call);

void chatroom_http_handle_poll(struct http_call *call, struct str room_id);
void chatroom_http_handle_events(struct http_call *call, struct str room_id);
void chatroom_http_handle_stream(struct http_call *call, struct str room_id);
void chatroom_http_handle_send(struct http_call *call, struct str room_id);

/* ---- chatroom_http_encode.c ---- */

/* A position in a room's history: all numbers up to `seq` were seen. As text EPOCH-SEQ. */
struct chatroom_http_cursor {
    uint64_t epoch, seq;
};

/* Digits alone: of texts of our own. */
bool chatroom_http_read_number(struct str text, uint64_t *number);
/* A client's, however it is spelled (json_whole). */
bool chatroom_http_read_integer(struct str text, uint64_t *number);
/* Seconds with or without a fraction, of which three digits count, cut to `most_ms`. */
bool chatroom_http_read_seconds(struct str text, int64_t most_ms, int64_t *ms);
bool chatroom_http_read_cursor(struct str text, struct chatroom_http_cursor *cursor);

/* A name, or names with dots between, that a script may call; it is put into one as it is. */
bool chatroom_http_callback_ok(struct str name);

/* Appends a call of parent.NAME with `json`, as a script element. */
void chatroom_http_add_script(struct buf *out, const char *callback, struct str json);

/* ---- chatroom_http_held.c ---- */

/* First member of the state of a session that stands for a held call. Nothing is ever sent through it. */
struct chatroom_http_held {
    struct session *session;
    struct http_call *call; /* NULL: answered, or the client has left */
    struct wheel_timer timer;
    /* Answers the call, now: its time is up, or the relay is ending. */
    void (*give_up)(struct session *session);
};

/* The call becomes a session, given up after `wait_ms`. NULL: it was answered, there are too many. */
struct session *chatroom_http_hold(const struct protocol *protocol, struct http_call *call, int64_t wait_ms,
                                   void (*give_up)(struct session *session));
/* The call has been answered: the session ends at the next tick of the wheel. */
void chatroom_http_held_done(struct session *session);
/* For protocol->closed. */
void chatroom_http_held_closed(struct session *session);
/* For protocol->ping_interval_ms: longer than anything is held. */
int64_t chatroom_http_held_interval(const struct settings *settings);

/* ---- chatroom_http_stream.c ---- */

/* What some have between them and us holds back the last 1 or 2 KB: so much that means nothing, in each kind of stream. */
#define ROOMS_BLANKS_64 "                                                                "
#define ROOMS_BLANKS_512 \
    ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 ROOMS_BLANKS_64 \
        ROOMS_BLANKS_64
#define ROOMS_BLANKS_2048    ROOMS_BLANKS_512 ROOMS_BLANKS_512 ROOMS_BLANKS_512 ROOMS_BLANKS_512
#define ROOMS_EVENTS_PADDING ":" ROOMS_BLANKS_2048 "\n\n"
#define ROOMS_STREAM_PADDING "<!--" ROOMS_BLANKS_2048 "-->\n"

/* Sends one event of the iframe streaming to one client. */
void chatroom_http_stream_give(struct session *session, struct str json);

/* ---- chatroom_http_pollers.c ---- */

/* The user polls: present in the room from now on until poll_presence_ms after as many chatroom_http_poller_goes. */
void chatroom_http_poller_comes(const struct store_membership *membership);
void chatroom_http_poller_goes(uint64_t conversation, uint64_t user);

#endif
