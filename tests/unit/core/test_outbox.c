/* What waits for one socket: bytes of its own and bytes that many share come out in the order in which they went in, and
 * all memory is given back. */
#include "tests/unit/check.h"

#include "relay/core/outbox.h"

#include <stdlib.h>
#include <string.h>

static struct outbox outbox;
static size_t spilled;

static int begin(void **state)
{
    (void)state;
    outbox_init(&outbox, 1000);
    spilled = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    outbox_clear(&outbox);
    assert_int_equal(outbox.len, 0);
    assert_int_equal(outbox.memory, 0);
    assert_int_equal(spilled, 0);
    return 0;
}

static void add(const char *text)
{
    assert_true(outbox_add(&outbox, STR(""), str_of(text), STR("")));
}

/* All of it, in pieces of at most `most`. */
static const char *all(struct outbox *of, size_t most)
{
    static char text[4096];
    size_t len = 0;
    for (struct str bytes; (bytes = outbox_next(of, most)).len;) {
        assert_true(bytes.len <= most && len + bytes.len < sizeof text);
        memcpy(text + len, bytes.ptr, bytes.len);
        len += bytes.len;
        outbox_take(of, bytes.len);
    }
    text[len] = '\0';
    assert_int_equal(of->len, 0);
    assert_int_equal(of->memory, 0);
    return text;
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    assert_int_equal(outbox_next(&outbox, 10).len, 0);
    assert_true(outbox_add(&outbox, STR("a"), STR("tea"), STR("!")));
    add("house");
    assert_string_equal(all(&outbox, 3), "atea!house");
    assert_string_equal(all(&outbox, 3), "");
}

static void what_is_said_together_is_one_piece(void **state)
{
    (void)state;
    for (int i = 0; i < 90; i++)
        add("0123456789");
    assert_int_equal(outbox_next(&outbox, 10000).len, 900);
    outbox_take(&outbox, 850);
    for (int i = 0; i < 20; i++)
        add("0123456789");
    assert_int_equal(outbox_next(&outbox, 10000).len, 250);
}

static void past_its_bound_nothing_is_taken(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text);
    assert_true(outbox_add(&outbox, STR("h"), (struct str){text, 998}, STR("t")));
    assert_false(outbox_add(&outbox, STR(""), STR("x"), STR("")));
    assert_true(outbox_add(&outbox, STR(""), STR(""), STR("")));
    outbox_take(&outbox, 1);
    assert_false(outbox_add(&outbox, STR("x"), STR("x"), STR("")));
    assert_true(outbox_add(&outbox, STR(""), STR("x"), STR("")));
    assert_int_equal(outbox.len, 1000);
}

static void many_share_one_copy(void **state)
{
    (void)state;
    struct outbox readers[50];
    struct outbox_spill *spill = outbox_spill_new(STR("012"), STR("3456789"), 50, &spilled);
    size_t memory = 0;
    for (size_t i = 0; i < 50; i++) {
        outbox_init(&readers[i], 100);
        assert_true(outbox_add(&readers[i], STR(""), STR("<"), STR("")));
        outbox_add_spill(&readers[i], spill, i % 10);
        assert_true(outbox_add(&readers[i], STR(""), STR(">"), STR("")));
        assert_int_equal(readers[i].len, 12 - i % 10);
    }
    outbox_spill_release(spill);
    assert_int_equal(spilled, 10);
    for (size_t i = 0; i < 49; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, "<%s>", "0123456789" + i % 10);
        memory += readers[i].memory;
        assert_string_equal(all(&readers[i], 1 + i), expected);
        assert_int_equal(spilled, 10);
    }
    assert_true(memory > 10); /* what all are charged is no less than what it takes */
    outbox_clear(&readers[49]);
    assert_int_equal(spilled, 0);
}

static void a_spill_that_nobody_took_is_gone(void **state)
{
    (void)state;
    outbox_spill_release(outbox_spill_new(STR(""), STR("tea"), 1, &spilled));
    assert_int_equal(spilled, 0);
}

/* Against one flat text of each reader, in any order of doing things. */
static void any_sequence_is_as_of_one_text(void **state)
{
    (void)state;
    enum { READERS = 4, STEPS = 20000, MAX = 2000 };
    struct outbox readers[READERS];
    static char text[READERS][MAX + 1];
    size_t len[READERS] = {0};
    unsigned seed = 7;
    for (int i = 0; i < READERS; i++)
        outbox_init(&readers[i], MAX);
    for (int step = 0; step < STEPS; step++) {
        char bytes[300];
        size_t count = 1 + (size_t)rand_r(&seed) % (sizeof bytes - 1);
        int who = rand_r(&seed) % READERS;
        for (size_t i = 0; i < count; i++)
            bytes[i] = (char)('a' + rand_r(&seed) % 26);
        switch (rand_r(&seed) % 4) {
        case 0:;
            bool fits = len[who] + count <= MAX;
            assert_int_equal(outbox_add(&readers[who], (struct str){bytes, count / 2}, STR(""),
                                        (struct str){bytes + count / 2, count - count / 2}),
                             fits);
            if (fits) {
                memcpy(text[who] + len[who], bytes, count);
                len[who] += count;
            }
            break;
        case 1:;
            struct outbox_spill *spill = outbox_spill_new(STR(""), (struct str){bytes, count}, READERS, &spilled);
            for (int i = 0; i < READERS; i++) {
                size_t at = (size_t)rand_r(&seed) % count;
                if (len[i] + count - at > MAX)
                    continue;
                outbox_add_spill(&readers[i], spill, at);
                memcpy(text[i] + len[i], bytes + at, count - at);
                len[i] += count - at;
            }
            outbox_spill_release(spill);
            break;
        default:;
            struct str next = outbox_next(&readers[who], count);
            assert_int_equal(!next.len, !len[who]);
            assert_true(next.len <= len[who]);
            assert_memory_equal(next.ptr, text[who], next.len);
            outbox_take(&readers[who], next.len);
            len[who] -= next.len;
            memmove(text[who], text[who] + next.len, len[who]);
        }
        assert_int_equal(readers[who].len, len[who]);
    }
    for (int i = 0; i < READERS; i++)
        outbox_clear(&readers[i]);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        STORY(what_goes_in_comes_out),           STORY(what_is_said_together_is_one_piece),
        STORY(past_its_bound_nothing_is_taken),  STORY(many_share_one_copy),
        STORY(a_spill_that_nobody_took_is_gone), STORY(any_sequence_is_as_of_one_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
