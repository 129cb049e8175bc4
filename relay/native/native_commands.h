/* native_commands.h: the handlers of the native protocol's commands (the table is in native.c), and what those that look
 * something up share. Loop thread only, except for a job's `work`. */
#ifndef CG_RELAY_NATIVE_NATIVE_COMMANDS_H
#define CG_RELAY_NATIVE_NATIVE_COMMANDS_H

#include "relay/native/native_client.h"

native_room_handler native_join, native_leave;
native_room_handler native_send, native_edit, native_recall, native_react, native_typing;
native_room_handler native_history, native_read, native_members;
native_handler native_unread;
native_handler native_conversations, native_create;
native_room_handler native_invite, native_remove, native_quit;
native_handler native_search;

/* Implements protocol->posted. */
void native_posted(struct session *session, uint64_t number, const struct store_post *post);

/* Whether the client is an application's user. False: the command was refused. */
bool native_is_of_app(struct native *native, int64_t re);
/* Reads the `cursor` of a list that is paged from its end; INT64_MAX if none was given. False: it is malformed. */
bool native_read_next(struct json_object *object, uint64_t *before);

/* ---- looking something up ---- */

/* First member of every look-up. */
struct native_asked {
    struct job job;
    uint64_t session_id, user;
    uint64_t epoch;     /* the epoch in which it began */
    uint64_t forgotten; /* hub->forgotten at that time, to detect messages removed since */
    int64_t re;
    bool much; /* native_begin_much was called */
};
/* Allocates `size` zeroed bytes that begin with a struct native_asked, and sets it. */
void *native_asked_new(struct native *native, int64_t re, size_t size, void (*work)(struct job *, struct store *),
                       void (*done)(struct job *));
/* Gives a look-up with a large answer to the pool. False: answered `busy` and freed it. */
bool native_look_up_much(struct native *native, struct native_asked *asked);
/* In `done`: the client that asked. NULL if it has ended, or if the look-up failed, which was answered; then do not
 * call native_answered. */
struct native *native_asked_by(struct native_asked *asked);
/* Must follow the answer. */
void native_answered(struct native_asked *asked, struct native *native);

#endif
