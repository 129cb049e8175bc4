/* io_keys.h: the keys in Redis about Socket.IO sockets: which relay has them, their rooms and names. The relays and
 * the admin REST calls write them, always through the atomic scripts of io_scripts.h, which also build the keys.
 *
 *   <prefix>:io:all:<nsp>            SET   sids of all sockets of a namespace
 *   <prefix>:io:rooms:<nsp>          SET   names of its rooms that have a socket
 *   <prefix>:io:room:<nsp> <room>    SET   sids of the sockets in it
 *   <prefix>:io:names:<nsp>          HASH  name → sid: names that are taken (one socket each)
 *   <prefix>:io:sid:<nsp> <sid>      HASH  entry, pid, name, round: a socket that is connected; round: which telling of
 *                                          the relay it was last part of
 *   <prefix>:io:in:<nsp> <sid>       SET   the rooms that it is in, IO_ROOMS_PER_SOCKET at most
 *   <prefix>:io:pid:<nsp> <pid>      HASH  sid, entry or "", name: what a client gets back that returns, and "since <room>":
 *                                          from which number on it hears that room; without an expiry while its socket is
 *                                          connected, then for io_recovery_ms
 *   <prefix>:io:back:<nsp> <pid>     SET   the rooms that it gets back, as long as entry is ""
 *   <prefix>:io:of:<entry>           SET   "<nsp> <sid>" of the sockets of one relay, so that another can take them
 *                                          away when its lease has run out
 *   <prefix>:io:relays               SET   of the entries that may have such a set
 *   <prefix>:io:reaped:<entry>       "1" with an expiry: others took it for dead and dropped its sockets
 *
 * `entry` is the relay's, as in presence_keys.h, whose leases decide which relays are alive. Namespaces and rooms are
 * any UTF-8 without NUL; a namespace has no blank. sids are 20 characters of base64url and public, pids 24 and secret.
 * Sockets of clients of Socket.IO's version 2 have no pid, and their sid is their connection's, which is a credential;
 * in namespaces other than "/" it is the namespace, '#' and that. */
#ifndef CG_COMMON_REDIS_IO_KEYS_H
#define CG_COMMON_REDIS_IO_KEYS_H

enum {
    IO_SID_LEN = 20,
    IO_SID_MAX = 208,
    IO_SID_OF_CONNECTION = 44,
    IO_PID_LEN = 24,
    IO_ROOM_MAX = 128,
    IO_ROOMS_PER_SOCKET = 64
};

#endif
