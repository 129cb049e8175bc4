/* What a message says besides its content: written, found again, and told from the rest of a friend's frame. */
#include "tests/unit/check.h"

#include "common/about.h"

static void it_is_told_from_a_friends_frame(void **state)
{
    (void)state;
    static const uint64_t users[] = {7, UINT64_MAX};
    static const struct {
        struct about about;
        const char *members, *without;
    } rows[] = {
        {{.meta = BYTES("")}, "", ""},
        {{.meta = BYTES("{\"a\":[1]}")}, "\"meta\":{\"a\":[1]}", "\"meta\":{\"a\":[1]}"},
        {{.meta = BYTES(""), .reply_to = 9}, "\"reply_to\":9", "\"reply_to\":9"},
        {{.meta = BYTES(""), .mentions = users, .mention_count = 1}, "\"mentions\":[7]", ""},
        {{.meta = BYTES("{\"mentions\":[1]}"), .reply_to = 9, .mentions = users, .mention_count = 2},
         "\"meta\":{\"mentions\":[1]},\"reply_to\":9,\"mentions\":[7,18446744073709551615]",
         "\"meta\":{\"mentions\":[1]},\"reply_to\":9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf extra;
        buf_init(&extra, ABOUT_MAX + 1);
        about_add(&extra, &rows[i].about);
        assert_false(extra.failed);
        struct message message = {.extra = buf_str(&extra)};
        assert_str(message_about(&message), str_of(rows[i].members));
        assert_str(about_without_mentions(message_about(&message)), str_of(rows[i].without));
        assert_int_equal(message_frame(&message).len, 0);
        buf_fini(&extra);
    }
    struct message frame = {.extra = STR("\"meta\":1")};
    assert_int_equal(message_about(&frame).len, 0);
    assert_str(message_frame(&frame), STR("\"meta\":1"));
}

static void the_longest_fits(void **state)
{
    (void)state;
    static char meta[MESSAGE_META_MAX];
    static uint64_t users[ABOUT_MENTIONS_MAX];
    struct buf extra;
    memset(meta, 'x', sizeof meta);
    for (size_t i = 0; i < ABOUT_MENTIONS_MAX; i++)
        users[i] = UINT64_MAX;
    buf_init(&extra, ABOUT_MAX + 1);
    about_add(&extra, &(struct about){{meta, sizeof meta}, UINT64_MAX, users, ABOUT_MENTIONS_MAX});
    assert_false(extra.failed);
    buf_fini(&extra);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told_from_a_friends_frame),
        cmocka_unit_test(the_longest_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
