/* What came from a Redis or a sentinel, and what of it makes sense. */
#include "tests/unit/check.h"

#include "common/redis/redis_reply.h"

#include <hiredis/hiredis.h>

static redisReader *reader;
static redisReply *reply;

static const redisReply *read_reply(const char *bytes)
{
    void *read = NULL;
    redis_reply_free(reply);
    assert_int_equal(redisReaderFeed(reader, bytes, strlen(bytes)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &read), REDIS_OK);
    assert_non_null(read);
    return reply = read;
}

static int begin(void **state)
{
    (void)state;
    reader = redisReaderCreate();
    reply = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    redis_reply_free(reply);
    redisReaderFree(reader);
    return 0;
}

static void each_kind_is_itself_and_no_other(void **state)
{
    (void)state;
    const redisReply *number = read_reply(":-7\r\n");
    assert_true(redis_reply_is_number(number) && !redis_reply_is_text(number) && !redis_reply_is_array(number));
    assert_int_equal(redis_reply_number(number), -7);
    assert_int_equal(redis_reply_text(number).len, 0);
    const redisReply *text = read_reply("$3\r\na\r\n\r\n");
    assert_true(redis_reply_is_text(text) && !redis_reply_is_number(text));
    assert_str(redis_reply_text(text), STR("a\r\n"));
    assert_int_equal(redis_reply_number(text), 0);
    const redisReply *array = read_reply("*2\r\n:1\r\n$1\r\nx\r\n");
    assert_true(redis_reply_is_array(array));
    assert_int_equal(redis_reply_count(array), 2);
    assert_int_equal(redis_reply_number(redis_reply_at(array, 0)), 1);
    assert_str(redis_reply_text(redis_reply_at(array, 1)), STR("x"));
    assert_null(redis_reply_at(array, 2));
    assert_null(redis_reply_error(array));
    assert_string_equal(redis_reply_error(read_reply("-ERR no\r\n")), "ERR no");
}

static void none_is_nothing(void **state)
{
    (void)state;
    const redisReply *const nothing[] = {NULL, read_reply("$-1\r\n")};
    for (size_t i = 0; i < 2; i++) {
        assert_false(redis_reply_is_number(nothing[i]) || redis_reply_is_text(nothing[i]) ||
                     redis_reply_is_array(nothing[i]));
        assert_int_equal(redis_reply_count(nothing[i]), 0);
        assert_null(redis_reply_at(nothing[i], 0));
        assert_null(redis_reply_error(nothing[i]));
    }
}

static void a_master_says_so_and_one_that_may_not_say_is_taken_for_one(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        bool master;
    } rows[] = {
        {"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n", true},
        {"*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:1\r\n$9\r\nconnected\r\n:0\r\n", false},
        {"*2\r\n$8\r\nsentinel\r\n*0\r\n", false},
        {"*1\r\n$7\r\nmaster2\r\n", false},
        {"*1\r\n$0\r\n\r\n", false},
        {"-NOPERM this user has no permissions to run the 'role' command\r\n", true},
        {"*0\r\n", true},
        {"*1\r\n:5\r\n", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (redis_reply_is_master(read_reply(rows[i].answer)) != rows[i].master)
            fail_msg("%s", rows[i].answer);
}

static void a_sentinel_names_a_host_and_a_port(void **state)
{
    (void)state;
    struct endpoint at;
    assert_true(redis_reply_place(read_reply("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n"), &at));
    assert_string_equal(at.host, "127.0.0.1");
    assert_int_equal(at.port, 6379);
    assert_true(redis_reply_place(read_reply("*2\r\n$3\r\n::1\r\n$5\r\n65535\r\n"), &at));
    assert_string_equal(at.host, "::1");
    assert_int_equal(at.port, 65535);
}

static void a_sentinel_that_does_not_know_or_talks_nonsense_names_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "*-1\r\n",
        "$-1\r\n",
        "-IDONTKNOW\r\n",
        ":5\r\n",
        "+OK\r\n",
        "*0\r\n",
        "*1\r\n$9\r\n127.0.0.1\r\n",
        "*3\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n:1\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$1\r\n0\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$20\r\n18446744073709557995\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$2\r\n-1\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n6379x\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$5\r\n 6379\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n$0\r\n\r\n",
        "*2\r\n$9\r\n127.0.0.1\r\n:6379\r\n",
        "*2\r\n$0\r\n\r\n$4\r\n6379\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n$-1\r\n$-1\r\n",
        "*2\r\n*1\r\n$1\r\na\r\n$4\r\n6379\r\n",
    };
    struct endpoint at;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (redis_reply_place(read_reply(wrong[i]), &at))
            fail_msg("%s", wrong[i]);
    char host[400];
    snprintf(host, sizeof host, "*2\r\n$256\r\n%0256d\r\n$4\r\n6379\r\n", 0); /* one byte more than a name may have */
    assert_false(redis_reply_place(read_reply(host), &at));
    assert_int_equal(redisReaderFeed(reader, "*2\r\n$3\r\na\0b\r\n$4\r\n6379\r\n", 23), REDIS_OK);
    void *read = NULL;
    assert_int_equal(redisReaderGetReply(reader, &read), REDIS_OK);
    assert_false(redis_reply_place(read, &at));
    freeReplyObject(read);
    assert_false(redis_reply_place(NULL, &at));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_is_itself_and_no_other),
        TEST(none_is_nothing),
        TEST(a_master_says_so_and_one_that_may_not_say_is_taken_for_one),
        TEST(a_sentinel_names_a_host_and_a_port),
        TEST(a_sentinel_that_does_not_know_or_talks_nonsense_names_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
