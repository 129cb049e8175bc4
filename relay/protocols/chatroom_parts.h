/* chatroom_parts.h: what the files of the chatroom share.
 *
 *   chatroom.c          events out, admission, frames in
 *   chatroom_history.c  the `logs` event */
#ifndef CG_RELAY_PROTOCOLS_CHATROOM_PARTS_H
#define CG_RELAY_PROTOCOLS_CHATROOM_PARTS_H

#include "common/id.h"
#include "relay/protocols/chatroom.h"

/* Around the data of an event that stands alone in its frame. */
#define MESSAGE_OPEN "[{\"type\":\"message\",\"data\":"
#define LOGS_OPEN    "[{\"type\":\"logs\",\"data\":["
#define EVENT_CLOSE  "}]"

/* What the connection proved when it opened. */
struct chatroom_state {
    char room_id[ID_MAX], nick_id[ID_MAX];
    uint64_t conversation, user;
    char *name, *head; /* one piece of memory; NULL until admitted */
    bool present;
    bool logs_asked, logs_owed; /* the history is on its way; is to come once it has read what it got: query-logs */
};

static inline struct chatroom_state *chatroom_state_of(struct session *session)
{
    return session->state;
}

/* It has read all that it got. */
void chatroom_send_owed_history(struct session *session);

void chatroom_send_error(struct session *session, const char *code, const char *message);

#endif
