#include "common/settings.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/settings_renamed.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef CHAGUAN_SQL_DIR
#define CHAGUAN_SQL_DIR "/usr/local/share/chaguan/sql"
#endif

enum kind { TEXT, LEVEL, CHOICE, PATH, SECRET, COUNT, BYTES, MILLIS, SWITCH };

struct setting {
    const char *name;
    enum kind kind;
    int programs;
    size_t offset;
    const char *fallback;
    int64_t min, max; /* numbers: inclusive; texts: length in bytes */
    const char *doc;
    const char *choices; /* of a CHOICE: one of these words, with | between them */
};

#define ROW(name, kind, programs, fallback, min, max, doc) \
    {#name, kind, programs, offsetof(struct settings, name), fallback, min, max, doc, NULL}

#define ROW_CHOICE(name, programs, fallback, choices, doc) \
    {#name, CHOICE, programs, offsetof(struct settings, name), fallback, 0, 0, doc, choices}

enum { ALL = PROGRAM_ALL, RELAY = PROGRAM_RELAY, REST = PROGRAM_REST, ADMIN = PROGRAM_ADMIN, WORKER = PROGRAM_WORKER };

#define KIB *INT64_C(1024)
#define MIB KIB KIB
#define GIB MIB KIB

static const struct setting rows[] = {
    ROW(run, TEXT, ALL, ".", 1, 4096, "Directory of a run's state: relative paths in other settings are below it."),
    ROW(log_level, LEVEL, ALL, "info", 0, 0, "Least level that is written: debug, info, warn, error."),
    ROW(log_file, PATH, ALL, "", 0, 4096, "Log file, reopened on SIGHUP. Empty: standard error."),
    ROW(pid_file, PATH, ALL, "", 0, 4096,
        "Written once the program is ready to serve, removed when it ends cleanly. Empty: none."),
    ROW(db_addresses, TEXT, ALL, "", 0, 2048,
        "Servers of one database, separated by commas, in order of preference: HOST[:PORT], [IPv6]:PORT or "
        "/path/of.sock. The first that answers and can be written is used. Empty: db_socket, or db_host and "
        "db_port."),
    ROW(db_host, TEXT, ALL, "127.0.0.1", 0, 255, "Host of MySQL or MariaDB, unless db_socket is set."),
    ROW(db_port, COUNT, ALL, "3306", 1, 65535, "TCP port of MySQL or MariaDB."),
    ROW(db_socket, PATH, ALL, "", 0, 107, "Unix socket of MySQL or MariaDB. Empty: TCP."),
    ROW(db_user, TEXT, ALL, "chaguan", 1, 80, "Database account."),
    ROW(db_password, SECRET, ALL, "", 0, 255, "Password of the database account."),
    ROW(db_name, TEXT, ALL, "chaguan", 1, 64, "Database that holds the tables."),
    ROW(db_timeout_ms, MILLIS, ALL, "5s", 1000, 600000,
        "How long to wait for a connection or an answer of the database (rounded up to seconds)."),
    ROW(db_tls, SWITCH, ALL, "off", 0, 1,
        "Whether the database is reached over TLS only, with its certificate and the host's name in it verified. Unix "
        "sockets go without."),
    ROW(db_tls_ca, PATH, ALL, "", 0, 4096,
        "File of the authorities (PEM) that the database's certificate is verified by. Empty: those of the system."),
    ROW(db_tls_cert, PATH, ALL, "", 0, 4096,
        "File of the client certificate (PEM) that the database is shown. Empty: none."),
    ROW(db_tls_key, PATH, ALL, "", 0, 4096, "File of the key (PEM) of db_tls_cert."),
    ROW(redis_host, TEXT, ALL, "127.0.0.1", 0, 255, "Host of Redis, unless redis_socket is set."),
    ROW(redis_port, COUNT, ALL, "6379", 1, 65535, "TCP port of Redis."),
    ROW(redis_socket, PATH, ALL, "", 0, 107, "Unix socket of Redis. Empty: TCP."),
    ROW(redis_password, SECRET, ALL, "", 0, 255, "Password of Redis (AUTH). Empty: none."),
    ROW(redis_addresses, TEXT, ALL, "", 0, 2000,
        "Several Redis servers that share the conversations: HOST:PORT, [ADDRESS]:PORT or /SOCKET, separated by "
        "commas, in the same order in all programs. Used instead of redis_host and redis_socket."),
    ROW(redis_sentinels, TEXT, ALL, "", 0, 2000,
        "HOST:PORT of Redis Sentinels, separated by commas. If set, they are asked where Redis is."),
    ROW(redis_master, TEXT, ALL, "mymaster", 1, 1000,
        "Name by which the sentinels know Redis. Several, separated by commas: servers that share the conversations."),
    ROW(redis_sentinel_password, SECRET, ALL, "", 0, 255, "Password of the sentinels. Empty: none."),
    ROW(redis_prefix, TEXT, ALL, "chaguan", 1, 32,
        "First part of every Redis key and channel: deployments with different ones can share a Redis."),
    ROW(redis_timeout_ms, MILLIS, ALL, "2s", 50, 60000,
        "How long to wait for a connection or an answer of Redis before it counts as down."),
    ROW(feed, SWITCH, ALL, "off", 0, 1,
        "on: what is stored is written into the feed, too, from which chaguan-worker carries it on. The same in all "
        "programs, and only if a worker runs: without one the feed grows."),
    ROW(feed_rows_max, COUNT, ALL, "20000000", 0, INT64_C(100000000000),
        "Rows of the feed, of 20 to 80 bytes each. Once there are so many, messages are stored as ever but not written "
        "into the feed until consumers have passed a tenth of it; a gap tells them. 0: any number."),

    ROW(redis_commands_max, COUNT, RELAY, "16000", 64, 1000000,
        "Commands that Socket.IO clients may have on their way to Redis, all of a relay's together; those of one "
        "address an eighth of that. More are refused."),
    ROW(name, TEXT, RELAY | WORKER, "relay1", 1, 32,
        "Name of this relay, unique among the relays of a Redis; of a worker, for people."),
    ROW(listen_host, TEXT, RELAY, "127.0.0.1", 1, 64,
        "IPv4 address or interface of the relay's own TCP port, for direct clients."),
    ROW(listen_port, COUNT, RELAY, "0", 0, 65535,
        "The relay's own TCP port. 0: the one in port_file if it is free, else any."),
    ROW(listen_socket, PATH, RELAY, "", 0, 107,
        "Unix socket for nginx. X-Forwarded-For is believed only here. Empty: none."),
    ROW(listen_front, COUNT, RELAY, "1", 0, 1,
        "1: an nginx that has Chaguan's module hands WebSocket clients' sockets over, on listen_socket with \".front\" "
        "after it. 0: there is no such socket, and nginx proxies."),
    ROW(port_file, PATH, RELAY, "", 0, 4096, "File that gets the TCP port as text. Empty: none."),
    ROW(max_connections, COUNT, RELAY, "15000", 1, 1000000,
        "Open client sockets; one more is refused. Also bounded by the limit on open files."),
    ROW(lobby_max, COUNT, RELAY, "7000", 16, 1000000,
        "Connections that were not let in yet: no request, no look-up, no namespace so far. Past it the oldest of "
        "the address that has most is closed. Never more than half of max_connections."),
    ROW(lobby_address_max, COUNT, RELAY, "3500", 16, 1000000,
        "The same of one IPv4 address or IPv6 /64: past it its own oldest is closed."),
    ROW(max_message_bytes, BYTES, RELAY, "64k", 256, 16 MIB,
        "Longest message from a client; a longer one closes its socket with 1009."),
    ROW(max_name_chars, COUNT, ALL, "64", 1, 64, "Longest name of a user or a room, in characters."),
    ROW(handshake_timeout_ms, MILLIS, RELAY, "10s", 1000, 600000,
        "How long a connection may take to send its HTTP request (rounded up to seconds)."),
    ROW(ping_interval_ms, MILLIS, RELAY, "25s", 100, 3600000,
        "A client that was silent this long gets a ping; silent as long again, it is closed."),
    ROW(close_timeout_ms, MILLIS, RELAY, "5s", 100, 60000,
        "How long a socket that we close may take to take the close frame before it is cut."),
    ROW(drain_ms, MILLIS, RELAY, "3s", 0, 600000,
        "On SIGTERM, clients are asked to come back elsewhere (1012) spread over this time."),
    ROW(outbox_bytes, BYTES, RELAY, "4m", 64 KIB, 256 MIB,
        "Most bytes that may wait for one slow client, answers and what its room's log dropped; past it, it is "
        "closed."),
    ROW(outboxes_bytes, BYTES, RELAY, "256m", 1 MIB, 64 GIB,
        "Most bytes that may wait for all clients together, over whatever transport; past it, those for whom most "
        "waits are closed (1013). From three quarters of it on, requests for histories and lists are refused as "
        "busy."),
    ROW(unfinished_bytes, BYTES, RELAY, "128m", 1 MIB, 64 GIB,
        "Most bytes of messages and requests that clients have begun and not finished, all together; past it, of "
        "the address that keeps most the largest are dropped: 1013, or 503."),
    ROW(send_chunk_bytes, BYTES, RELAY, "64k", 4 KIB, 4 MIB, "Most bytes given to one write."),
    ROW(room_log_bytes, BYTES, RELAY, "1m", 128 KIB, 256 MIB,
        "Bytes of recent events kept per room and encoding; a reader further behind is closed with 1013 and comes "
        "back for the history."),
    ROW(room_logs_bytes, BYTES, RELAY, "256m", 1 MIB, 64 GIB,
        "Bytes of recent events kept by all rooms together; past it, what every reader has had goes. Also bounds "
        "what is set aside for all slow clients together."),
    ROW(history_limit, COUNT, RELAY, "200", 1, 1000, "Messages in an answer to query-logs."),
    ROW(history_bytes, BYTES, RELAY, "1m", 16 KIB, 16 MIB,
        "Most bytes of content in one answer to query-logs: the oldest are left out past it."),
    ROW(journal_batch, COUNT, RELAY, "1000", 1, 10000, "Most messages in one transaction."),
    ROW(journal_queue, COUNT, RELAY, "50000", 1, 10000000,
        "Messages that may wait for the database; one more is refused as busy."),
    ROW(journal_queue_bytes, BYTES, RELAY, "64m", 1 MIB, 16 GIB,
        "Bytes that may wait for the database; more are refused as busy."),
    ROW(journal_timeout_ms, MILLIS, RELAY, "10s", 100, 600000,
        "How long a message may wait for the database before its sender is told that it failed."),
    ROW(db_pool_threads, COUNT, RELAY, "2", 1, 64, "Threads (and database connections) that read history."),
    ROW(db_pool_queue, COUNT, RELAY, "20000", 16, 1000000,
        "Look-ups that may wait for a worker of the pool; one more is refused as busy."),
    ROW(db_pool_queue_user, COUNT, RELAY, "500", 1, 1000000,
        "How many of them may be one user's; more are refused as busy. Whoever has many waits behind themselves."),
    ROW(db_pool_queue_address, COUNT, RELAY, "10000", 1, 1000000,
        "The same for those who come in from one address and are not known yet."),
    ROW(reconcile_ms, MILLIS, RELAY, "5s", 100, 3600000,
        "How often the rooms in use are compared with the database, in case Redis lost the last word."),
    ROW(reconcile_down_ms, MILLIS, RELAY, "1s", 50, 60000, "The same while Redis is down."),
    ROW(revocation_poll_ms, MILLIS, RELAY | REST, "500ms", 50, 60000,
        "How often the database is asked for mutes, bans and rights taken away that Redis did not tell of."),
    ROW(gap_wait_ms, MILLIS, RELAY, "50ms", 0, 10000,
        "How long a missing number may be on its way before it is fetched from the database."),
    ROW(lease_ms, MILLIS, RELAY, "6s", 500, 600000,
        "A relay that does not renew its lease this long is gone; others announce its leaves."),
    ROW(grace_ms, MILLIS, RELAY, "5s", 0, 600000,
        "How long a user without a socket stays in the room, so that a page reload makes no noise."),
    ROW(members_interval_ms, MILLIS, RELAY, "250ms", 10, 60000,
        "Least time between two member lists of a room; longer for large rooms."),
    ROW(room_linger_ms, MILLIS, RELAY, "10s", 0, 600000,
        "How long a room that nobody sits in any more is kept, for who comes back to it: a reload, the next poll."),
    ROW(native_rooms_max, COUNT, RELAY, "200", 1, 10000,
        "Most conversations that one connection of the native protocol may listen to at once."),
    ROW(advertise, TEXT, RELAY, "", 0, 255,
        "HOST:PORT at which relays on other machines reach this one's TCP port. Empty: listen_host and the port."),
    ROW(http_idle_ms, MILLIS, RELAY, "75s", 1000, 3600000,
        "How long an HTTP connection without a request is kept; longer than nginx' keepalive_timeout towards relays."),
    ROW(poll_max_ms, MILLIS, RELAY, "55s", 1000, 600000,
        "Longest that a long poll of a chatroom is held; below every proxy's read timeout."),
    ROW(poll_presence_ms, MILLIS, RELAY, "15s", 0, 600000,
        "How long after a poll its user still counts as present in the room."),

    ROW(origins, TEXT, RELAY | REST, "", 0, 4096,
        "Origins (https://www.example) whose pages may use this server, separated by commas; `*`: all; `null`: "
        "pages without one, such as files. Without being listed may: the same host under any scheme and port; "
        "chrome-extension, moz-extension, weapp, capacitor, ionic, file; pages of this machine, if the server is "
        "called by a name of it."),
    ROW(server_names, TEXT, RELAY | REST, "", 0, 4096,
        "Names (chat.example) that browsers may call this server by over plain HTTP, separated by commas; a "
        "request for another name is refused, so that no page can have its own name lead here (DNS rebinding). "
        "Without being listed: localhost, addresses, this machine's name, names without a dot or in .local, "
        ".internal, .home.arpa; over TLS any. `*`: any."),
    ROW(rate_connection, COUNT, RELAY, "200", 0, 1000000,
        "Messages a second that one connection may send in the long run; more are refused. 0: any number."),
    ROW(rate_connection_burst, COUNT, RELAY, "2000", 1, 1000000,
        "Messages that one connection may send at once; after as many refusals it is closed."),
    ROW(rate_connection_bytes, BYTES, RELAY, "256k", 0, 1 GIB,
        "Bytes of messages a second that one connection may send in the long run. 0: any number."),
    ROW(rate_connection_bytes_burst, BYTES, RELAY, "16m", 1 KIB, 1 GIB - 64 MIB, "The same at once."),
    ROW(rate_user, COUNT, RELAY | REST, "400", 0, 1000000,
        "Messages a second for all connections that one user has to this process together. 0: any number."),
    ROW(rate_user_burst, COUNT, RELAY | REST, "4000", 1, 1000000, "Messages that one user may send at once."),
    ROW(rate_user_bytes, BYTES, RELAY | REST, "512k", 0, 1 GIB,
        "Bytes of messages a second of one user. 0: any number."),
    ROW(rate_user_bytes_burst, BYTES, RELAY | REST, "16m", 1 KIB, 1 GIB - 64 MIB, "The same at once."),
    ROW(rate_address, COUNT, RELAY | REST, "2000", 0, 1000000,
        "Messages a second for all connections of one IPv4 address or IPv6 /64, which many may share. 0: any number."),
    ROW(rate_address_burst, COUNT, RELAY | REST, "20000", 1, 1000000, "Messages that one address may send at once."),
    ROW(rate_address_bytes, BYTES, RELAY | REST, "2m", 0, 1 GIB,
        "Bytes of messages a second of one address. 0: any number."),
    ROW(rate_address_bytes_burst, BYTES, RELAY | REST, "64m", 1 KIB, 1 GIB - 64 MIB, "The same at once."),
    ROW(rate_stranger_percent, COUNT, RELAY, "50", 1, 100,
        "Of what a connection and a user may send, the part for those who showed no token of their own."),
    ROW(rate_handshakes, COUNT, RELAY, "1000", 0, 1000000,
        "Connections a second that one address may open in the long run; then 429. 0: any number."),
    ROW(rate_handshakes_burst, COUNT, RELAY, "20000", 1, 1000000, "Connections that one address may open at once."),
    ROW(rate_creations, COUNT, REST | RELAY, "50", 0, 1000000,
        "REST calls and native commands a second by which one address may make what stays: rooms, users, spaces, "
        "friendships, files. Then 429 or `rate`. 0: any number."),
    ROW(rate_creations_burst, COUNT, REST | RELAY, "10000", 1, 1000000,
        "Such calls that one address may make at once."),
    ROW_CHOICE(
        create, REST | RELAY, "keys", "keys|users",
        "Who makes conversations of the application (POST /v1/conversations, the native `create`): keys, only who has a "
        "server key; users, its users, too."),
    ROW(rate_key, COUNT, REST, "1000", 0, 1000000,
        "Calls of the server API a second that one key may make of this process in the long run; a broadcast counts "
        "as one for each conversation. Then 429. 0: any number."),
    ROW(rate_key_burst, COUNT, REST, "20000", 1, 1000000, "Such calls that one key may make at once."),
    ROW(idempotency_day_key, COUNT, REST, "1000000", 0, 1000000000,
        "Idempotency-Keys that one server key may use in a day; each is kept for a day. Then 429. 0: any number."),
    ROW(idempotency_day_user, COUNT, REST, "20000", 0, 1000000000, "The same for one user of the application."),
    ROW(address_connections_max, COUNT, RELAY, "5000", 0, 1000000,
        "Open connections of one address to this relay; one more gets 429. 0: any number."),
    ROW(user_sockets_max, COUNT, RELAY, "1000", 0, 1000000,
        "Open connections of one user to this relay; one more is closed with 1008. 0: any number."),
    ROW(user_rooms_max, COUNT, REST, "1000", 0, 1000000,
        "Chatrooms that one user may be a member of; createChatroom refuses one more with 429. 0: any number."),

    ROW(io_app, TEXT, RELAY, "chat", 1, 16,
        "Application on Socket.IO: chat (the chat room, on /) or echo (for protocol test suites, on / and /custom, "
        "and bare Engine.IO on /engine.io/)."),
    ROW(io_namespaces, TEXT, RELAY, "/news", 0, 1024,
        "More Socket.IO namespaces, separated by commas, that clients may listen to and only the admin calls emit to."),
    ROW(io_ping_interval_ms, MILLIS, RELAY, "25s", 100, 3600000, "pingInterval of Engine.IO."),
    ROW(io_ping_timeout_ms, MILLIS, RELAY, "20s", 100, 3600000, "pingTimeout of Engine.IO."),
    ROW(io_connect_timeout_ms, MILLIS, RELAY, "45s", 100, 3600000,
        "How long a Socket.IO client may take to join its first namespace (connectTimeout)."),
    ROW(io_max_payload_bytes, BYTES, RELAY, "1000000", 1024, 64 MIB,
        "maxPayload of Engine.IO: longest message or POST body; nginx' client_max_body_size for /socket.io/ must fit."),
    ROW(io_recovery_ms, MILLIS, RELAY, "2min", 0, 24 * 3600000,
        "How long a Socket.IO client that was cut off can come back for its socket and what it missed "
        "(maxDisconnectionDuration). 0: never."),
    ROW(io_eio3, COUNT, RELAY, "0", 0, 1,
        "1: clients of Socket.IO's version 2 (protocol 4, Engine.IO 3) are let in, too, as by the official "
        "server's allowEIO3. Their sockets' ids are what they speak with, and they cannot be recovered."),
    ROW(io_rooms_max, COUNT, RELAY | REST, "64", 1, 64,
        "Rooms that one Socket.IO socket may be in; joining one more is refused."),

    ROW(rest_socket, PATH, REST, "rest.sock", 1, 107, "Unix socket for nginx's fastcgi_pass."),
    ROW(rest_threads, COUNT, REST, "16", 1, 256,
        "Worker threads: requests that can be worked on at once, each with a database connection of its own. A "
        "connection that nginx only keeps open holds none."),
    ROW(rest_address_percent, COUNT, REST, "50", 1, 100,
        "Of the worker threads that others leave, the part that one IPv4 address or IPv6 /64 may hold; what it "
        "asks for beyond that waits behind itself. 100: all."),
    ROW(rest_waiting_max, COUNT, REST, "4096", 1, 1000000,
        "Requests that may wait for that, about 12 KB each; past it the latest of the address that has most gets 503."),
    ROW(rest_backlog, COUNT, REST, "512", 1, 65535, "Connections that may wait for a worker thread."),
    ROW(max_body_bytes, BYTES, REST, "64k", 256, 64 MIB, "Longest JSON body; a longer one gets 413."),
    ROW(admit_ms, MILLIS, REST | RELAY, "60s", 1000, 3600000,
        "How long after createChatroom a user counts as online without a socket yet."),
    ROW(name_cache_ms, MILLIS, REST, "10s", 0, 3600000,
        "How long getRoomInfo and getUserInfo answer from memory what they have read: names never change, unless "
        "the database is put back to an older state. 0: each call reads."),
    ROW(admin_token, SECRET, REST, "", 0, 255,
        "Bearer token of the admin calls (/api/io/…), at least 16 bytes. Empty: they are off."),

    ROW(jwt_secret, SECRET, REST | RELAY, "", 0, 255,
        "Key of the spaces' tokens (HS256), at least 32 bytes. Empty: none are given out; only jwt_public_key's "
        "are taken."),
    ROW(jwt_public_key, PATH, REST | RELAY, "", 0, 4096,
        "PEM file with the RSA public key of tokens that somebody else gives out (RS256). Empty: none are taken."),
    ROW(jwt_audience, TEXT, REST | RELAY, "chaguan", 1, 64, "The `aud` that every token must carry."),
    ROW(jwt_ttl_ms, MILLIS, REST, "12h", 1000, INT64_C(366) * 24 * 3600000, "Life of a token that we give out."),
    ROW(app_keys, PATH, REST | RELAY, "", 0, 4096,
        "Folder with the keys of the application's tokens: KID.pem, a public key of RSA (RS256) or of the curve P-256 "
        "(ES256), and KID.secret, at least 32 bytes (HS256). Read anew on SIGHUP. Empty: none."),
    ROW(app_jwks_file, PATH, REST | RELAY, "", 0, 4096,
        "File with such keys as a JWK Set. Read anew on SIGHUP. Empty: none."),
    ROW(app_jwks_url, TEXT, REST | RELAY, "", 0, 2048,
        "The same at a URL (http, https). Fetched at the start, on SIGHUP, every hour, and when a token names a key "
        "that is not there, at most once a minute. Empty: none."),
    ROW(app_audience, TEXT, REST | RELAY, "chaguan", 1, 255,
        "The `aud` that every token of the application must carry."),
    ROW_CHOICE(
        doors, REST | RELAY, "all", "all|token",
        "all: the front ends are open, as their tutorials have it. token: each front end needs a token of a user of "
        "the application, and acts as that user."),
    ROW_CHOICE(
        signup, REST, "off", "open|invite|off",
        "Who may make an account of Chaguan's own (POST /v1/signup): anybody, who has an invite (chaguan invite add), "
        "or nobody; whoever has the code of chaguan setup-code may make the first one."),
    ROW(friends_max, COUNT, REST, "5000", 0, 1000000,
        "Friends that one user of the friend chat may have; POST /api/friends refuses one more with 429. Of who "
        "has a password, others may fill half. 0: any number."),
    ROW(friends_day_address, COUNT, REST, "2000", 0, 1000000,
        "New friendships that one address may make in a day; then 429. 0: any number."),
    ROW(friends_day_user, COUNT, REST, "500", 0, 1000000, "The same for one user with a password. 0: any number."),
    ROW(password_threads, COUNT, REST, "0", 0, 16,
        "Threads that hash passwords, 64 MiB and 0.1 s of a core each time. 0: half as many as there are cores."),
    ROW(password_waiting, COUNT, REST, "6", 1, 128,
        "Logins with a password that may wait for these threads, at most half of rest_threads; past it, those of "
        "whoever asks for most get 503."),
    ROW(login_attempts, COUNT, REST, "10", 1, 10000,
        "Wrong passwords that one user or one address may give in a minute; then 429."),
    ROW(media_dir, PATH, REST | ADMIN, "media", 1, 4096, "Directory of uploaded files; nginx serves it."),
    ROW(media_url, TEXT, ALL, "/media/", 1, 255, "What stands before a file's name in its URL."),
    ROW(media_types, TEXT, REST,
        "image/png,image/jpeg,image/gif,image/webp,video/mp4,video/webm,video/quicktime,video/x-m4v,"
        "video/3gpp,video/3gpp2,"
        "audio/mpeg,audio/ogg,application/pdf,text/plain,application/zip",
        1, 1024, "Kinds of files that may be uploaded, told from their bytes."),
    ROW(upload_max_bytes, BYTES, REST | RELAY, "25m", 1024, 1 GIB,
        "Largest file; nginx' client_max_body_size must fit."),
    ROW(media_quota_bytes, BYTES, REST, "10g", 1 MIB, 1024 GIB, "All files together; past it uploads get 507."),
    ROW(media_keep_ms, MILLIS, ADMIN, "24h", 0, INT64_C(366) * 24 * 3600000,
        "How long a file that no message refers to is kept before `chaguan media gc` removes it."),
    ROW(image_pixels_max, COUNT, REST, "40000000", 1, 500000000,
        "Pixels of a picture that POST /v1/uploads takes (413), and of which thumbnails are made. Making one takes up to "
        "14 bytes of memory for each of them, in a process of its own."),
    ROW(thumbnail_program, PATH, REST, "", 0, 4096,
        "The program that makes thumbnails. Empty: chaguan-thumbnail in the folder of chaguan-rest."),
    ROW(thumbnail_jobs, COUNT, REST, "2", 0, 64, "Thumbnails that may be made at once. 0: none are made."),
    ROW(thumbnail_waiting, COUNT, REST, "6", 0, 128,
        "Requests that may wait for one of these, at most half of rest_threads; more get 503."),
    ROW(thumbnail_timeout_ms, MILLIS, REST, "10s", 100, 25000,
        "How long a thumbnail may take, and waiting for its turn as long again; then its process is killed."),
    ROW(thumbnails_max_bytes, BYTES, REST, "256m", 1 MIB, 1024 GIB,
        "All thumbnails together; past it the oldest go, and are made anew when they are asked for."),
    ROW(customer_refused_ms, MILLIS, RELAY, "1min", 0, 3600000,
        "How long the socket of a customer session stays open that was told that a user does not exist, or "
        "parameters are missing."),
    ROW(friend_ping_ms, MILLIS, RELAY, "10s", 100, 3600000, "ping_interval_ms of the friend chat."),

    ROW(worker_socket, PATH, WORKER, "worker.sock", 0, 107,
        "Unix socket on which a worker answers /metrics, /healthz and /readyz. Empty: none."),
    ROW(worker_port, COUNT, WORKER, "0", 0, 65535, "TCP port of 127.0.0.1 for the same. 0: none."),
    ROW(feed_lease_ms, MILLIS, WORKER, "10s", 500, 600000,
        "A worker that does not get through to the database for so long loses what it does to another."),
    ROW(feed_poll_ms, MILLIS, WORKER, "100ms", 5, 60000, "How often a worker looks for what is new in the feed."),
    ROW(feed_batch, COUNT, WORKER, "5000", 1, 100000, "Most rows of the feed that a worker holds of one consumer's."),
    ROW(feed_idle_ms, MILLIS, WORKER, "10min", 100, 24 * 3600000,
        "A writer's part of the feed goes once nothing was written to it for so long, and all consumers have passed it."),
    ROW(keep_days, COUNT, WORKER, "0", 0, 36500,
        "How many days messages are kept, unless their conversation says otherwise; then a worker removes them. 0: for "
        "ever."),
    ROW(keep_presence_lines_days, COUNT, WORKER, "30", 0, 36500, "The same of the lines that tell who came and went."),
    ROW(keep_round_ms, MILLIS, WORKER, "10min", 10, 24 * 3600000,
        "How long a worker that has looked over all conversations for what is too old waits before it begins again."),

    ROW(search, SWITCH, REST | RELAY | WORKER | ADMIN, "off", 0, 1,
        "on: chaguan-worker keeps an index of the messages on its machine, and the REST process and the relays "
        "there answer GET /v1/search and the native `search` from it. Needs `feed`."),
    ROW(search_dir, PATH, REST | RELAY | WORKER | ADMIN, "search", 1, 4000,
        "Directory of the index, on a disk of this machine. It may be lost: it is made anew from the database."),
    ROW(search_name, TEXT, WORKER | ADMIN, "", 0, 56,
        "Name of this machine's index, unique among those of a database. Empty: the machine's name."),
    ROW(search_bytes, BYTES, WORKER, "64g", 1 MIB, 1024 GIB,
        "Most bytes of the index; past it what is new is not found."),
    ROW(search_keep_ms, MILLIS, WORKER, "24h", 1000, INT64_C(366) * 24 * 3600000,
        "How long rows of the feed are kept for an index that no worker continues; then it is made anew when one does."),
    ROW(search_timeout_ms, MILLIS, REST | RELAY, "1s", 10, 60000,
        "How long one call looks: it then answers with what it has found, and where to go on."),
    ROW(rate_search, COUNT, REST | RELAY, "5", 0, 1000000,
        "Searches a second of one user in the long run; then 429. A key's count as ten calls. 0: any number."),
    ROW(rate_search_burst, COUNT, REST | RELAY, "50", 1, 1000000, "Searches that one user may make at once."),

    ROW(demos, SWITCH, RELAY, "off", 0, 1,
        "on: the demonstrations of the articles are there: /clock, the WebSockets /echo and /ws, the Socket.IO "
        "namespace /echo-demo, and a greeting in those of io_namespaces."),
    ROW(site_dir, TEXT, ADMIN, "", 0, 4096,
        "Folder of pages of your own, which nginx serves before Chaguan's: deploy/run.sh writes it into nginx' "
        "configuration."),
    ROW(site_policy, TEXT, ADMIN, "", 0, 2048,
        "The Content-Security-Policy of those pages. Empty: none, so that they may use scripts from anywhere."),
    ROW(sql_dir, TEXT, ADMIN, CHAGUAN_SQL_DIR, 1, 4096, "Directory of the numbered migrations."),
};

enum { ROWS = sizeof rows / sizeof rows[0] };

static const struct {
    const char *old, *now;
} renamed[] = {
#define X(old, now) {#old, #now},
    SETTINGS_RENAMED(X)
#undef X
};

enum { RENAMED = sizeof renamed / sizeof renamed[0] };
_Static_assert(RENAMED <= 64, "one bit of old_names for each");

static bool is_text(enum kind kind)
{
    return kind <= SECRET;
}

static char **text_field(struct settings *settings, const struct setting *row)
{
    return (char **)(void *)((char *)settings + row->offset);
}

static int64_t *number_field(struct settings *settings, const struct setting *row)
{
    return (int64_t *)(void *)((char *)settings + row->offset);
}

static int64_t unit_of(enum kind kind, const char *suffix)
{
    static const struct {
        enum kind kind;
        const char *suffix;
        int64_t factor;
    } units[] = {
        {BYTES, "k", 1 KIB}, {BYTES, "m", 1 MIB},    {BYTES, "g", 1 GIB},    {MILLIS, "ms", 1},
        {MILLIS, "s", 1000}, {MILLIS, "min", 60000}, {MILLIS, "h", 3600000},
    };
    if (!*suffix)
        return 1;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].kind == kind && !strcmp(units[i].suffix, suffix))
            return units[i].factor;
    return 0;
}

static bool parse_number(const struct setting *row, const char *value, int64_t *out)
{
    if (!isdigit((unsigned char)*value) || strspn(value, "0123456789") > 15)
        return false;
    char *suffix;
    int64_t number = strtoll(value, &suffix, 10), unit = unit_of(row->kind, suffix);
    if (!unit || number > row->max / unit || number * unit < row->min)
        return false;
    *out = number * unit;
    return true;
}

static bool parse_switch(const char *value, int64_t *out)
{
    *out = !strcmp(value, "on") || !strcmp(value, "1");
    return *out || !strcmp(value, "off") || !strcmp(value, "0");
}

static bool is_one_of(struct str value, const char *choices)
{
    for (const char *bar; choices; choices = bar ? bar + 1 : NULL) {
        bar = strchr(choices, '|');
        if (str_eq(value, (struct str){choices, bar ? (size_t)(bar - choices) : strlen(choices)}))
            return true;
    }
    return false;
}

static bool text_fits(const struct setting *row, const char *value)
{
    size_t len = strlen(value);
    if (row->kind == LEVEL)
        return log_level_of(value) >= 0;
    if (row->kind == CHOICE)
        return is_one_of(str_of(value), row->choices);
    return len >= (size_t)row->min && len <= (size_t)row->max;
}

static enum err assign(struct settings *settings, const struct setting *row, const char *value, const char *source,
                       char why[256])
{
    if (is_text(row->kind)) {
        if (text_fits(row, value)) {
            char **field = text_field(settings, row);
            free(*field);
            *field = mem_strdup(value);
            return ERR_OK;
        }
        if (row->kind == LEVEL)
            snprintf(why, 256, "%s: %s is one of debug, info, warn, error", source, row->name);
        else if (row->kind == CHOICE)
            snprintf(why, 256, "%s: %s is one of %s", source, row->name, row->choices);
        else
            snprintf(why, 256, "%s: %s takes %lld to %lld bytes of text", source, row->name, (long long)row->min,
                     (long long)row->max);
        return ERR_INVALID;
    }
    if (row->kind == SWITCH) {
        int64_t on;
        if (parse_switch(value, &on)) {
            *number_field(settings, row) = on;
            return ERR_OK;
        }
        snprintf(why, 256, "%s: %s is on or off", source, row->name);
        return ERR_INVALID;
    }
    if (parse_number(row, value, number_field(settings, row)))
        return ERR_OK;
    snprintf(why, 256, "%s: %s takes a number from %lld to %lld%s", source, row->name, (long long)row->min,
             (long long)row->max,
             row->kind == BYTES    ? " (bytes, or with k, m, g)"
             : row->kind == MILLIS ? " (milliseconds, or with ms, s, min, h)"
                                   : "");
    return ERR_INVALID;
}

/* ---- secrets in files ---- */

/* The place of a SECRET's row among them. */
static size_t secret_at(const struct setting *row)
{
    size_t at = 0;
    for (const struct setting *before = rows; before < row; before++)
        at += before->kind == SECRET;
    CG_ASSERT(at < SETTINGS_SECRETS);
    return at;
}

static void set_secret_file(struct settings *settings, const struct setting *row, const char *path)
{
    char **field = &settings->secret_files[secret_at(row)];
    free(*field);
    *field = path ? mem_strdup(path) : NULL;
}

/* The row whose NAME_file this is; NULL: of none. */
static const struct setting *secret_of_file(struct str name)
{
    static const char end[] = "_file";
    size_t len = sizeof end - 1;
    if (name.len <= len || memcmp(name.ptr + name.len - len, end, len) != 0)
        return NULL;
    name.len -= len;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind == SECRET && str_eq(name, str_of(rows[i].name)))
            return &rows[i];
    return NULL;
}

/* What is wrong with it, or NULL. `text` has `size` bytes, and one more than any secret fits. */
static const char *read_secret(const char *path, char *text, size_t size)
{
    struct stat is;
    FILE *file = fopen(path, "re");
    if (!file)
        return strerror(errno);
    size_t len = fread(text, 1, size - 1, file);
    bool whole = !ferror(file) && fstat(fileno(file), &is) == 0;
    fclose(file);
    if (!whole)
        return "it cannot be read";
    if (is.st_mode & (S_IROTH | S_IWOTH))
        return "others may read or write it: chmod o-rw";
    if (len && text[len - 1] == '\n')
        len--;
    text[len] = '\0';
    if (!len)
        return "it is empty";
    return strlen(text) == len ? NULL : "it holds a NUL";
}

static enum err take_secret(struct settings *settings, const struct setting *row, const char *path, char why[256])
{
    enum { LONGEST = 512 };
    char text[LONGEST];
    CG_ASSERT(row->max < LONGEST - 2);
    const char *wrong = read_secret(path, text, sizeof text);
    if (!wrong && text_fits(row, text)) {
        char **field = text_field(settings, row);
        free(*field);
        *field = mem_strdup(text);
    } else if (wrong)
        snprintf(why, 256, "%s_file: %.150s: %s", row->name, path, wrong);
    else
        snprintf(why, 256, "%s_file: %.150s: it has more than %lld bytes", row->name, path, (long long)row->max);
    explicit_bzero(text, sizeof text);
    return !wrong && !*why ? ERR_OK : ERR_INVALID;
}

/* After the paths were put below `run`. */
static enum err take_secrets(struct settings *settings, char why[256])
{
    enum err err = ERR_OK;
    *why = '\0';
    for (size_t i = 0; !err && i < ROWS; i++)
        if (rows[i].kind == SECRET && settings->secret_files[secret_at(&rows[i])])
            err = take_secret(settings, &rows[i], settings->secret_files[secret_at(&rows[i])], why);
    return err;
}

static void load_credentials(struct settings *settings)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    for (size_t i = 0; folder && *folder == '/' && i < ROWS; i++) {
        char path[4096];
        if (rows[i].kind == SECRET && snprintf(path, sizeof path, "%s/%s", folder, rows[i].name) < (int)sizeof path &&
            access(path, F_OK) == 0)
            set_secret_file(settings, &rows[i], path);
    }
}

static enum err assign_secret_file(struct settings *settings, const struct setting *row, const char *path,
                                   const char *source, char why[256])
{
    if (*path && strlen(path) < 4096) {
        set_secret_file(settings, row, path);
        return ERR_OK;
    }
    snprintf(why, 256, "%s: %s_file takes 1 to 4095 bytes of text", source, row->name);
    return ERR_INVALID;
}

/* ---- where settings come from ---- */

static enum err assign_named(struct settings *settings, struct str name, const char *value, const char *source,
                             char why[256])
{
    for (size_t i = 0; i < RENAMED; i++)
        if (str_eq(name, str_of(renamed[i].old))) {
            settings->old_names |= UINT64_C(1) << i;
            name = str_of(renamed[i].now);
        }
    for (size_t i = 0; i < ROWS; i++)
        if (str_eq(name, str_of(rows[i].name))) {
            if (rows[i].kind == SECRET)
                set_secret_file(settings, &rows[i], NULL);
            return assign(settings, &rows[i], value, source, why);
        }
    const struct setting *secret = secret_of_file(name);
    if (secret)
        return assign_secret_file(settings, secret, value, source, why);
    snprintf(why, 256, "%s: there is no setting '%.*s'", source, (int)(name.len > 64 ? 64 : name.len), name.ptr);
    return ERR_NOT_FOUND;
}

/* Splits "name = value" in place; NULL if there is no '='. */
static char *split(char *line, struct str *name)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return NULL;
    size_t len = (size_t)(equals - line);
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    *name = (struct str){line, len};
    char *value = equals + 1 + strspn(equals + 1, " \t");
    size_t end = strlen(value);
    while (end && isspace((unsigned char)value[end - 1]))
        value[--end] = '\0';
    return value;
}

static enum err load_file(struct settings *settings, const char *path, char why[256])
{
    FILE *file = fopen(path, "r");
    if (!file) {
        snprintf(why, 256, "cannot read the configuration file %s", path);
        return ERR_NOT_FOUND;
    }
    enum err err = ERR_OK;
    char line[8192], source[128];
    for (int number = 1; !err && fgets(line, sizeof line, file); number++) {
        char *start = line + strspn(line, " \t\r\n");
        if (!*start || *start == '#')
            continue;
        struct str name;
        char *value = split(start, &name);
        snprintf(source, sizeof source, "%.100s line %d", path, number);
        if (value) {
            err = assign_named(settings, name, value, source, why);
        } else {
            snprintf(why, 256, "%s: expected name = value", source);
            err = ERR_INVALID;
        }
    }
    fclose(file);
    return err;
}

static enum err load_environment(struct settings *settings, char why[256])
{
    static const char prefix[] = "CHAGUAN_";
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *name = *entry + sizeof prefix - 1, *equals = strchr(name, '=');
        char lower[64];
        size_t len = equals ? (size_t)(equals - name) : 0;
        if (!len || len >= sizeof lower)
            continue;
        for (size_t i = 0; i < len; i++)
            lower[i] = (char)tolower((unsigned char)name[i]);
        enum err err = assign_named(settings, (struct str){lower, len}, equals + 1, "environment", why);
        if (err)
            return err;
    }
    return ERR_OK;
}

static void anchor(char **field, const char *run)
{
    if (!*field || !**field || **field == '/')
        return;
    size_t len = strlen(run) + strlen(*field) + 2;
    char *path = mem_zalloc(len);
    snprintf(path, len, "%s/%s", run, *field);
    free(*field);
    *field = path;
}

static void anchor_paths(struct settings *settings)
{
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind == PATH)
            anchor(text_field(settings, &rows[i]), settings->run);
    for (size_t i = 0; i < SETTINGS_SECRETS; i++)
        anchor(&settings->secret_files[i], settings->run);
}

/* Rules that concern more than one setting. */
static enum err check_together(const struct settings *settings, char why[256])
{
    if (strlen(settings->listen_socket) > 107 || strlen(settings->rest_socket) > 107 ||
        strlen(settings->db_socket) > 107 || strlen(settings->redis_socket) > 107 ||
        strlen(settings->worker_socket) > 107) {
        snprintf(why, 256, "a Unix socket's path is longer than 107 bytes: choose a shorter 'run'");
        return ERR_TOO_BIG;
    }
    static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (settings->name[strspn(settings->name, name_bytes)]) {
        snprintf(why, 256, "name takes letters, digits, '_', '.' and '-'"); /* Redis keys end at ':' */
        return ERR_INVALID;
    }
    if (!*settings->db_tls_cert != !*settings->db_tls_key) {
        snprintf(why, 256, "db_tls_cert and db_tls_key go together");
        return ERR_INVALID;
    }
    if (!settings->db_tls && (*settings->db_tls_ca || *settings->db_tls_cert)) {
        snprintf(why, 256, "db_tls_ca and db_tls_cert do nothing unless db_tls is on");
        return ERR_INVALID;
    }
    if (settings->outbox_bytes < 2 * settings->history_bytes + settings->max_message_bytes) {
        snprintf(why, 256,
                 "outbox_bytes must hold an answer to query-logs: at least twice history_bytes and "
                 "max_message_bytes");
        return ERR_INVALID;
    }
    if (settings->room_log_bytes < settings->max_message_bytes * 4) {
        snprintf(why, 256, "room_log_bytes must be at least four times max_message_bytes");
        return ERR_INVALID;
    }
    return ERR_OK;
}

enum err settings_load(struct settings *settings, const char *file, char *const *sets, int count, char why[256])
{
    *settings = (struct settings){0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < ROWS; i++) {
        err = assign(settings, &rows[i], rows[i].fallback, "default", why);
        CG_ASSERT(!err);
    }
    if (file)
        err = load_file(settings, file, why);
    load_credentials(settings);
    if (!err)
        err = load_environment(settings, why);
    for (int i = 0; !err && i < count; i++) {
        char *copy = mem_strdup(sets[i]);
        struct str name;
        char *value = split(copy, &name);
        if (value) {
            err = assign_named(settings, name, value, "--set", why);
        } else {
            snprintf(why, 256, "--set takes name=value");
            err = ERR_INVALID;
        }
        free(copy);
    }
    if (!err) {
        anchor_paths(settings);
        err = take_secrets(settings, why);
    }
    if (!err) {
        err = check_together(settings, why);
    }
    if (err)
        settings_fini(settings);
    return err;
}

/* Threads may be reading it for as long as they like; an operator changes secrets a few times in a process's life. */
struct settings_retired {
    struct settings_retired *next;
    char *text;
};

void settings_renew(struct settings *settings, struct settings *fresh, settings_renewed_fn *fn, void *arg)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind != SECRET)
            continue;
        char **field = text_field(settings, &rows[i]), **renewed = text_field(fresh, &rows[i]);
        if (!strcmp(*field, *renewed))
            continue;
        struct settings_retired *retired = mem_zalloc(sizeof *retired);
        *retired = (struct settings_retired){settings->retired, *field};
        settings->retired = retired;
        __atomic_store_n(field, mem_strdup(*renewed), __ATOMIC_RELEASE);
        fn(arg, rows[i].name);
    }
}

static void free_retired(struct settings *settings)
{
    for (struct settings_retired *retired; (retired = settings->retired);) {
        settings->retired = retired->next;
        explicit_bzero(retired->text, strlen(retired->text));
        free(retired->text);
        free(retired);
    }
}

void settings_fini(struct settings *settings)
{
    free_retired(settings);
    for (size_t i = 0; i < ROWS; i++) {
        if (!is_text(rows[i].kind))
            continue;
        free(*text_field(settings, &rows[i]));
        *text_field(settings, &rows[i]) = NULL;
    }
    for (size_t i = 0; i < SETTINGS_SECRETS; i++) {
        free(settings->secret_files[i]);
        settings->secret_files[i] = NULL;
    }
}

void settings_each_old_name(const struct settings *settings, settings_old_name_fn *fn, void *arg)
{
    for (size_t i = 0; i < RENAMED; i++)
        if (settings->old_names >> i & 1)
            fn(arg, renamed[i].old, renamed[i].now);
}

static void add_comment(struct buf *out, const char *doc)
{
    size_t column = 0;
    for (const char *word = doc; *word; word += strspn(word, " ")) {
        size_t len = strcspn(word, " ");
        if (column == 0 || column + len > 96) {
            buf_add_text(out, column ? "\n# " : "# ");
            column = 2;
        } else {
            buf_add_char(out, ' ');
            column++;
        }
        buf_add(out, word, len);
        column += len;
        word += len;
    }
    buf_add_char(out, '\n');
}

/* A path below `run` as it may be given: read back, it is put below `run` again. */
static const char *below_run(const struct settings *settings, const char *path)
{
    size_t len = strlen(settings->run);
    return !strncmp(path, settings->run, len) && path[len] == '/' ? path + len + 1 : path;
}

static const char *shown_text(const struct settings *settings, const struct setting *row)
{
    const char *value = *text_field((struct settings *)(uintptr_t)settings, row);
    return row->kind == PATH ? below_run(settings, value) : value;
}

/* Where the value is, never what it is. */
static void print_secret(const struct settings *settings, const struct setting *row, struct buf *out)
{
    const char *path = settings->secret_files[secret_at(row)];
    buf_addf(out, "# Or in a file of its own: %s_file.\n", row->name);
    if (path)
        buf_addf(out, "%s_file = %s\n\n", row->name, below_run(settings, path));
    else
        buf_addf(out, "# %s = ...\n\n", row->name);
}

void settings_print(const struct settings *settings, enum program program, struct buf *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        const struct setting *row = &rows[i];
        if (!(row->programs & (int)program))
            continue;
        add_comment(out, row->doc);
        bool has_range = !is_text(row->kind) && row->kind != SWITCH;
        if (has_range)
            buf_addf(out, "# %lld to %lld", (long long)row->min, (long long)row->max);
        buf_addf(out, "%s default: %s\n", has_range ? "," : "#", *row->fallback ? row->fallback : "(empty)");
        if (row->kind == SECRET)
            print_secret(settings, row, out);
        else if (is_text(row->kind))
            buf_addf(out, "%s = %s\n\n", row->name, shown_text(settings, row));
        else if (row->kind == SWITCH)
            buf_addf(out, "%s = %s\n\n", row->name,
                     *number_field((struct settings *)(uintptr_t)settings, row) ? "on" : "off");
        else
            buf_addf(out, "%s = %lld\n\n", row->name, (long long)*number_field((struct settings *)settings, row));
    }
}
