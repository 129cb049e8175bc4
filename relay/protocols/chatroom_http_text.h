/* chatroom_http_text.h: parses and writes the texts of chatrooms over HTTP: cursors, numbers, callbacks, messages. Any
 * thread. */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_HTTP_TEXT_H
#define CG_RELAY_PROTOCOLS_CHATROOM_HTTP_TEXT_H

#include "common/message.h"
#include "common/str.h"

enum { ROOMS_CALLBACK_MAX = 64 };

/* A position in a room's history: everything up to `seq` was received. As text EPOCH-SEQ. */
struct chatroom_http_cursor {
    uint64_t epoch, seq;
};

/* Reads decimal digits only; for texts that we wrote. */
bool chatroom_http_read_number(struct str text, uint64_t *number);
/* Reads a client's number in any spelling that json_whole takes. */
bool chatroom_http_read_integer(struct str text, uint64_t *number);
/* Reads seconds, with an optional fraction of which three digits count. *ms is at most `most_ms`. */
bool chatroom_http_read_seconds(struct str text, int64_t most_ms, int64_t *ms);
bool chatroom_http_read_cursor(struct str text, struct chatroom_http_cursor *cursor);

/* Whether `name` is an identifier, or several joined with dots, that is safe to insert into a script. */
bool chatroom_http_callback_ok(struct str name);

/* Appends a call of parent.NAME with `json`, as a script element. */
void chatroom_http_add_script(struct buf *out, const char *callback, struct str json);

/* Appends a message as {"seq":…,"type":"message","data":…}: for polls and for scripts. Nothing if message_is_aside. */
void chatroom_http_add_message(const struct message *message, struct buf *out);

#endif
