/* What relays tell each other: written and read back, cut short, and made up by somebody hostile. */
#include "tests/unit/check.h"

#include "common/message.h"

enum { HEADER_BYTES = 38, FIXED_BYTES = 33 }; /* of a record: seq, batch, sender, at_ms, kind */

static struct message sample(void)
{
    return (struct message){
        .conversation = 7,
        .seq = 0x0102030405060708,
        .sender = UINT64_MAX,
        .at_ms = 1709251199007,
        .kind = MESSAGE_TEXT,
        .sender_name = BYTES("茶'\"\\"),
        .content = BYTES("line\n</script> 😀"),
        .client_id = BYTES("c-1"),
        .sent_at = BYTES("2024-02-29 23:59:59"),
        .audience = BYTES("r6:红房x20:AAAAAAAAAAAAAAAAAAAA"),
        .extra = BYTES("\"mood\":\"乐\""),
        .author_id = BYTES("顾客"),
        .author_face = BYTES("https://example.org/face"),
    };
}

static void encode(struct buf *out, const struct message *messages, unsigned count)
{
    buf_init(out, 1 << 20);
    wire_add_header(out, &(struct wire_header){.kind = WIRE_MESSAGES,
                                               .sender = 0x1122334455667788,
                                               .epoch = 3,
                                               .conversation = 7,
                                               .user = 9,
                                               .count = count});
    for (unsigned i = 0; i < count; i++)
        wire_add_message(out, &messages[i]);
    assert_false(out->failed);
}

static void the_layout_is_what_the_header_says(void **state)
{
    (void)state;
    struct buf out;
    struct message message = {.conversation = 7,
                              .seq = 2,
                              .batch = 5,
                              .sender = 3,
                              .at_ms = 4,
                              .kind = MESSAGE_JOIN,
                              .sender_name = BYTES("ab"),
                              .content = BYTES("xyz"),
                              .audience = BYTES("r1:a"),
                              .extra = BYTES("\"a\":1"),
                              .author_id = BYTES("u-7"),
                              .author_face = BYTES("/f")};
    encode(&out, &message, 1);
    assert_bytes(buf_str(&out), "CG\x05\x01"
                                "\x88\x77\x66\x55\x44\x33\x22\x11" /* sender */
                                "\x03\0\0\0\0\0\0\0"               /* epoch */
                                "\x07\0\0\0\0\0\0\0"               /* conversation */
                                "\x09\0\0\0\0\0\0\0"               /* user */
                                "\x01\0"                           /* count */
                                "\x02\0\0\0\0\0\0\0"               /* seq */
                                "\x05\0\0\0\0\0\0\0"               /* batch */
                                "\x03\0\0\0\0\0\0\0"               /* sender */
                                "\x04\0\0\0\0\0\0\0"               /* at_ms */
                                "\x02"                             /* kind */
                                "\x02\0"
                                "ab"
                                "\0"
                                "\x04\0"
                                "r1:a"
                                "\x03\0\0\0"
                                "xyz"
                                "\x05\0"
                                "\"a\":1"
                                "\x03"
                                "u-7"
                                "\x02\0"
                                "/f");
    buf_fini(&out);
}

static void what_was_written_is_read(void **state)
{
    (void)state;
    struct message sent[3] = {sample(), sample(), sample()};
    sent[1].kind = MESSAGE_LEAVE;
    sent[1].sender = 0;
    sent[1].sent_at = STR("");
    sent[1].content = STR("");
    sent[1].sender_name = STR("");
    sent[1].audience = STR("");
    struct buf out;
    encode(&out, sent, 3);
    struct str at = buf_str(&out);
    struct wire_header header;
    assert_int_equal(wire_get_header(&at, &header), ERR_OK);
    assert_int_equal(header.kind, WIRE_MESSAGES);
    assert_true(header.sender == 0x1122334455667788);
    assert_int_equal(header.epoch, 3);
    assert_int_equal(header.conversation, 7);
    assert_int_equal(header.user, 9);
    assert_int_equal(header.count, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct message got;
        assert_int_equal(wire_get_message(&at, &header, &got), ERR_OK);
        assert_int_equal(got.conversation, 7);
        assert_true(got.seq == sent[i].seq && got.sender == sent[i].sender);
        assert_int_equal(got.at_ms, sent[i].at_ms);
        assert_int_equal(got.kind, sent[i].kind);
        assert_str(got.sender_name, sent[i].sender_name);
        assert_str(got.content, sent[i].content);
        assert_str(got.sent_at, sent[i].sent_at);
        assert_str(got.audience, sent[i].audience);
        assert_str(got.extra, sent[i].extra);
        assert_str(got.author_id, sent[i].author_id);
        assert_str(got.author_face, sent[i].author_face);
        assert_int_equal(got.client_id.len, 0); /* stays with its sender */
    }
    assert_int_equal(at.len, 0);
    buf_fini(&out);
}

/* A copy of exactly `len` bytes, so that the address sanitizer sees a read past the end. */
static char *cut(const struct buf *whole, size_t len)
{
    char *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    memcpy(copy, whole->data, len);
    return copy;
}

static void every_beginning_is_refused(void **state)
{
    (void)state;
    struct message message = sample();
    struct buf out;
    encode(&out, &message, 1);
    for (size_t len = 0; len < out.len; len++) {
        char *copy = cut(&out, len);
        struct str at = {copy, len};
        struct wire_header header;
        struct message got;
        enum err err = wire_get_header(&at, &header);
        assert_int_equal(err, len < HEADER_BYTES ? ERR_INVALID : ERR_OK);
        if (!err)
            assert_int_equal(wire_get_message(&at, &header, &got), ERR_INVALID);
        free(copy);
    }
    buf_fini(&out);
}

static enum err read_one(const struct buf *out)
{
    char *copy = cut(out, out->len);
    struct str at = {copy, out->len};
    struct wire_header header;
    struct message got;
    enum err err = wire_get_header(&at, &header);
    if (!err)
        err = wire_get_message(&at, &header, &got);
    free(copy);
    return err;
}

static void lengths_past_the_end_are_refused(void **state)
{
    (void)state;
    struct message message = {.seq = 1, .kind = MESSAGE_TEXT, .content = BYTES("x")};
    struct buf out;
    encode(&out, &message, 1);
    size_t name = HEADER_BYTES + FIXED_BYTES, audience = name + 2 + 1, content = audience + 2, extra = content + 4 + 1,
           id = extra + 2, face = id + 1;
    const struct {
        size_t at, bytes;
    } rows[] = {{name, 2}, {name + 2, 1}, {audience, 2}, {content, 4}, {extra, 2}, {id, 1}, {face, 2}};
    assert_int_equal(read_one(&out), ERR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char kept[4];
        memcpy(kept, out.data + rows[i].at, rows[i].bytes);
        memset(out.data + rows[i].at, 0xff, rows[i].bytes); /* up to 2^32 - 1 */
        assert_int_equal(read_one(&out), ERR_INVALID);
        memcpy(out.data + rows[i].at, kept, rows[i].bytes);
    }
    out.data[extra] = 1; /* one more than there is */
    assert_int_equal(read_one(&out), ERR_INVALID);
    buf_fini(&out);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    struct message message = sample();
    struct buf out;
    static const struct {
        size_t at;
        char byte;
    } rows[] = {
        {0, 'X'},
        {1, 'X'},
        {2, 0}, /* version */
        {2, 1}, /* without audiences */
        {2, 2}, /* without batches */
        {2, 3}, /* without extras */
        {2, 4}, /* without authors */
        {2, 6},
        {3, 0}, /* kind of batch */
        {3, 99},
        {HEADER_BYTES + 32, 0}, /* kind of message */
        {HEADER_BYTES + 32, 99},
        {HEADER_BYTES + FIXED_BYTES + 2, (char)0xff}, /* the name is no UTF-8 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        encode(&out, &message, 1);
        assert_int_equal(read_one(&out), ERR_OK);
        out.data[rows[i].at] = rows[i].byte;
        assert_int_equal(read_one(&out), ERR_INVALID);
        buf_fini(&out);
    }
    message.seq = 0; /* not stored */
    encode(&out, &message, 1);
    assert_int_equal(read_one(&out), ERR_INVALID);
    buf_fini(&out);
}

/* Any one byte changed, to any value: it is read or refused, and never past the end. */
static void no_single_byte_does_harm(void **state)
{
    (void)state;
    struct message message = sample();
    struct buf out;
    encode(&out, &message, 1);
    for (size_t at = 0; at < out.len; at++) {
        char kept = out.data[at];
        for (int byte = 0; byte < 256; byte += 5) {
            out.data[at] = (char)byte;
            enum err err = read_one(&out);
            assert_true(err == ERR_OK || err == ERR_INVALID);
        }
        out.data[at] = kept;
    }
    buf_fini(&out);
}

static void a_copy_is_its_own(void **state)
{
    (void)state;
    char name[] = "nick", content[] = "text";
    struct message message = sample();
    message.sender_name = str_of(name);
    message.content = str_of(content);
    struct message *copy = message_dup(&message);
    memset(name, 'x', 4);
    memset(content, 'x', 4);
    assert_bytes(copy->sender_name, "nick");
    assert_bytes(copy->content, "text");
    assert_bytes(copy->client_id, "c-1");
    assert_bytes(copy->sent_at, "2024-02-29 23:59:59");
    assert_bytes(copy->audience, "r6:红房x20:AAAAAAAAAAAAAAAAAAAA");
    assert_bytes(copy->extra, "\"mood\":\"乐\"");
    assert_true(copy->seq == message.seq);
    assert_int_equal(message_size(copy), sizeof *copy + 4 + 4 + 3 + 19 + 33 + 12 + 6 + 24);
    free(copy);

    struct message empty = {.seq = 1};
    copy = message_dup(&empty);
    assert_int_equal(copy->content.len, 0);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layout_is_what_the_header_says),
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(every_beginning_is_refused),
        cmocka_unit_test(lengths_past_the_end_are_refused),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(no_single_byte_does_harm),
        cmocka_unit_test(a_copy_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
