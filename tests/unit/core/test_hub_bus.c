/* What relays tell each other through the bus, what they take from it, and the reconciliation that finds what the
 * bus has lost. */
#include "hub_fakes.h"

/* ---- publishing what was stored ---- */

static struct store_post posts[3000];
static struct post_id ids[3000];
static size_t post_count;

static void add_post(struct client *from, uint64_t conversation, uint64_t seq, enum err err)
{
    posts[post_count] = (struct store_post){.message = message_of(conversation, seq), .err = err};
    ids[post_count++] = from ? post_of(from->session, 0) : POST_OF_NOBODY;
}

static void store_posts(void)
{
    hub_stored(&hub, posts, ids, post_count);
    post_count = 0;
}

/* What was published as number `at`, as the other relays read it: "conversation: seq seq ". */
static const char *published(size_t at)
{
    static char text[20000];
    assert_true(at < net.published_count);
    struct str payload = buf_str(&net.published[at].payload);
    struct wire_header header;
    assert_int_equal(wire_get_header(&payload, &header), ERR_OK);
    assert_int_equal(header.kind, WIRE_MESSAGES);
    assert_int_equal(header.sender, INCARNATION);
    assert_int_equal(header.epoch, EPOCH);
    assert_int_equal(header.conversation, net.published[at].conversation);
    int len = snprintf(text, sizeof text, "%d:", (int)header.conversation);
    for (unsigned i = 0; i < header.count; i++) {
        struct message message;
        assert_int_equal(wire_get_message(&payload, &header, &message), ERR_OK);
        assert_int_equal(message.conversation, header.conversation);
        assert_str(message.sender_name, STR("bob"));
        len += snprintf(text + len, sizeof text - (size_t)len, " %d", (int)message.seq);
    }
    assert_int_equal(payload.len, 0);
    return text;
}

static void a_batch_is_published_once_per_room(void **state)
{
    (void)state;
    struct client *one = joined_client(1, PLAIN, 0), *two = joined_client(2, PLAIN, 4);
    add_post(two, 2, 6, ERR_OK); /* as the journal was given them, in no order of rooms */
    add_post(one, 1, 1, ERR_OK);
    add_post(two, 2, 5, ERR_OK);
    add_post(one, 1, 2, ERR_OK);
    add_post(NULL, 3, 9, ERR_OK); /* nobody here is in that room; somewhere else perhaps */
    store_posts();
    assert_int_equal(net.published_count, 3);
    assert_string_equal(published(0), "1: 1 2");
    assert_string_equal(published(1), "2: 5 6");
    assert_string_equal(published(2), "3: 9");
    assert_bytes(buf_str(&one->told), "ok 1|ok 2|");
    assert_bytes(buf_str(&two->told), "ok 6|ok 5|");
    hub_flush(&hub);
    assert_string_equal(got(one), "1:m1|2:m2|");
    assert_string_equal(got(two), "5:m5|6:m6|");
}

static void what_was_not_stored_or_stored_before_is_not_published(void **state)
{
    (void)state;
    struct client *client = joined_client(1, PLAIN, 4);
    add_post(client, 1, 5, ERR_DOWN);
    add_post(client, 1, 3, ERR_OK);
    posts[1].repeated = true;
    add_post(client, 1, 6, ERR_UNKNOWN);
    add_post(client, 99, 0, ERR_NOT_FOUND);
    store_posts();
    assert_int_equal(net.published_count, 0);
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    assert_bytes(buf_str(&client->told), "down 5|ok 3 again|unknown 6|not_found 0|");
}

static void who_left_or_is_leaving_hears_no_answer(void **state)
{
    (void)state;
    struct client *gone = joined_client(1, PLAIN, 0), *closing = joined_client(1, PLAIN, 0);
    struct client *other = joined_client(1, PLAIN, 0);
    add_post(gone, 1, 1, ERR_OK);
    add_post(closing, 1, 2, ERR_OK);
    session_close(closing->session, 1000, "bye");
    disconnect_client(gone);
    struct client *next = connect_client(); /* in the very slot of the one that left */
    store_posts();
    assert_int_equal(gone->told.len + closing->told.len + next->told.len, 0);
    assert_string_equal(published(0), "1: 1 2"); /* what they said is said all the same */
    hub_flush(&hub);
    assert_string_equal(got(other), "1:m1|2:m2|");
}

static void a_large_batch_is_published_in_parts(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 2500; seq++)
        add_post(NULL, 1, seq, ERR_OK);
    store_posts();
    assert_int_equal(net.published_count, 3); /* of a thousand */
    assert_true(strncmp(published(1), "1: 1001 1002 ", 13) == 0);
    assert_true(strncmp(published(2), "1: 2001 2002 ", 13) == 0);
    forget_published();
    char *text = repeat("x", 100000);
    for (uint64_t seq = 1; seq <= 7; seq++) {
        add_post(NULL, 1, seq, ERR_OK);
        posts[seq - 1].message.content = str_of(text);
    }
    store_posts();
    assert_int_equal(net.published_count, 3); /* of a quarter of a megabyte, and what crosses it */
    assert_string_equal(published(0), "1: 1 2 3");
    assert_string_equal(published(1), "1: 4 5 6");
    assert_string_equal(published(2), "1: 7");
    free(text);
}

static void a_full_journal_is_told_of_at_once(void **state)
{
    (void)state;
    struct message message = message_of(1, 0);
    net.submit = ERR_BUSY;
    assert_int_equal(hub_post(&hub, (struct post_id){5, 8, NULL}, &message), ERR_BUSY);
    net.submit = ERR_OK;
    assert_int_equal(hub_post(&hub, (struct post_id){5, 8, NULL}, &message), ERR_OK);
    assert_int_equal(net.submitted, 2);
    assert_int_equal(net.submitter.session_id, 5);
    assert_int_equal(net.submitter.number, 8);
}

/* ---- receiving ---- */

static struct buf payload;

static void begin_payload(enum wire_kind kind, uint64_t sender, uint64_t user, unsigned count)
{
    struct wire_header header = {
        .kind = kind, .sender = sender, .epoch = EPOCH, .conversation = 7, .user = user, .count = count};
    buf_fini(&payload);
    buf_init(&payload, 100000);
    wire_add_header(&payload, &header);
}

static void add_message(uint64_t seq)
{
    struct message message = message_of(7, seq);
    wire_add_message(&payload, &message);
}

static int end_payload(void **state)
{
    buf_fini(&payload);
    return end(state);
}

static void messages_of_another_epoch_are_left_to_the_reconciliation(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    int64_t other = metric_get(METRIC_BUS_OTHER_EPOCH);
    hub.epoch = EPOCH + 1; /* the payload's is EPOCH */
    db.epoch = EPOCH + 1;
    begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 1);
    add_message(1);
    hub_received(&hub, buf_str(&payload));
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    assert_int_equal(metric_get(METRIC_BUS_OTHER_EPOCH) - other, 1);
    assert_int_equal(job_count, 1); /* at once, not in its turn */
    job_do();
    assert_int_equal(client->closes, 0); /* it was the other that did not know */
}

/* Nor what clients would see with the numbers of another; what only makes something be looked up anew is heard. */
static void what_is_shown_as_it_is_must_be_of_the_epoch(void **state)
{
    (void)state;
    static const struct {
        enum wire_kind kind;
        bool heard;
    } kinds[] = {{WIRE_RAW, false},     {WIRE_READ, false},   {WIRE_IO, false},
                 {WIRE_PRESENCE, true}, {WIRE_HISTORY, true}, {WIRE_FRIENDS, true}};
    struct client *client = joined_client(7, PLAIN, 0);
    hub.epoch = db.epoch = EPOCH + 1;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        int64_t other = metric_get(METRIC_BUS_OTHER_EPOCH);
        memset(noticed, 0, sizeof noticed);
        begin_payload(kinds[i].kind, INCARNATION + 1, kinds[i].kind == WIRE_RAW ? PLAIN : 9, 0);
        if (kinds[i].kind == WIRE_READ)
            wire_add_mark(&payload, &(struct wire_mark){7, 3});
        hub_received(&hub, buf_str(&payload));
        hub_flush(&hub);
        assert_string_equal(got(client), "");
        uint64_t sum = 0;
        for (size_t k = 0; k < sizeof noticed / sizeof noticed[0]; k++)
            sum += noticed[k];
        assert_int_equal(sum != 0, kinds[i].heard);
        assert_int_equal(metric_get(METRIC_BUS_OTHER_EPOCH) - other, !kinds[i].heard);
        while (job_count)
            job_do();
        buf_fini(&payload);
    }
    buf_init(&payload, 1);
}

static void a_reconciliation_that_had_read_before_it_came_is_made_again(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    hub.epoch = db.epoch = EPOCH - 1;
    hub_reconcile(&hub);
    struct job *reconcile = job_work();
    db.epoch = EPOCH; /* begun by the other relay, which says something */
    begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 1);
    add_message(1);
    hub_received(&hub, buf_str(&payload));
    job_finish(reconcile);
    assert_int_equal(job_count, 1); /* at once, not in its turn */
    job_do();
    assert_int_equal(hub.epoch, EPOCH);
    assert_int_equal(client->code, 1012);
    while (job_count)
        job_do();
}

static void what_another_relay_stored_is_delivered(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    int64_t received = metric_get(METRIC_BUS_RECEIVED);
    begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 2);
    add_message(1);
    add_message(2);
    hub_received(&hub, buf_str(&payload));
    hub_received(&hub, buf_str(&payload)); /* twice makes no difference */
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|2:m2|");
    begin_payload(WIRE_MESSAGES, INCARNATION, 0, 1);
    add_message(3);
    hub_received(&hub, buf_str(&payload)); /* our own: delivered when it was stored */
    hub_flush(&hub);
    assert_string_equal(got(client), "");
    assert_int_equal(metric_get(METRIC_BUS_RECEIVED) - received, 2);
    assert_int_equal(net.published_count, 0); /* and never passed on */
}

/* Cut anywhere: the records that are whole count, the rest is malformed, and nothing past the end is read
 * (each prefix is a block of its own, so that the address sanitizer would see). */
static void every_beginning_of_a_payload_is_harmless(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    for (uint64_t first = 1; first < 250; first += 3) {
        begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 3);
        size_t ends[4] = {payload.len};
        for (uint64_t i = 0; i < 3; i++) {
            add_message(first + i);
            ends[i + 1] = payload.len;
        }
        size_t cut = first == 1 ? 0 : (first * 7) % payload.len;
        do {
            char *copy = malloc(cut ? cut : 1);
            memcpy(copy, payload.data, cut);
            int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
            hub_received(&hub, (struct str){copy, cut});
            assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 1);
            free(copy);
            struct room *room = map_get(&hub.rooms, 7);
            uint64_t whole = cut >= ends[2] ? 2 : cut >= ends[1] ? 1 : 0;
            assert_int_equal(room->seq, first - 1 + whole);
        } while (first == 1 && ++cut < payload.len);
        hub_received(&hub, buf_str(&payload));
        hub_flush(&hub);
        got(client);
    }
}

static void garbage_is_counted_and_harmless(void **state)
{
    (void)state;
    static const struct str rows[] = {
        BYTES(""), BYTES("C"), BYTES("CG"), BYTES("PING"), BYTES("GC\x01\x01"), BYTES("{\"a\":1}"),
    };
    struct client *client = joined_client(7, PLAIN, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        hub_received(&hub, rows[i]);
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 1);
    }
    uint64_t random = 99;
    for (int run = 0; run < 20000; run++) { /* a good one with a few bytes changed */
        begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 2);
        add_message(1);
        add_message(2);
        for (int i = 0; i <= run % 3; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            size_t at = (random >> 33) % payload.len;
            if (at < 28 && at >= 4) /* who said it, of which room: anything is right */
                at = 0;
            payload.data[at] = (char)(random >> 20);
        }
        hub_received(&hub, buf_str(&payload));
        hub_flush(&hub);
        client->got.len = 0;
    }
    assert_int_equal(client->closes + client->kills, 0);
}

/* One such text would make every browser in the room drop its connection. */
static void text_that_is_no_utf_8_reaches_nobody(void **state)
{
    (void)state;
    static const struct str bad[] = {BYTES("\xc0\x80"), BYTES("\xed\xa0\x80"), BYTES("\xff"), BYTES("\xf5\x80\x80\x80"),
                                     BYTES("abc\xe8\x8c")};
    struct client *client = joined_client(7, PLAIN, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        struct message message = message_of(7, 1);
        message.content = bad[i];
        begin_payload(WIRE_MESSAGES, INCARNATION + 1, 0, 1);
        wire_add_message(&payload, &message);
        hub_received(&hub, buf_str(&payload));
        begin_payload(WIRE_RAW, INCARNATION + 1, PLAIN, 0);
        buf_add_str(&payload, bad[i]);
        hub_received(&hub, buf_str(&payload));
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 2);
    }
    hub_flush(&hub);
    assert_string_equal(got(client), "");
}

static void notices_reach_those_above(void **state)
{
    (void)state;
    begin_payload(WIRE_PRESENCE, INCARNATION + 1, 0, 0);
    hub_received(&hub, buf_str(&payload));
    assert_int_equal(noticed[0], 7);
    begin_payload(WIRE_HISTORY, INCARNATION + 1, 9, 0);
    hub_received(&hub, buf_str(&payload));
    assert_int_equal(noticed[1], 7009);
    begin_payload(WIRE_FRIENDS, INCARNATION + 1, 9, 0);
    hub_received(&hub, buf_str(&payload));
    assert_int_equal(noticed[2], 9);
    begin_payload(WIRE_DRAIN, INCARNATION + 1, 0, 0);
    buf_add_text(&payload, "relay1");
    hub_received(&hub, buf_str(&payload));
    assert_int_equal(noticed[5], 1000 * WIRE_DRAIN + 6);
    begin_payload(WIRE_HISTORY, INCARNATION, 9, 0);
    hub_received(&hub, buf_str(&payload)); /* who said it knows */
    assert_int_equal(noticed[1], 7009);
    hub_notify(&hub, WIRE_HISTORY, 7, 9);
    assert_int_equal(net.published_count, 1);
    assert_str(buf_str(&net.published[0].payload), buf_str(&payload));
}

static void how_far_somebody_has_read_reaches_those_above(void **state)
{
    (void)state;
    hub_notify_read(&hub, 9, &(struct wire_mark){7, 3});
    assert_int_equal(net.published[0].conversation, WIRE_INBOX(9));
    struct buf *told = &net.published[0].payload;
    memset(told->data + 4, 1, 8); /* another relay's */
    hub_received(&hub, buf_str(told));
    assert_int_equal(noticed[4], 973);
    int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
    hub_received(&hub, (struct str){told->data, told->len - 1});
    assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 1);
    assert_int_equal(noticed[4], 973);
}

/* ---- events without a number ---- */

static void shown_bytes_reach_the_readers_of_one_kind_everywhere(void **state)
{
    (void)state;
    struct client *one = joined_client(7, PLAIN, 0), *two = joined_client(7, BARE, 0);
    hub_show(&hub, 7, PLAIN, STR("\"茶\""));
    hub_flush(&hub);
    assert_string_equal(got(one), "\"茶\"|");
    assert_string_equal(got(two), "");
    begin_payload(WIRE_RAW, INCARNATION, PLAIN, 0);
    buf_add_str(&payload, STR("\"茶\""));
    assert_str(buf_str(&net.published[0].payload), buf_str(&payload));
    begin_payload(WIRE_RAW, INCARNATION + 1, BARE, 0);
    buf_add_str(&payload, STR("from afar"));
    hub_received(&hub, buf_str(&payload));
    hub_flush(&hub);
    assert_string_equal(got(one), "");
    assert_string_equal(got(two), "from afar|");
    static const uint64_t kinds[] = {ENCODING_COUNT, 1000, UINT64_MAX, UINT64_C(1) << 32};
    for (size_t i = 0; i < 4; i++) {
        int64_t malformed = metric_get(METRIC_BUS_MALFORMED);
        begin_payload(WIRE_RAW, INCARNATION + 1, kinds[i], 0);
        hub_received(&hub, buf_str(&payload));
        assert_int_equal(metric_get(METRIC_BUS_MALFORMED) - malformed, 1);
    }
    hub_show(&hub, 9, PLAIN, STR("nobody is here")); /* but elsewhere perhaps */
    assert_int_equal(net.published_count, 2);
}

static void bytes_too_long_for_the_log_are_not_shown(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 0);
    char *text = repeat("x", (size_t)settings.room_log_bytes / 2 - WSFRAME_HEADER_MAX + 1);
    hub_show(&hub, 7, PLAIN, str_of(text));
    deliver(7, 1);
    hub_flush(&hub);
    assert_string_equal(got(client), "1:m1|");
    text[strlen(text) - 1] = '\0'; /* the longest that fits */
    hub_show(&hub, 7, PLAIN, str_of(text));
    hub_flush(&hub);
    assert_int_equal(strlen(got(client)), strlen(text) + 1);
    free(text);
}

static void the_member_list_goes_to_all_or_to_one(void **state)
{
    (void)state;
    struct client *one = joined_client(7, PLAIN, 0), *two = joined_client(7, PLAIN, 0);
    struct client *three = joined_client(7, BARE, 0);
    struct member members[] = {{1, STR("bob"), STR("1")}, {2, STR("eve"), STR("2")}};
    hub_broadcast_members(&hub, 7, members, 2);
    hub_broadcast_members(&hub, 8, members, 2); /* no such room */
    hub_send_members(&hub, two->session->id, 7, members, 1);
    hub_send_members(&hub, two->session->id, 8, members, 1);
    hub_send_members(&hub, three->session->id, 7, members, 1); /* has no use for it */
    hub_send_members(&hub, 12345, 7, members, 1);
    hub_flush(&hub);
    assert_string_equal(got(one), "members bob eve|");
    assert_string_equal(got(two), "members bob eve|members bob|");
    assert_string_equal(got(three), "");
    assert_string_equal(recent(7, PLAIN), ""); /* no part of the history */
}

/* ---- the reconciliation ---- */

static void a_reconciliation_finds_what_no_relay_told_of(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 3), *other = joined_client(8, PLAIN, 0);
    int64_t found = metric_get(METRIC_RECONCILE_FOUND);
    db.last[7] = 5;
    hub_reconcile(&hub);
    job_do();
    assert_int_equal(metric_get(METRIC_RECONCILE_FOUND) - found, 1);
    go(300);
    job_do();
    hub_flush(&hub);
    assert_string_equal(got(client), "4:m4|5:m5|");
    assert_string_equal(got(other), "");
    assert_int_equal(job_count, 0);
}

static void reconciliations_come_by_themselves_and_when_the_bus_changes(void **state)
{
    (void)state;
    settings.reconcile_ms = 20000;
    go(30000);
    assert_int_equal(job_count, 1);
    job_do();
    assert_int_equal(db.epoch_reads, 1); /* an idle relay watches the database too */
    go(19900);
    assert_int_equal(job_count, 0);
    go(200);
    job_do();
    net.up = false;
    settings.reconcile_down_ms = 1000;
    hub_bus_state(&hub, false);
    for (int i = 0; i < 3; i++) { /* without the bus that is how messages come */
        go(1050);
        assert_int_equal(job_count, 1);
        job_do();
    }
    net.up = true;
    hub_bus_state(&hub, true);
    go(50);
    job_do();
    go(15000);
    assert_int_equal(job_count, 0);
}

static void a_reconciliation_of_rooms_that_went_meanwhile(void **state)
{
    (void)state;
    struct client *client = joined_client(7, PLAIN, 3);
    hub_reconcile(&hub);
    db.last[7] = 9;
    struct job *job = job_work();
    disconnect_client(client);
    struct client *next = connect_client();
    join(next, 7, PLAIN); /* the room is there again, and being read */
    job_finish(job);
    hub_subscribed(&hub, 7);
    job_do();
    assert_int_equal(next->joined, 1);
    go(1000);
    assert_int_equal(job_count, 0);
}

#define RECEIVED(name) cmocka_unit_test_setup_teardown(name, begin, end_payload)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_published_once_per_room),
        TEST(what_was_not_stored_or_stored_before_is_not_published),
        TEST(who_left_or_is_leaving_hears_no_answer),
        TEST(a_large_batch_is_published_in_parts),
        TEST(a_full_journal_is_told_of_at_once),
        RECEIVED(messages_of_another_epoch_are_left_to_the_reconciliation),
        RECEIVED(what_is_shown_as_it_is_must_be_of_the_epoch),
        RECEIVED(a_reconciliation_that_had_read_before_it_came_is_made_again),
        RECEIVED(what_another_relay_stored_is_delivered),
        RECEIVED(every_beginning_of_a_payload_is_harmless),
        RECEIVED(garbage_is_counted_and_harmless),
        RECEIVED(text_that_is_no_utf_8_reaches_nobody),
        RECEIVED(notices_reach_those_above),
        TEST(how_far_somebody_has_read_reaches_those_above),
        RECEIVED(shown_bytes_reach_the_readers_of_one_kind_everywhere),
        TEST(bytes_too_long_for_the_log_are_not_shown),
        TEST(the_member_list_goes_to_all_or_to_one),
        TEST(a_reconciliation_finds_what_no_relay_told_of),
        TEST(reconciliations_come_by_themselves_and_when_the_bus_changes),
        TEST(a_reconciliation_of_rooms_that_went_meanwhile),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
