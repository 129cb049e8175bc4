/* What a subscription may ask for besides frames: bare bytes, payloads, to be corked. */
#include "hub_listener.h"

/* ---- bytes that are no frames ---- */

static const char *bytes_of(struct client *client)
{
    static char text[100000];
    snprintf(text, sizeof text, "%.*s", (int)client->got.len, client->got.len ? client->got.data : "");
    buf_clear(&client->got);
    return text;
}

static void bare_bytes_go_out_as_they_are(void **state)
{
    (void)state;
    struct client *client = joined_client(7, LINES, 0);
    struct member member = {1, STR("bob"), STR("1")};
    deliver(7, 1);
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "1:m1;2:m2;");
    hub_broadcast_members(&hub, 7, &member, 1);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "members bob");
    hub_send_members(&hub, client->session->id, 7, &member, 1);
    assert_string_equal(bytes_of(client), "members bob");
}

static void a_pulled_subscription_can_take_each_payload(void **state)
{
    (void)state;
    struct client *client = joined_client(7, WRAPPED, 2);
    struct member member = {1, STR("bob"), STR("1")};
    deliver(7, 3);
    hub_broadcast_members(&hub, 7, &member, 1);
    deliver(7, 4);
    hub_flush(&hub);
    assert_str(buf_str(&client->told), STR("3=3:m3|0=members bob|4=4:m4|"));
    hub_send_members(&hub, client->session->id, 7, &member, 1);
    assert_string_equal(bytes_of(client), "<members bob>");
    char *text = repeat("x", 20000);
    buf_clear(&client->told);
    for (uint64_t seq = 5; seq <= 30; seq++) { /* many logs full, in one turn */
        struct message message = message_of(7, seq);
        message.content = str_of(text);
        hub_deliver(&hub, &message);
    }
    free(text);
    hub_flush(&hub);
    buf_add_char(&client->told, '\0');
    char *at = client->told.data;
    for (uint64_t seq = 5; seq <= 30; seq++) {
        char number[24];
        snprintf(number, sizeof number, "%llu=%llu:x", (unsigned long long)seq, (unsigned long long)seq);
        assert_memory_equal(at, number, strlen(number));
        at = strchr(at, '|') + 1;
    }
    assert_int_equal(*at, '\0');
}

/* ---- readers that are corked ---- */

static void a_corked_reader_gets_the_log_when_it_is_uncorked(void **state)
{
    (void)state;
    struct client *client = joined_client(7, LINES, 0), *other = joined_client(7, LINES, 0);
    session_cork(hub_subscription(client->session, 7), true);
    deliver(7, 1);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "");
    assert_string_equal(bytes_of(other), "1:m1;");
    session_send_raw(client->session, STR("older;"));
    assert_string_equal(bytes_of(client), "older;");
    session_cork(hub_subscription(client->session, 7), false);
    assert_string_equal(bytes_of(client), "1:m1;");
    deliver(7, 2);
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "2:m2;");
}

static void nobody_minds_if_a_corked_reader_falls_off_the_log(void **state)
{
    (void)state;
    static const enum encoding_id kinds[] = {LINES, WRAPPED};
    uint64_t seq = 0;
    for (size_t i = 0; i < 2; i++) {
        struct client *client = joined_client(7, kinds[i], seq), *blocked = joined_client(7, kinds[i], seq);
        struct subscription *corked[] = {hub_subscription(client->session, 7), hub_subscription(blocked->session, 7)};
        int64_t closed = metric_get(METRIC_CLOSED_SLOW), spilled = metric_get(METRIC_SPILLED_BYTES);
        char *text = repeat("x", 20000);
        session_cork(corked[0], true);
        session_cork(corked[1], true);
        blocked->session->blocked = true;
        for (int n = 0; n < 6; n++) {
            struct message message = message_of(7, ++seq);
            message.content = str_of(text);
            hub_deliver(&hub, &message);
        }
        free(text);
        hub_flush(&hub);
        assert_int_equal(client->closes + blocked->closes, 0);
        assert_int_equal(client->got.len + blocked->got.len, 0);
        assert_int_equal(client->changed, 0);
        assert_int_equal(metric_get(METRIC_CLOSED_SLOW) - closed, 0);
        assert_int_equal(metric_get(METRIC_SPILLED_BYTES) - spilled, 0);
        for (size_t k = 0; k < 2; k++) {
            assert_false(hub_catch_up(corked[k], false)); /* whoever corked it is told, once */
            assert_true(hub_catch_up(corked[k], false));
            session_cork(corked[k], false);
        }
        blocked->session->blocked = false;
        assert_int_equal(client->got.len + blocked->got.len, 0);
        db.last[7] = seq;
    }
}

/* Also when the last piece is what blocked it, and nothing is left in the outbox. */
static void who_waits_for_a_socket_is_told_that_all_is_out(void **state)
{
    (void)state;
    struct client *client = joined_client(7, LINES, 0);
    session_send_raw(client->session, STR("one"));
    assert_int_equal(client->drained, 1);
    client->answer = SEND_BLOCKED;
    session_send_raw(client->session, STR("two"));
    assert_int_equal(client->session->outbox.len, 0);
    assert_int_equal(client->drained, 1);
    session_send_raw(client->session, STR("three"));
    session_writable(client->session); /* takes it and is blocked again */
    assert_int_equal(client->drained, 1);
    client->answer = SEND_MORE;
    session_writable(client->session);
    assert_int_equal(client->drained, 2);
    assert_string_equal(bytes_of(client), "onetwothree");
}

static void what_somebody_saw_stored_is_fetched(void **state)
{
    (void)state;
    struct client *client = joined_client(7, LINES, 3);
    struct subscription *sub = hub_subscription(client->session, 7);
    assert_int_equal(hub_seq(sub), 3);
    hub_expect(sub, 3);
    go(1000);
    assert_int_equal(job_count, 0);
    db.last[7] = 5;
    hub_expect(sub, 5); /* no relay told of it */
    go(settings.gap_wait_ms);
    job_do();
    hub_flush(&hub);
    assert_string_equal(bytes_of(client), "4:m4;5:m5;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bare_bytes_go_out_as_they_are),
        TEST(a_pulled_subscription_can_take_each_payload),
        TEST(a_corked_reader_gets_the_log_when_it_is_uncorked),
        TEST(nobody_minds_if_a_corked_reader_falls_off_the_log),
        TEST(who_waits_for_a_socket_is_told_that_all_is_out),
        TEST(what_somebody_saw_stored_is_fetched),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
