/* io_parts.h: what the files of the admin calls of Socket.IO share.
 *
 *   io.c        the calls that do something, and the table of all
 *   io_lists.c  those that only ask */
#ifndef CG_REST_CALLS_IO_PARTS_H
#define CG_REST_CALLS_IO_PARTS_H

#include "rest/calls/io.h"

enum { IO_CURSOR_MAX = 20 }; /* digits of a cursor of IO_SCRIPT_LIST */

/* 0 or the status to return, with the reason in the call. */
int io_find_namespace(struct call *call, struct str nsp, uint64_t *conversation);

/* Handlers. */
int io_list_rooms(struct call *call);
int io_list_room_sockets(struct call *call);
int io_list_sockets(struct call *call);
int io_count(struct call *call);

#endif
