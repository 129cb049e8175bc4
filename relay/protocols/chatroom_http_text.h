/* chatroom_http_text.h: what clients of the chatrooms over plain HTTP write, as cursors, numbers and callbacks, and how they
 * read a message. Any thread. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_TEXT_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_TEXT_H

#include "common/message.h"
#include "common/str.h"

enum { ROOMS_CALLBACK_MAX = 64 };

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

/* Appends a message as {"seq":…,"type":"message","data":…}: for polls and for scripts. Nothing for what is said beside. */
void chatroom_http_add_message(const struct message *message, struct buf *out);

#endif
