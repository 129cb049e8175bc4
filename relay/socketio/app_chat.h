/* app_chat.h: the chat room application, on /. A client sends
 *   getAllMessages → allMessages [{username,content,createAt}…] the latest 10 public messages
 *   message TEXT the first one is the client's name; then
 *                           "@NAME text" goes to that user alone, anything else to the sender's rooms, or to everybody
 *                           if it is in none → message {username,content,createAt}
 *   join ROOM, leave ROOM → joined ROOM, leaved ROOM
 * The server's own messages come from 系统. Every event may ask for an acknowledgement, {success:true,…} or
 * {success:false,error}; a message's comes once it is stored, with its number: {success:true,seq}. */
#ifndef CG_RELAY_SOCKETIO_APP_CHAT_H
#define CG_RELAY_SOCKETIO_APP_CHAT_H

#include "relay/socketio/app.h"

extern const struct app chat_app;

#endif
