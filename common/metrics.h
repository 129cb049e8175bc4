/* metrics.h: counters and gauges as rows that carry their own documentation, shown as Prometheus
 * text (exposition format 0.0.4). Any thread may count; reading is relaxed. */
#ifndef CG_COMMON_METRICS_H
#define CG_COMMON_METRICS_H

#include "common/buf.h"

#include <stdint.h>

/* id, Prometheus name (after "chaguan_"), type, help */
#define METRIC_ROWS(X) \
    X(HTTP_REQUESTS, "http_requests_total", counter, "HTTP requests answered") \
    X(HTTP_REFUSED, "http_refused_total", counter, "HTTP requests answered with a 4xx status") \
    X(HTTP_FAILED, "http_failed_total", counter, "HTTP requests answered with a 5xx status") \
    X(HTTP_ABORTED, "http_aborted_total", counter, "HTTP requests whose client left before the end") \
    X(HTTP_CONNECTIONS, "http_connections", gauge, "Connections of the relay's HTTP front open now") \
    X(HTTP_ACCEPTED, "http_accepted_total", counter, \
      "Connections that the relay's HTTP front has accepted: with http_requests_total, how often one is used again") \
    X(HTTP_TURNED_AWAY, "http_turned_away_total", counter, "Connections refused because max_connections were open") \
    X(HTTP_TIMEOUTS, "http_timeouts_total", counter, \
      "Connections cut because a request or the reading of its answer took too long") \
    X(ACCEPT_PAUSED, "accept_paused_total", counter, "Times accepting paused because no file descriptor was left") \
    X(HANDOFFS_GIVEN, "handoffs_given_total", counter, "Requests handed to another relay with their socket") \
    X(HANDOFFS_TAKEN, "handoffs_taken_total", counter, "Requests that another relay handed to this one") \
    X(HANDOFFS_FRONT, "handoffs_front_total", counter, "Clients' sockets that nginx handed to this relay") \
    X(HANDOFFS_SPLICED, "handoffs_spliced_total", counter, "Requests passed on to another relay over TCP") \
    X(HANDOFFS_FAILED, "handoffs_failed_total", counter, "Requests of another relay that could not be handed to it") \
    X(HANDOFFS_EVENED, "handoffs_evened_total", counter, \
      "Newcomers given to another relay because that one had clearly fewer clients") \
    X(CONNECTIONS, "connections", gauge, "WebSockets, streams and held calls of chatrooms open now") \
    X(CONNECTIONS_OPENED, "connections_opened_total", counter, "WebSocket connections accepted") \
    X(CONNECTIONS_REFUSED, "connections_refused_total", counter, "Handshakes refused") \
    X(ADMISSIONS_REFUSED, "admissions_refused_total", counter, \
      "Connections closed because their user or room did not allow it") \
    X(LOBBY_GUESTS, "lobby_guests", gauge, "Connections open now that were not let in yet") \
    X(LOBBY_PUT_OUT, "lobby_put_out_total", counter, \
      "Connections closed before they were let in, to make room for newer ones") \
    X(CLOSED_SILENT, "closed_silent_total", counter, "Connections cut because they stopped answering") \
    X(CLOSED_SLOW, "closed_slow_total", counter, "Connections closed because they read too slowly") \
    X(CLOSED_INVALID, "closed_invalid_total", counter, \
      "Connections closed for a protocol violation (1002, 1003, 1007, 1009)") \
    X(CLOSED_RATE, "closed_rate_total", counter, "Connections closed because they sent on past their rate") \
    X(CLOSED_MODERATION, "closed_moderation_total", counter, "Connections closed by a ban or a kick") \
    X(CLOSED_REVOKED, "closed_revoked_total", counter, \
      "Connections closed because a right that they had proved was taken away") \
    X(RATE_REFUSED, "rate_refused_total", counter, "Messages refused because of a rate") \
    X(IDEMPOTENCY_CALLS, "idempotency_calls_total", counter, "Calls carried out under an Idempotency-Key") \
    X(IDEMPOTENCY_REPEATED, "idempotency_repeated_total", counter, "Calls answered with what was answered before") \
    X(IDEMPOTENCY_UNKEPT, "idempotency_unkept_total", counter, \
      "Calls under an Idempotency-Key whose end the database was not told") \
    X(IDEMPOTENCY_EXPIRED, "idempotency_expired_total", counter, "Idempotency-Keys removed after a day") \
    X(ADDRESS_REFUSED, "address_refused_total", counter, \
      "Connections refused because their address has or opens too many") \
    X(USER_SOCKETS_REFUSED, "user_sockets_refused_total", counter, \
      "Connections closed because their user had user_sockets_max") \
    X(ORIGIN_REFUSED, "origin_refused_total", counter, "Requests refused because of their Origin") \
    X(SANCTIONS, "sanctions", gauge, "Mutes and bans known to this relay") \
    X(MODERATION_REFUSED, "moderation_refused_total", counter, \
      "Connections, messages and calls refused because of a mute or a ban") \
    X(REVOKED_ENTERING, "revoked_entering_total", counter, \
      "Connections asked to come again because a right was taken away while they were looked up") \
    X(FRAMES_IN, "frames_in_total", counter, "Messages received from clients") \
    X(FRAMES_REFUSED, "frames_refused_total", counter, "Client messages answered with an error event") \
    X(IDENTITY_REFUSED, "identity_refused_total", counter, "Client messages that claimed another sender or room") \
    X(ROOMS, "rooms", gauge, "Rooms in use on this relay") \
    X(ROOM_LOG_BYTES, "room_log_bytes", gauge, "Bytes held by room logs") \
    X(DELIVERED, "messages_delivered_total", counter, "Stored messages appended to room logs") \
    X(DUPLICATES, "messages_duplicate_total", counter, "Stored messages that came again and were dropped") \
    X(GAPS, "gaps_total", counter, "Times a number was missing and had to be waited for or fetched") \
    X(BACKFILLED, "messages_backfilled_total", counter, "Stored messages fetched to fill a gap") \
    X(WRITES, "socket_writes_total", counter, "Writes to client sockets") \
    X(WRITTEN_BYTES, "socket_written_bytes_total", counter, "Bytes given to client sockets") \
    X(OUTBOX_BYTES, "outbox_bytes", gauge, "Memory of what waits for single clients") \
    X(WAITING_BYTES, "waiting_bytes", gauge, \
      "Memory of all that waits for clients: outboxes, polls, answers, what a socket did not take") \
    X(WAITING_REFUSED, "waiting_refused_total", counter, \
      "Requests for histories and lists refused because too much waited for clients already") \
    X(WAITING_CLOSED, "waiting_closed_total", counter, \
      "Connections closed because they owed most when outboxes_bytes was reached") \
    X(UNFINISHED_BYTES, "unfinished_bytes", gauge, \
      "Memory of messages and requests that clients have begun and not finished") \
    X(UNFINISHED_DROPPED, "unfinished_dropped_total", counter, \
      "Messages and requests dropped because unfinished_bytes was reached and their address had most") \
    X(READING_PAUSED, "reading_paused_total", counter, \
      "Times a client was not read from because it did not read its answers") \
    X(SPILLED_BYTES, "outbox_spilled_bytes_total", counter, \
      "Bytes set aside, once for all their slow readers, before their room's log dropped them") \
    X(SOCKETS_BLOCKED, "sockets_blocked_total", counter, "Times a client socket could not take more") \
    X(JOURNAL_QUEUED, "journal_queued", gauge, "Messages waiting for the database") \
    X(JOURNAL_COMMITS, "journal_commits_total", counter, "Transactions committed by the journal") \
    X(JOURNAL_STORED, "journal_stored_total", counter, "Messages committed by the journal") \
    X(JOURNAL_REPEATED, "journal_repeated_total", counter, "Messages that were stored already (same client id)") \
    X(JOURNAL_REFUSED, "journal_refused_total", counter, "Messages refused because the journal was full") \
    X(JOURNAL_FAILED, "journal_failed_total", counter, "Messages whose sender was told that storing failed") \
    X(JOURNAL_EXPIRED, "journal_expired_total", counter, \
      "Messages that waited too long behind others and were not tried") \
    X(ANSWERS_UNEXPECTED, "answers_unexpected_total", counter, \
      "Answers of the journal that no command waited for: always 0, or something is wrong") \
    X(JOURNAL_RETRIES, "journal_retries_total", counter, "Transactions tried again") \
    X(DB_POOL_QUEUED, "db_pool_queued", gauge, "Look-ups waiting for a worker of the pool") \
    X(DB_POOL_REFUSED, "db_pool_refused_total", counter, "Look-ups refused because the pool was behind") \
    X(DB_POOL_BUILT_BYTES, "db_pool_built_bytes", gauge, \
      "Bytes of answers that the pool made and the loop has not taken yet") \
    X(DB_POOL_JOBS, "db_pool_jobs_total", counter, "Look-ups that workers of the pool have taken") \
    X(DB_POOL_BATCHES, "db_pool_batches_total", counter, "Times that a worker took some: those of a kind go together") \
    X(DB_UP, "db_up", gauge, "1 while the last use of the database succeeded") \
    X(DB_WRITABLE, "db_writable", gauge, \
      "0 from when the database refused a write that was right until it takes one; 1 else") \
    X(DB_ADDRESS, "db_address", gauge, "Place in db_addresses of the server in use, from 1; 0: none yet") \
    X(DB_FAILOVERS, "db_failovers_total", counter, "Times another server of db_addresses was gone to") \
    X(DB_CONNECTS, "db_connects_total", counter, "Connections made to the database") \
    X(DB_POOL_UNPROVED, "db_pool_unproved_total", counter, \
      "Look-ups held back until a reconciliation had proved that a new connection leads to the same database") \
    X(DB_ERRORS, "db_errors_total", counter, "Failed statements") \
    X(DB_ODD_ROWS, "db_odd_rows_total", counter, \
      "Values of the database that no value can be, such as a name that is too long: shortened or left out") \
    X(JOINS, "joins_total", counter, "createChatroom calls that went to the database") \
    X(JOIN_BATCHES, "join_batches_total", counter, "Batches in which they went there") \
    X(NAME_CACHE_HITS, "name_cache_hits_total", counter, "Names of rooms and users answered from memory") \
    X(NAME_CACHE_MISSES, "name_cache_misses_total", counter, "Names of rooms and users that memory did not have") \
    X(REDIS_UP, "redis_up", gauge, "1 while Redis answers; with several servers, while all do") \
    X(REDIS_SERVERS_UP, "redis_servers_up", gauge, "Redis servers that answer") \
    X(REDIS_CONNECTS, "redis_connects_total", counter, "Connections made to Redis") \
    X(REDIS_COMMANDS_PAID, "redis_commands_paid", gauge, "Commands of clients on their way to Redis") \
    X(REDIS_COMMANDS_REFUSED, "redis_commands_refused_total", counter, \
      "What clients asked of Redis while they had too much on its way") \
    X(REDIS_MOVES, "redis_moves_total", counter, "Times the sentinels named another Redis than before") \
    X(REQUESTS_WAITING, "requests_waiting", gauge, "REST requests that wait for their address's share of the threads") \
    X(REQUESTS_CROWDED_OUT, "requests_crowded_out_total", counter, \
      "REST requests told to come again because too many waited, and of their address most") \
    X(TOKEN_KEYS, "token_keys", gauge, "Keys of the application's tokens that are known") \
    X(TOKEN_KEYS_FAILED, "token_keys_failed_total", counter, \
      "Times that these keys could not be read or fetched, so that those of before stayed") \
    X(TOKENS_REFUSED, "tokens_refused_total", counter, "Tokens that were missing or not believed") \
    X(PASSWORDS_WAITING, "passwords_waiting", gauge, "Logins that wait for a thread that hashes passwords") \
    X(PASSWORDS_HASHED, "passwords_hashed_total", counter, "Passwords hashed or checked") \
    X(PASSWORDS_REFUSED, "passwords_refused_total", counter, "Logins told to come again because too many waited") \
    X(THUMBNAILS_MADE, "thumbnails_made_total", counter, "Thumbnails made") \
    X(THUMBNAILS_NONE, "thumbnails_none_total", counter, "Pictures that could not be decoded, or were too large") \
    X(THUMBNAILS_KILLED, "thumbnails_killed_total", counter, \
      "Processes of thumbnails that took too long, or ended without a word") \
    X(THUMBNAILS_REFUSED, "thumbnails_refused_total", counter, "Thumbnails refused because too many waited") \
    X(THUMBNAILS_RUNNING, "thumbnails_running", gauge, "Thumbnails that are being made now") \
    X(THUMBNAILS_EVICTED, "thumbnails_evicted_total", counter, "Thumbnails removed to make room for newer ones") \
    X(PRESENCE_SKIPPED, "presence_skipped_total", counter, \
      "REST calls that went on without presence because Redis was down") \
    X(PUBLISHED, "bus_published_total", counter, "Batches published") \
    X(PUBLISH_SKIPPED, "bus_publish_skipped_total", counter, \
      "Batches not published because Redis was down; others find them by reconciliation") \
    X(BUS_RECEIVED, "bus_received_total", counter, "Batches received from other relays") \
    X(BUS_MALFORMED, "bus_malformed_total", counter, "Bus messages that could not be read") \
    X(BUS_OTHER_EPOCH, "bus_other_epoch_total", counter, "Batches of another epoch, left to the reconciliation") \
    X(EPOCHS, "epochs_total", counter, "Times the epoch was raised while this relay ran") \
    X(ROOMS_AHEAD, "rooms_ahead", gauge, \
      "Rooms of which the database lost messages, while no new epoch could be begun: chaguan epoch raise") \
    X(PRESENCE_REAPED, "presence_reaped_total", counter, "Users removed after their relay's lease ran out") \
    X(IO_SOCKETS, "io_sockets", gauge, "Socket.IO sockets: one for each client and namespace") \
    X(IO_CONNECTED, "io_connected_total", counter, "Socket.IO sockets connected anew") \
    X(IO_RECOVERED, "io_recovered_total", counter, "Socket.IO sockets that came back and missed nothing") \
    X(IO_CONNECTS_REFUSED, "io_connects_refused_total", counter, "CONNECTs answered with CONNECT_ERROR") \
    X(IO_EVENTS, "io_events_total", counter, "Socket.IO events and acknowledgements received") \
    X(IO_PACKETS_REFUSED, "io_packets_refused_total", counter, \
      "Socket.IO packets that broke the protocol and ended their connection") \
    X(IO_UNSHOWN, "io_unshown_total", counter, "Socket.IO events that could not be encoded and were not shown") \
    X(EIO_CONNECTIONS, "eio_connections", gauge, "Engine.IO connections, polling and WebSocket") \
    X(EIO_OPENED, "eio_connections_opened_total", counter, "Engine.IO connections opened") \
    X(EIO_CLOSED, "eio_connections_closed_total", counter, "Engine.IO connections that are over") \
    X(EIO_REFUSED, "eio_refused_total", counter, "Engine.IO requests answered with the protocol's error") \
    X(EIO_POLLS, "eio_polls_total", counter, "Engine.IO polls received") \
    X(EIO_POSTS, "eio_posts_total", counter, "Engine.IO posts received") \
    X(EIO_UPGRADES, "eio_upgrades_total", counter, "Engine.IO connections that went from polling to WebSocket") \
    X(DEMO_CLIENTS, "demo_clients", gauge, "Clients of the demonstrations /clock, /echo and /ws there now") \
    X(DEMO_REFUSED, "demo_refused_total", counter, "Clients of a demonstration refused because it had enough") \
    X(NATIVE_CAUGHT_UP, "native_caught_up_total", counter, \
      "Missed events given to clients of the native protocol that came back") \
    X(NATIVE_RESETS, "native_resets_total", counter, \
      "Cursors of the native protocol that were none here, or too far behind") \
    X(RECONCILIATIONS, "reconciliations_total", counter, "Comparisons of the rooms in use with the database") \
    X(ROOMS_FORGOTTEN, "rooms_forgotten_total", counter, \
      "Rooms whose recent events were dropped because something that was stored is gone") \
    X(RECONCILE_FOUND, "reconcile_found_total", counter, "Rooms that a reconciliation found behind the database") \
    X(FEED_PASSED, "feed_passed_total", counter, "Rows of the feed that consumers have taken for good") \
    X(FEED_AGAIN, "feed_again_total", counter, \
      "Rows of the feed that a consumer was given and is given again, because the database did not hear of it") \
    X(FEED_REMOVED, "feed_removed_total", counter, "Rows of the feed removed because all consumers had passed them") \
    X(LIFE_REMOVED, "life_removed_total", counter, "Messages removed because they had been kept long enough") \
    X(FEED_LEASES_LOST, "feed_leases_lost_total", counter, \
      "Times another worker had taken over what this one was doing") \
    X(FEED_MISSING, "feed_missing_total", counter, \
      "Rows of the feed that were not there: always 0, or somebody removed them by hand") \
    X(FEED_FULL, "feed_full", gauge, \
      "Writers of this process that leave out the feed because it has feed_rows_max rows") \
    X(FEED_LEFT_OUT, "feed_left_out_total", counter, "Messages stored without a row of the feed, because it was full") \
    X(FEED_GAPS, "feed_gaps_total", counter, \
      "Gaps of the feed that consumers came to: messages after them have no row") \
    X(FEED_UNORDERED, "feed_unordered_total", counter, \
      "Rows of the feed whose conversation's order could not be kept: always 0, or something is wrong") \
    X(SEARCH_DOCUMENTS, "search_documents", gauge, \
      "Messages in the index of this machine, if this worker continues it") \
    X(SEARCH_BYTES, "search_bytes", gauge, "Bytes of its files") \
    X(SEARCH_BUILDING, "search_building", gauge, "1 while messages of before it was made are being added to it") \
    X(SEARCH_INDEXED, "search_indexed_total", counter, "Messages added to the index, some again") \
    X(SEARCH_DROPPED, "search_dropped_total", counter, "Messages that the index forgot, because they are gone") \
    X(SEARCH_BUILDS, "search_builds_total", counter, "Times that an index was begun from the database") \
    X(SEARCH_FULL, "search_full_total", counter, "Messages left out of the index because it was too big") \
    X(SEARCH_CUT, "search_cut_total", counter, "Searches answered in part because search_timeout_ms was over") \
    X(SEARCH_BUSY, "search_busy_total", counter, "Searches refused because too many were under way")

enum metric {
#define X(id, name, type, help) METRIC_##id,
    METRIC_ROWS(X)
#undef X
        METRIC_COUNT
};

void metric_add(enum metric metric, int64_t amount);
void metric_set(enum metric metric, int64_t value);
int64_t metric_get(enum metric metric);

static inline void metric_inc(enum metric metric)
{
    metric_add(metric, 1);
}

/* Appends every row as Prometheus text. */
void metrics_print(struct buf *out);

#endif
