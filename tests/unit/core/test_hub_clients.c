/* What clients get of a room, and when: fast ones, slow ones, dead ones, silent ones. */
#include "hub_fakes.h"

/* Messages that take about `bytes` of the log each; returns the last number. */
static uint64_t deliver_large(uint64_t conversation, uint64_t first, uint64_t last, size_t bytes)
{
    char *text = repeat("x", bytes);
    for (uint64_t seq = first; seq <= last; seq++) {
        struct message message = message_of(conversation, seq);
        message.content = str_of(text);
        hub_deliver(&hub, &message);
    }
    db.last[conversation] = last;
    free(text);
    return last;
}

/* ---- writes ---- */

static void ten_messages_in_a_turn_are_one_write(void **state)
{
    (void)state;
    struct client *one = joined_client(7, PLAIN, 0), *two = joined_client(7, PLAIN, 0);
    int64_t writes = metric_get(METRIC_WRITES), bytes = metric_get(METRIC_WRITTEN_BYTES);
    for (uint64_t seq = 1; seq <= 9; seq++)
        deliver(7, seq);
    hub_flush(&hub);
    assert_int_equal(one->writes, 1);
    assert_int_equal(two->writes, 1);
    assert_int_equal(metric_get(METRIC_WRITES) - writes, 2);
    assert_int_equal(metric_get(METRIC_WRITTEN_BYTES) - bytes, (int64_t)(2 * one->got.len));
    assert_string_equal(got(one), "1:m1|2:m2|3:m3|4:m4|5:m5|6:m6|7:m7|8:m8|9:m9|");
    assert_int_equal(one->got.len, 0);
}

static void a_long_write_is_cut_where_frames_end(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    settings.send_chunk_bytes = 1000;
    deliver_large(7, 1, 10, 294);   /* frames of 300 bytes: three to a piece */
    deliver_large(7, 11, 11, 5000); /* longer than a piece may be, and still in one */
    hub_flush(&hub);
    assert_int_equal(client->writes, 5);
    assert_in_range(client->longest, 5000, 5010);
    const char *all = got(client);
    assert_int_equal(strlen(all), 9 * 297 + 298 + 5004);
}

static void a_choked_socket_gets_nothing_until_it_is_writable(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    int64_t blocked = metric_get(METRIC_SOCKETS_BLOCKED);
    client->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    deliver(7, 2);
    hub_flush(&hub);
    deliver(7, 3);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|");
    session_writable(client->session); /* takes one more write, and blocks again */
    assert_int_equal(client->writes, 1);
    assert_string_equal(got(client), "2:m2|3:m3|");
    client->answer = SEND_MORE;
    deliver(7, 4);
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    session_writable(client->session);
    assert_string_equal(got(client), "4:m4|");
    deliver(7, 5);
    hub_flush(&hub);
    assert_string_equal(got(client), "5:m5|");
    assert_int_equal(metric_get(METRIC_SOCKETS_BLOCKED) - blocked, 2);
}

static void a_socket_that_chokes_within_a_long_write_goes_on_from_there(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    settings.send_chunk_bytes = 1000;
    client->answer = SEND_BLOCKED;
    deliver_large(7, 1, 10, 294);
    hub_flush(&hub);
    assert_int_equal(client->writes, 1);
    for (int i = 2; i <= 4; i++) {
        session_writable(client->session);
        assert_int_equal(client->writes, i);
    }
    session_writable(client->session);
    assert_int_equal(client->writes, 4);
    assert_int_equal(strlen(got(client)), 9 * 297 + 298);
}

/* ---- too slow ---- */

static void a_reader_that_falls_off_the_log_is_closed_and_no_other(void **state)
{
    (void)state;
    struct client *slow = joined_client(7, PLAIN, 0), *fast = joined_client(7, PLAIN, 0);
    int64_t closed = metric_get(METRIC_CLOSED_SLOW);
    slow->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    uint64_t seq = 1;
    for (int i = 0; i < 10; i++) {
        seq = deliver_large(7, seq + 1, seq + 1, 20000);
        hub_flush(&hub);
    }
    assert_int_equal(slow->closes, 1);
    assert_int_equal(slow->code, 1013);
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 1); /* one client, counted once */
    assert_string_equal(got(slow), "1:m1|");
    assert_int_equal(fast->closes + fast->kills, 0);
    assert_int_equal(strlen(got(fast)), 5 + 8 * 20003 + 2 * 20004);
    session_writable(slow->session); /* too late */
    assert_int_equal(slow->got.len, 0);
    go(1950);
    assert_int_equal(slow->kills, 0);
    go(50); /* it does not answer the close either */
    assert_int_equal(slow->kills, 1);
    disconnect_client(slow);
    deliver(7, seq + 1);
    hub_flush(&hub);
    assert_string_equal(got(fast), "12:m12|");
}

/* However many they are: it is there once, and each gets it from where it stood. */
static void what_many_slow_readers_would_lose_is_set_aside_once(void **state)
{
    (void)state;
    enum { SLOW = 10 };
    struct client *slow[SLOW], *fast = joined_client(7, PLAIN, 0);
    int64_t spilled = metric_get(METRIC_SPILLED_BYTES);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = joined_client(7, PLAIN, 0);
        slow[i]->session->outbox.max = 400000;
        slow[i]->answer = i < SLOW / 2 ? SEND_BLOCKED : SEND_MORE;
    }
    deliver(7, 1);
    hub_flush(&hub);
    deliver_large(7, 2, 3, 20000);
    hub_flush(&hub);
    for (int i = SLOW / 2; i < SLOW; i++)
        slow[i]->answer = SEND_BLOCKED; /* these had more before they stopped */
    deliver_large(7, 4, 11, 20000);
    hub_flush(&hub);
    spilled = metric_get(METRIC_SPILLED_BYTES) - spilled;
    assert_in_range(spilled, 100000, 300000);
    char *all = strdup(got(fast));
    for (int i = 0; i < SLOW; i++) {
        slow[i]->answer = SEND_MORE;
        session_writable(slow[i]->session);
        assert_string_equal(got(slow[i]), all);
    }
    free(all);
    assert_int_equal(sessions.spilled_bytes, 0);
    assert_int_equal(sessions.outbox_bytes, 0);
}

/* Its outbox holds what the log drops; when that is full too, it falls off after all. */
static void what_a_slow_reader_would_lose_is_set_aside(void **state)
{
    (void)state;
    struct client *slow = joined_client(7, PLAIN, 0), *fast = joined_client(7, PLAIN, 0);
    slow->session->outbox.max = 400000;
    slow->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    deliver_large(7, 2, 11, 20000); /* three logs full, in one turn */
    hub_flush(&hub);
    assert_int_equal(slow->closes + slow->kills, 0);
    assert_true(slow->session->outbox.len > 100000);
    assert_int_equal(metric_get(METRIC_OUTBOX_BYTES), (int64_t)slow->session->outbox.memory);
    slow->answer = SEND_MORE;
    session_writable(slow->session);
    assert_int_equal(metric_get(METRIC_OUTBOX_BYTES), 0);
    char *slow_got = strdup(got(slow));
    assert_string_equal(slow_got, got(fast)); /* all, once, in order */
    free(slow_got);
    slow->answer = SEND_BLOCKED;
    deliver_large(7, 12, 40, 20000);
    hub_flush(&hub);
    assert_int_equal(slow->closes + slow->kills, 1);
    assert_int_equal(fast->closes + fast->kills, 0);
}

/* It fell off in the very turn in which it can be written to again. */
static void a_reader_that_comes_back_too_late_is_closed(void **state)
{
    (void)state;
    struct client *slow = joined_client(7, PLAIN, 0);
    int64_t closed = metric_get(METRIC_CLOSED_SLOW);
    slow->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    deliver_large(7, 2, 6, 20000);
    session_writable(slow->session);
    assert_int_equal(slow->code, 1013);
    assert_string_equal(got(slow), "1:m1|");
    hub_flush(&hub);
    assert_int_equal(slow->closes, 1);
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 1);
}

static void answers_wait_in_order_and_before_what_comes_after(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    deliver(7, 1);
    session_send_text(client->session, STR("first")); /* after what the log holds already */
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|first|2:m2|");
    client->answer = SEND_BLOCKED;
    session_send_text(client->session, STR("second"));
    session_send_text(client->session, STR("third"));
    session_send_text(client->session, STR("fourth"));
    deliver(7, 3);
    hub_flush(&hub);
    assert_string_equal(got(client), "second|");
    client->answer = SEND_MORE;
    session_writable(client->session);
    assert_string_equal(got(client), "third|fourth|3:m3|");
    session_writable(client->session);
    assert_string_equal(got(client), "");
}

/* Only that it is cut into pieces distinguishes it: a frame may be half out when the log could go on. */
static void a_long_answer_stays_in_one_piece(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    char *text = repeat("y", 900);
    settings.send_chunk_bytes = 100;
    client->answer = SEND_BLOCKED;
    session_send_text(client->session, str_of(text));
    assert_int_equal(client->got.len, 100);
    deliver(7, 1);
    for (int i = 0; i < 20; i++) {
        session_writable(client->session);
        hub_flush(&hub);
    }
    const char *all = got(client);
    assert_memory_equal(all, text, 900);
    assert_string_equal(all + 900, "|1:m1|");
    free(text);
}

static void too_many_answers_end_the_connection(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    int64_t closed = metric_get(METRIC_CLOSED_SLOW);
    client->answer = SEND_BLOCKED;
    deliver(7, 1);
    hub_flush(&hub);
    char *text = repeat("z", 198); /* frames of 202: four fit into the outbox's 1000 */
    for (int i = 0; i < 8; i++)
        session_send_text(client->session, str_of(text));
    assert_int_equal(client->kills, 1); /* not a close frame, which might stand inside another */
    assert_int_equal(client->closes, 0);
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 1);
    assert_string_equal(got(client), "1:m1|");
    session_writable(client->session);
    assert_int_equal(client->got.len, 0);
    free(text);
}

static void a_dead_socket_is_not_written_to_again(void **state)
{
    (void)state;
    struct client *dead = joined_client(7, PLAIN, 0), *other = joined_client(7, PLAIN, 0);
    int64_t closed = metric_get(METRIC_CLOSED_SLOW);
    dead->answer = SEND_DEAD;
    uint64_t seq = deliver_large(7, 1, 1, 20000);
    hub_flush(&hub);
    for (int i = 0; i < 10; i++) {
        seq = deliver_large(7, seq + 1, seq + 1, 20000);
        session_send_text(dead->session, STR("answer"));
        hub_flush(&hub);
    }
    session_close(dead->session, 1001, "going");
    assert_int_equal(dead->writes, 1);
    assert_int_equal(dead->closes + dead->kills, 0); /* its end is on its way */
    assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 0);
    assert_int_equal(other->closes, 0);
}

/* ---- the budget of all logs ---- */

static void over_budget_rooms_give_back_what_everybody_has_had(void **state)
{
    (void)state;
    struct client *slow = joined_client(1, PLAIN, 0);
    joined_client(1, PLAIN, 0);
    joined_client(2, PLAIN, 0);
    joined_client(3, BARE, 0);
    settings.room_logs_bytes = 1000;
    slow->answer = SEND_BLOCKED;
    deliver_large(1, 1, 1, 10000);
    hub_flush(&hub);
    deliver_large(1, 2, 3, 10000); /* these the slow one has yet to get */
    deliver_large(2, 1, 3, 10000);
    deliver(3, 1);
    assert_true(hub.log_bytes > 60000);
    assert_int_equal(metric_get(METRIC_ROOM_LOG_BYTES), hub.log_bytes);
    for (int i = 0; i < 10; i++)
        hub_flush(&hub); /* one room a turn */
    struct room *one = map_get(&hub.rooms, 1), *two = map_get(&hub.rooms, 2);
    assert_int_equal(frame_log_memory(&room_log_of(two, PLAIN)->frames), 0);
    assert_int_equal(room_log_of(one, PLAIN)->frames.count, 2);
    slow->answer = SEND_MORE;
    session_writable(slow->session);
    assert_int_equal(slow->closes, 0);
    assert_int_equal(strlen(got(slow)), 3 * 10003);
    for (int i = 0; i < 10; i++)
        hub_flush(&hub);
    assert_true(hub.log_bytes <= 1000);
    assert_string_equal(recent(2, PLAIN), "no"); /* from the database, then */
    deliver(1, 4);
    hub_flush(&hub);
    assert_string_equal(got(slow), "4:m4|");
}

static void collect_payload(void *arg, struct str payload)
{
    struct buf *out = arg;
    buf_add_str(out, payload);
    buf_add_char(out, '|');
}

static void what_everybody_has_had_takes_no_more_memory(void **state)
{
    (void)state;
    struct client *with_history = joined_client(7, PLAIN, 0), *without = joined_client(8, LINES, 0);
    struct member member = {1, STR("bob"), STR("1")};
    struct room *seven = map_get(&hub.rooms, 7), *eight = map_get(&hub.rooms, 8);
    size_t members = 0;
    for (uint64_t seq = 1; seq <= 50; seq++) {
        deliver(7, seq);
        deliver(8, seq);
        for (int i = 0; i < 40; i++) {
            hub_broadcast_members(&hub, 7, &member, 1);
            hub_broadcast_members(&hub, 8, &member, 1);
            hub_flush(&hub);
        }
    }
    assert_in_range(SLIST_FIRST(&seven->logs)->frames.cap, 1, 2048);
    assert_in_range(SLIST_FIRST(&eight->logs)->frames.cap, 1, 512);
    assert_int_equal(hub.log_bytes, frame_log_memory(&SLIST_FIRST(&seven->logs)->frames) +
                                        frame_log_memory(&SLIST_FIRST(&eight->logs)->frames));
    for (const char *at = got(with_history); (at = strstr(at, "members bob|")); at++)
        members++;
    assert_int_equal(members, 50 * 40);
    assert_int_equal(without->got.len, 50 * 40 * 11 + 9 * 5 + 41 * 7);
    struct buf told;
    buf_init(&told, 10000);
    assert_true(hub_recent(&hub, 7, PLAIN, collect_payload, &told));
    buf_add_char(&told, '\0');
    assert_non_null(strstr(told.data, "48:m48|49:m49|50:m50|"));
    buf_fini(&told);
}

static void what_somebody_has_not_had_stays(void **state)
{
    (void)state;
    struct client *quick = joined_client(8, LINES, 0), *slow = joined_client(8, LINES, 0);
    slow->answer = SEND_BLOCKED;
    for (uint64_t seq = 1; seq <= 500; seq++) {
        deliver(8, seq);
        hub_flush(&hub);
    }
    slow->answer = SEND_MORE;
    session_writable(slow->session);
    assert_int_equal(slow->closes, 0);
    assert_int_equal(slow->got.len, quick->got.len);
    assert_memory_equal(slow->got.data, quick->got.data, quick->got.len);
}

static void a_log_goes_with_its_last_reader(void **state)
{
    (void)state;
    struct client *one = joined_client(7, PLAIN, 0), *two = joined_client(7, BARE, 0);
    deliver(7, 1);
    hub_flush(&hub);
    size_t both = hub.log_bytes;
    disconnect_client(one);
    assert_true(hub.log_bytes > 0 && hub.log_bytes < both);
    assert_string_equal(recent(7, PLAIN), "no");
    deliver(7, 2);
    hub_flush(&hub);
    struct client *three = connect_client();
    join(three, 7, PLAIN);
    deliver(7, 4);
    deliver(7, 3);
    hub_flush(&hub);
    assert_string_equal(got(three), "3:m3|4:m4|");
    assert_string_equal(got(two), "1|2|4|");
    assert_string_equal(recent(7, PLAIN), "no"); /* it cannot know of 1 and 2 any more */
}

static void leaving_in_the_turn_of_a_message_is_safe(void **state)
{
    (void)state;
    struct client *one = joined_client(7, PLAIN, 0), *two = joined_client(8, PLAIN, 0);
    deliver(7, 1);
    deliver(8, 1);
    disconnect_client(one); /* its room had something to flush */
    hub_flush(&hub);
    assert_string_equal(got(two), "1:m1|");
}

/* ---- readers that put the payloads together themselves ---- */

static void a_pulled_subscription_is_told_once_a_turn_and_sent_nothing(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PULLED, 0);
    deliver(7, 1);
    deliver(7, 2);
    hub_flush(&hub);
    hub_flush(&hub);
    assert_int_equal(client->changed, 1);
    assert_int_equal(client->got.len, 0);
    deliver(7, 3);
    hub_flush(&hub);
    assert_int_equal(client->changed, 2);
    assert_string_equal(recent(7, PULLED), "1:m1|2:m2|3:m3|");
    deliver_large(7, 4, 30, 20000); /* its cursor is not one into bytes it wants */
    hub_flush(&hub);
    assert_int_equal(client->closes, 0);
    session_close(client->session, 1000, "bye");
    deliver(7, 31);
    hub_flush(&hub);
    assert_int_equal(client->changed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ten_messages_in_a_turn_are_one_write),
        TEST(a_long_write_is_cut_where_frames_end),
        TEST(a_choked_socket_gets_nothing_until_it_is_writable),
        TEST(a_socket_that_chokes_within_a_long_write_goes_on_from_there),
        TEST(a_reader_that_falls_off_the_log_is_closed_and_no_other),
        TEST(a_reader_that_comes_back_too_late_is_closed),
        TEST(what_many_slow_readers_would_lose_is_set_aside_once),
        TEST(what_a_slow_reader_would_lose_is_set_aside),
        TEST(answers_wait_in_order_and_before_what_comes_after),
        TEST(a_long_answer_stays_in_one_piece),
        TEST(too_many_answers_end_the_connection),
        TEST(a_dead_socket_is_not_written_to_again),
        TEST(over_budget_rooms_give_back_what_everybody_has_had),
        TEST(what_everybody_has_had_takes_no_more_memory),
        TEST(what_somebody_has_not_had_stays),
        TEST(a_log_goes_with_its_last_reader),
        TEST(leaving_in_the_turn_of_a_message_is_safe),
        TEST(a_pulled_subscription_is_told_once_a_turn_and_sent_nothing),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
