/* The load generator's own judgement: whatever goes wrong with a message is found, and nothing else is. */
#include "tests/unit/check.h"

#include "bench/load/answer.h"
#include "bench/load/check.h"
#include "bench/load/client.h"
#include "bench/load/protocol.h"
#include "bench/load/hist.h"
#include "bench/load/stamp.h"
#include "bench/load/ws.h"

enum { CONTENT = 80, CLIENTS = 4, ROOMS = 2 };

static struct options options = {.clients = CLIENTS, .rooms = ROOMS, .bytes = CONTENT, .label = "test"};
static struct client *client; /* of room 1; does not speak */
static struct bytes wire;     /* what the server sent to it */

/* Two rooms of two, everybody in. */
static int begin(void **state)
{
    (void)state;
    memset(&world, 0, sizeof world);
    world_init(&options, &chatroom_protocol);
    for (unsigned i = 0; i < CLIENTS; i++)
        world.clients[i].state = CLIENT_OPEN;
    client = &world.clients[3];
    return 0;
}

static int end(void **state)
{
    (void)state;
    bytes_free(&wire);
    world_free();
    return 0;
}

static void add_event(struct bytes *out, uint32_t run, unsigned room, uint32_t number, unsigned seq)
{
    char content[CONTENT];
    struct stamp stamp = {run, room, number, 1};
    stamp_write(content, sizeof content, &stamp);
    bytes_addf(out,
               "{\"type\":\"message\",\"data\":{\"log_user_name\":\"x\",\"log_content\":\"%.*s\","
               "\"log_time\":\"2000-01-01 00:00:00\",\"seq\":%u,\"ts\":1}}",
               CONTENT, content, seq);
}

/* A frame as servers send them: without a mask. */
static void add_frame(unsigned first, struct bytes *payload)
{
    const unsigned char head[] = {(unsigned char)first, 126, (unsigned char)(payload->len >> 8),
                                  (unsigned char)payload->len};
    bytes_add(&wire, head, sizeof head);
    bytes_add(&wire, payload->data, payload->len);
    bytes_free(payload);
}

static void server_says(uint32_t number, unsigned seq)
{
    struct bytes payload = {0};
    bytes_add(&payload, "[", 1);
    add_event(&payload, world.run, client->room, number, seq);
    bytes_add(&payload, "]", 1);
    add_frame(0x81, &payload);
}

static void client_reads(void)
{
    size_t used = ws_parse(client, (struct text){wire.data, wire.len});
    assert_int_equal(used, wire.len);
}

/* Faults of this kind and no others. */
static void faults_are(enum fault fault, unsigned count)
{
    assert_int_equal(world.faults[fault], count);
    assert_int_equal(world_faults(), count);
}

static void test_messages_in_order_are_fine(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        server_says(i, 10 + i);
    world.rooms[1].sent = 3;
    client_reads();
    faults_are(FAULT_SEQ, 0);
    assert_int_equal(world.tally.delivered, 3);
    assert_int_equal(world_lost(), 3); /* the speaker's */
    assert_int_equal(world_expected(), 6);
}

static void test_frames_may_come_in_any_pieces(void **state)
{
    (void)state;
    size_t at = 0;
    for (unsigned i = 0; i < 3; i++)
        server_says(i, 10 + i);
    for (size_t len = 1; len <= wire.len; len++)
        at += ws_parse(client, (struct text){wire.data + at, len - at});
    assert_int_equal(at, wire.len);
    assert_int_equal(world.tally.delivered, 3);
    faults_are(FAULT_SEQ, 0);
}

static void test_several_messages_in_a_frame_are_each_counted(void **state)
{
    (void)state;
    struct bytes payload = {0};
    for (unsigned i = 0; i < 5; i++) {
        bytes_add(&payload, i ? "," : "[", 1);
        add_event(&payload, world.run, 1, i, 10 + i);
    }
    bytes_add(&payload, "]", 1);
    add_frame(0x81, &payload);
    client_reads();
    assert_int_equal(world.tally.delivered, 5);
    assert_int_equal(client->seq, 14);
    faults_are(FAULT_SEQ, 0);
}

static void test_a_repeated_message_is_found(void **state)
{
    (void)state;
    server_says(0, 1);
    server_says(1, 2);
    server_says(1, 3);
    client_reads();
    faults_are(FAULT_REPEATED, 1);
}

static void test_a_missing_message_is_lost(void **state)
{
    (void)state;
    server_says(0, 1);
    server_says(2, 2);
    world.rooms[1].sent = 4;
    world.clients[1].next = 4; /* the speaker has them all */
    client_reads();
    faults_are(FAULT_SEQ, 0);
    assert_int_equal(world_lost(), 2); /* 1, and 3 at the end */
}

static void test_messages_out_of_order_are_found_and_not_lost(void **state)
{
    (void)state;
    server_says(1, 1);
    server_says(0, 2);
    world.rooms[1].sent = 2;
    world.clients[1].next = 2;
    client_reads();
    faults_are(FAULT_ORDER, 1);
    assert_int_equal(world_lost(), 0);
}

static void test_a_gap_in_the_servers_numbers_is_found(void **state)
{
    (void)state;
    struct bytes line = {0};
    server_says(0, 7);
    bytes_addf(&line, "[{\"type\":\"message\",\"data\":{\"log_user_name\":\"system\",\"seq\":%u}}]", 8);
    add_frame(0x81, &line);
    server_says(1, 9);
    client_reads();
    faults_are(FAULT_SEQ, 0);
    wire.len = 0;
    server_says(2, 11);
    client_reads();
    faults_are(FAULT_SEQ, 1);
}

static void test_another_rooms_message_is_found(void **state)
{
    (void)state;
    struct bytes payload = {0};
    add_event(&payload, world.run, 0, 0, 1);
    add_frame(0x81, &payload);
    client_reads();
    faults_are(FAULT_FOREIGN, 1);
}

static void test_another_runs_message_does_not_count(void **state)
{
    (void)state;
    struct bytes payload = {0};
    add_event(&payload, world.run + 1, 1, 0, 1);
    add_frame(0x81, &payload);
    client_reads();
    faults_are(FAULT_FOREIGN, 0);
    assert_int_equal(world.tally.delivered, 0);
}

static void test_every_changed_byte_of_a_content_is_found(void **state)
{
    (void)state;
    server_says(0, 1);
    const char *content = text_find((struct text){wire.data, wire.len}, "t=");
    size_t from = (size_t)(content - wire.data);
    for (size_t i = from; i < from + CONTENT; i++) {
        char right = wire.data[i];
        if (i >= from + STAMP_LEN - 17 && i < from + STAMP_LEN - 1)
            continue; /* when it was due may be any time */
        client->next = 0;
        client->seq = client->missing = 0;
        world.tally.delivered = 0;
        memset(world.faults, 0, sizeof world.faults);
        wire.data[i] = '!';
        client_reads();
        wire.data[i] = right;
        /* without its mark it is no message, and so it is lost */
        assert_true(world_faults() == 1 || i < from + 2);
        assert_int_equal(world.tally.delivered, 0);
    }
}

static void test_frames_that_no_server_may_send_end_the_connection(void **state)
{
    (void)state;
    static const unsigned char wrong[][2] = {{0x81, 0x81}, {0xc1, 0x01}, {0x01, 0x00}, {0x80, 0x00}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        client->state = CLIENT_OPEN;
        world.open = 1;
        ws_parse(client, (struct text){(const char *)wrong[i], 2});
        assert_int_equal(client->state, CLIENT_CLOSED);
        faults_are(FAULT_PROTOCOL, (unsigned)i + 1);
    }
}

static void test_a_close_of_the_servers_is_a_fault(void **state)
{
    (void)state;
    world.open = 1;
    ws_parse(client, (struct text){"\x88\x02\x03\xe8", 4});
    faults_are(FAULT_CLOSED, 1);
    assert_int_equal(client->state, CLIENT_CLOSED);
}

/* Reads it back without the mask. */
static void test_frames_of_any_length_are_written_as_the_protocol_says(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 125, 126, 65535, 65536, 100000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct bytes out = {0};
        struct ws_frame frame = {0};
        bytes_room(&out, WS_HEAD_MAX);
        size_t start = out.len += WS_HEAD_MAX;
        memset(bytes_room(&out, lengths[i]), 'x', lengths[i]);
        out.len += lengths[i];
        ws_frame_finish(&out, start, WS_TEXT);
        assert_int_equal(out.data[1] & 0x80, 0x80);
        out.data[1] &= 0x7f; /* as if it came from a server; the mask then counts as payload */
        size_t head = out.len - lengths[i];
        assert_int_equal(head, lengths[i] < 126 ? 6 : lengths[i] < 65536 ? 8 : 14);
        assert_int_equal(ws_frame_read((struct text){out.data, out.len}, &frame), out.len - 4);
        assert_int_equal(frame.payload.len, lengths[i]);
        assert_memory_equal(out.data + head - 4, "\0\0\0\0", 4);
        bytes_free(&out);
    }
}

static void test_stamps_come_back_as_they_were(void **state)
{
    (void)state;
    static const struct stamp stamps[] = {
        {0, 0, 0, 0},
        {0x12345678, 0x9abcdef0, 7, 0x123456789abcdef0},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        char text[STAMP_LEN];
        struct stamp back;
        stamp_write(text, sizeof text, &stamps[i]);
        assert_true(stamp_read(text, &back));
        assert_int_equal(back.run, stamps[i].run);
        assert_int_equal(back.room, stamps[i].room);
        assert_int_equal(back.number, stamps[i].number);
        assert_int_equal(back.due_ns, stamps[i].due_ns);
    }
}

static void test_percentiles_are_at_most_a_hundredth_off(void **state)
{
    (void)state;
    static struct hist hist;
    for (uint64_t ns = 1; ns < UINT64_C(1) << 41; ns += ns / 50 + 1) {
        memset(&hist, 0, sizeof hist);
        hist_add(&hist, ns);
        hist_add(&hist, UINT64_C(1) << 41);
        uint64_t got = hist_percentile(&hist, 0);
        assert_true(got >= ns && got - ns <= ns / 100);
    }
    memset(&hist, 0, sizeof hist);
    for (uint64_t ns = 1; ns <= 1000; ns++)
        hist_add(&hist, ns * 1000);
    assert_in_range(hist_percentile(&hist, 0.5), 500000, 506000);
    assert_in_range(hist_percentile(&hist, 0.99), 990000, 1000000);
    assert_int_equal(hist_percentile(&hist, 1), 1000000);
}

static void answer_is(const char *bytes, unsigned status, const char *body)
{
    struct answer answer;
    size_t len = strlen(bytes);
    for (size_t part = 0; part < len; part++)
        assert_int_equal(answer_read((struct text){bytes, part}, &answer), 0);
    assert_int_equal(answer_read((struct text){bytes, len}, &answer), len);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.body.len, strlen(body));
    assert_memory_equal(answer.body.ptr, body, answer.body.len);
}

static void test_http_answers_are_read_whole_or_not_at_all(void **state)
{
    (void)state;
    answer_is("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
    answer_is("HTTP/1.1 503 Down\r\ncontent-length:2\r\nConnection: close\r\n\r\nno", 503, "no");
    answer_is("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 200, "hello");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_messages_in_order_are_fine),
        TEST(test_frames_may_come_in_any_pieces),
        TEST(test_several_messages_in_a_frame_are_each_counted),
        TEST(test_a_repeated_message_is_found),
        TEST(test_a_missing_message_is_lost),
        TEST(test_messages_out_of_order_are_found_and_not_lost),
        TEST(test_a_gap_in_the_servers_numbers_is_found),
        TEST(test_another_rooms_message_is_found),
        TEST(test_another_runs_message_does_not_count),
        TEST(test_every_changed_byte_of_a_content_is_found),
        TEST(test_frames_that_no_server_may_send_end_the_connection),
        TEST(test_a_close_of_the_servers_is_a_fault),
        TEST(test_frames_of_any_length_are_written_as_the_protocol_says),
        TEST(test_stamps_come_back_as_they_were),
        TEST(test_percentiles_are_at_most_a_hundredth_off),
        TEST(test_http_answers_are_read_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
