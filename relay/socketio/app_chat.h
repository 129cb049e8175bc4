/* app_chat.h: the chat room of the article, on /. A client sends
 *   getAllMessages        → allMessages [{username,content,createAt}…]   the latest 10 that everybody could read
 *   message TEXT          the first one is the name it wants; then
 *                           "@NAME text" goes to that user alone, anything else to the sender's rooms, or to everybody
 *                           if it is in none → message {username,content,createAt}
 *   join ROOM, leave ROOM → joined ROOM, leaved ROOM
 * The server itself speaks as 系统. Every event may ask for an acknowledgement: {success:true,…} or
 * {success:false,error}; for a message it comes once it is stored, with its number: {success:true,seq}. */
#ifndef CG_RELAY_SOCKETIO_APP_CHAT_H
#define CG_RELAY_SOCKETIO_APP_CHAT_H

#include "relay/socketio/app.h"

extern const struct app chat_app;

#endif
