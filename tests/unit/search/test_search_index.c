/* The index: newest first, in some conversations or all, again and again the same, and whatever happens to its file. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/search/search_query.h"
#include "common/search/search_walk.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];
static const int64_t day_ms = 86400000, then_ms = 1700000000000;

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/cg-search-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)!search_index_remove(dir);
    return rmdir(dir);
}

static struct search_index *open_index(bool writes)
{
    struct search_index *index;
    assert_int_equal(search_index_open(dir, writes, &index), ERR_OK);
    return index;
}

static void put(struct search_index *index, uint64_t conversation, uint64_t seq, int64_t at_ms, const char *text)
{
    struct words words = {0};
    struct buf tokens;
    buf_init(&tokens, 1 << 20);
    words_read(&words, str_of(text));
    words_add_tokens(&words, &tokens);
    struct search_entry entry = {conversation, seq, at_ms, buf_str(&tokens)};
    assert_int_equal(search_index_put(index, &entry, 1), ERR_OK);
    buf_fini(&tokens);
    words_fini(&words);
}

static void put_one(struct search_index *index, uint64_t conversation, uint64_t seq, int64_t at_ms, const char *text)
{
    assert_int_equal(search_index_begin(index), ERR_OK);
    put(index, conversation, seq, at_ms, text);
    assert_int_equal(search_index_commit(index), ERR_OK);
}

struct asked {
    const char *query;
    const uint64_t *conversations;
    size_t count, at_once;
};

/* All that is found, in steps: "conversation:seq " each. */
static void finds(struct search_index *index, const struct asked *asked, const char *expected)
{
    struct search_query query;
    struct search_walk walk;
    struct search_hit hits[SEARCH_HITS_MAX];
    enum search_walked walked = SEARCH_SOME;
    struct buf tokens, out;
    buf_init(&tokens, 1 << 16);
    buf_init(&out, 1 << 20);
    assert_int_equal(search_query_read(&query, str_of(asked->query)), ERR_OK);
    search_query_add_tokens(&query, &tokens);
    search_walk_init(&walk, index, buf_str(&tokens), INT64_MAX, clock_mono_ms() + 60000);
    if (asked->conversations)
        search_walk_within(&walk, asked->conversations, asked->count);
    while (walked == SEARCH_SOME) {
        size_t count;
        assert_int_equal(search_walk_next(&walk, hits, asked->at_once ? asked->at_once : 2, &count, &walked), ERR_OK);
        assert_true(count || walked != SEARCH_SOME);
        for (size_t i = 0; i < count; i++)
            buf_addf(&out, "%llu:%llu ", (unsigned long long)hits[i].conversation, (unsigned long long)hits[i].seq);
    }
    assert_int_equal(walked, SEARCH_END);
    assert_str(buf_str(&out), str_of(expected));
    search_walk_fini(&walk);
    search_query_fini(&query);
    buf_fini(&tokens);
    buf_fini(&out);
}

static void all(struct search_index *index, const char *query, const char *expected)
{
    finds(index, &(struct asked){.query = query}, expected);
}

static void the_newest_come_first_whenever_they_were_put(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    all(index, "茶", "");
    put_one(index, 1, 2, then_ms, "去喝茶");
    put_one(index, 2, 1, then_ms + day_ms, "tea, 茶, 茶馆");
    put_one(index, 1, 1, then_ms - day_ms, "好茶 Tea");
    all(index, "茶", "2:1 1:2 1:1 ");
    all(index, "tea", "2:1 1:1 ");
    all(index, "茶馆", "2:1 ");
    all(index, "茶 tea", "2:1 1:1 ");
    all(index, "馆茶", "");
    put_one(index, 1, 2, then_ms, "now of coffee"); /* again, with another text: known by both, in its place */
    all(index, "coffee", "1:2 ");
    all(index, "茶", "2:1 1:2 1:1 ");
    put_one(index, 9, 9, 0, "茶 of long ago");
    all(index, "茶", "2:1 1:2 1:1 9:9 ");
    uint64_t documents;
    assert_int_equal(search_index_number(index, SEARCH_DOCUMENTS, &documents), ERR_OK);
    assert_int_equal(documents, 4);
    search_index_close(index);
}

static void of_one_second_there_may_be_any_number(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    assert_int_equal(search_index_begin(index), ERR_OK);
    for (uint64_t seq = 1; seq <= 10000; seq++)
        put(index, 1, seq, then_ms, "same");
    put(index, 1, 10001, then_ms + 60000, "same");
    assert_int_equal(search_index_commit(index), ERR_OK);
    struct buf expected;
    buf_init(&expected, 1 << 20);
    for (uint64_t seq = 10001; seq; seq--)
        buf_addf(&expected, "1:%llu ", (unsigned long long)seq);
    buf_add_char(&expected, '\0');
    finds(index, &(struct asked){.query = "same", .at_once = 200}, expected.data);
    buf_fini(&expected);
    search_index_close(index);
}

static void only_in_some_conversations_however_many_others_there_are(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    assert_int_equal(search_index_begin(index), ERR_OK);
    for (uint64_t i = 0; i < 6000; i++)
        put(index, 100 + i % 1500, 1 + i / 1500, then_ms + (int64_t)i * 1000, i % 1000 ? "word" : "word rare");
    assert_int_equal(search_index_commit(index), ERR_OK);
    uint64_t few[] = {100, 101}, none[] = {5}, many[1200];
    finds(index, &(struct asked){"word", few, 2, 0}, "101:4 100:4 101:3 100:3 101:2 100:2 101:1 100:1 ");
    finds(index, &(struct asked){"rare", few, 2, 0}, "100:3 100:1 ");
    finds(index, &(struct asked){"word", none, 1, 0}, "");
    finds(index, &(struct asked){"word", none, 0, 0}, "");
    for (uint64_t i = 0; i < 1200; i++)
        many[i] = i < 1199 ? 10000 + i : 20000; /* others', and … */
    many[0] = 150;
    finds(index, &(struct asked){"word", many, 1200, 0}, "150:4 150:3 150:2 150:1 ");
    finds(index, &(struct asked){"word", many, 900, 0}, "150:4 150:3 150:2 150:1 "); /* few enough to ask for */
    for (uint64_t i = 0; i < 1200; i++)
        many[i] = 100 + i;
    struct buf expected; /* most of them: by the words alone */
    buf_init(&expected, 1 << 20);
    for (uint64_t i = 6000; i-- > 0;)
        if (i % 1500 < 1200)
            buf_addf(&expected, "%llu:%llu ", (unsigned long long)(100 + i % 1500), (unsigned long long)(1 + i / 1500));
    buf_add_char(&expected, '\0');
    finds(index, &(struct asked){"word", many, 1200, 7}, expected.data);
    bool more = true;
    while (more)
        assert_int_equal(search_index_tidy(index, &more), ERR_OK);
    finds(index, &(struct asked){"word", many, 1200, 200}, expected.data);
    buf_fini(&expected);
    search_index_close(index);
}

static void a_walk_ends_when_its_time_is_over_and_goes_on_from_there(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    struct search_walk walk;
    struct search_hit hits[2];
    enum search_walked walked;
    size_t count;
    put_one(index, 1, 1, then_ms, "word");
    put_one(index, 1, 2, then_ms + 1000, "word");
    search_walk_init(&walk, index, STR("\"word\""), INT64_MAX, clock_mono_ms());
    assert_int_equal(search_walk_next(&walk, hits, 1, &count, &walked), ERR_OK);
    assert_int_equal(walked, SEARCH_CUT);
    assert_int_equal(count, 0);
    walk.until_ms += 60000;
    assert_int_equal(search_walk_next(&walk, hits, 1, &count, &walked), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].seq, 2);
    uint64_t before = walk.before;
    search_walk_fini(&walk);
    search_walk_init(&walk, index, STR("\"word\""), before, clock_mono_ms() + 60000);
    assert_int_equal(search_walk_next(&walk, hits, 2, &count, &walked), ERR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(hits[0].seq, 1);
    search_walk_fini(&walk);
    search_index_close(index);
}

static void on_any(void *arg, const struct search_hit *hit)
{
    uint64_t *last = arg;
    *last = hit->id;
}

/* Two long lists that never meet: one query, which ends in the middle of them when the time is over. */
static void a_query_of_the_index_ends_when_its_time_is_over(void **state)
{
    (void)state;
    enum { MESSAGES = 40000 };
    struct search_index *index = open_index(true);
    uint64_t last = 0;
    bool is_cut;
    assert_int_equal(search_index_begin(index), ERR_OK);
    for (uint64_t seq = 1; seq <= MESSAGES; seq++)
        put(index, 1, seq, then_ms + (int64_t)seq * 1000, seq == 1 ? "tea coffee" : seq % 2 ? "tea" : "coffee");
    assert_int_equal(search_index_commit(index), ERR_OK);
    struct search_wanted wanted = {STR("\"tea\" AND \"coffee\""), INT64_MAX, 20, clock_mono_ms()};
    assert_int_equal(search_index_find(index, &wanted, on_any, &last, &is_cut), ERR_OK);
    assert_true(is_cut);
    assert_int_equal(last, 0);
    wanted.until_ms += 600000;
    assert_int_equal(search_index_find(index, &wanted, on_any, &last, &is_cut), ERR_OK);
    assert_false(is_cut);
    assert_true(last != 0);
    search_index_close(index);
}

static void on_listed(void *arg, const struct search_hit *hit)
{
    struct search_hit *last = arg;
    assert_true(hit->id > last->id);
    *last = *hit;
}

static void what_is_dropped_is_not_found_and_may_come_again(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    struct search_hit last = {0};
    uint64_t documents;
    for (uint64_t seq = 1; seq <= 3; seq++)
        put_one(index, 7, seq, then_ms, "tea");
    assert_int_equal(search_index_list(index, 0, 2, on_listed, &last), ERR_OK);
    assert_int_equal(last.seq, 2);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(search_index_begin(index), ERR_OK);
        assert_int_equal(search_index_drop(index, last.id), ERR_OK);
        assert_int_equal(search_index_commit(index), ERR_OK);
    }
    finds(index, &(struct asked){.query = "tea"}, "7:3 7:1 ");
    assert_int_equal(search_index_number(index, SEARCH_DOCUMENTS, &documents), ERR_OK);
    assert_int_equal(documents, 2);
    assert_int_equal(search_index_list(index, last.id, 2, on_listed, &last), ERR_OK);
    assert_int_equal(last.seq, 3);
    put_one(index, 7, 2, then_ms, "tea");
    finds(index, &(struct asked){.query = "tea"}, "7:2 7:3 7:1 ");
    search_index_close(index);
}

static void what_was_not_committed_is_not_there(void **state)
{
    (void)state;
    struct search_index *index = open_index(true);
    uint64_t number;
    put_one(index, 1, 1, then_ms, "kept");
    assert_int_equal(search_index_begin(index), ERR_OK);
    put(index, 1, 2, then_ms, "kept");
    assert_int_equal(search_index_pass(index, 7, 5), ERR_OK);
    search_index_rollback(index);
    all(index, "kept", "1:1 ");
    assert_int_equal(search_index_passed(index, 7, &number), ERR_OK);
    assert_int_equal(number, 0);
    assert_int_equal(search_index_pass(index, 7, 5), ERR_OK);
    assert_int_equal(search_index_pass(index, 7, 3), ERR_OK); /* it never gets less */
    assert_int_equal(search_index_passed(index, 7, &number), ERR_OK);
    assert_int_equal(number, 5);
    assert_int_equal(search_index_set(index, SEARCH_EPOCH, 3), ERR_OK);
    assert_int_equal(search_index_number(index, SEARCH_EPOCH, &number), ERR_OK);
    assert_int_equal(number, 3);
    search_index_close(index);
}

/* A writer that is killed in the middle leaves what it had committed, and another one goes on. */
static void a_writer_that_is_killed_leaves_a_whole_index(void **state)
{
    (void)state;
    search_index_close(open_index(true));
    for (int round = 0; round < 5; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (!child) {
            struct search_index *index;
            uint64_t documents = 0;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (search_index_open(dir, true, &index) || search_index_number(index, SEARCH_DOCUMENTS, &documents))
                _exit(1);
            for (uint64_t seq = documents + 1;; seq++) {
                struct search_entry entry = {1, seq, then_ms + (int64_t)seq * 1000, STR(" word")};
                if (search_index_begin(index) || search_index_put(index, &entry, 1) || search_index_commit(index) ||
                    write(pipes[1], &seq, sizeof seq) != sizeof seq)
                    _exit(1);
            }
        }
        uint64_t seq = 0, told = 0;
        for (int i = 0; i < 20; i++)
            assert_int_equal(read(pipes[0], &seq, sizeof seq), sizeof seq);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        struct search_index *index = open_index(false);
        assert_int_equal(search_index_number(index, SEARCH_DOCUMENTS, &told), ERR_OK);
        assert_true(told >= seq);
        struct buf expected;
        buf_init(&expected, 1 << 20);
        for (uint64_t i = told; i; i--)
            buf_addf(&expected, "1:%llu ", (unsigned long long)i);
        buf_add_char(&expected, '\0');
        finds(index, &(struct asked){.query = "word", .at_once = 100}, expected.data);
        buf_fini(&expected);
        search_index_close(index);
        close(pipes[0]);
        close(pipes[1]);
    }
}

static void who_reads_sees_what_is_written_meanwhile_and_that_the_file_is_another(void **state)
{
    (void)state;
    struct search_index *reader, *writer;
    assert_int_equal(search_index_open(dir, false, &reader), ERR_NOT_FOUND);
    writer = open_index(true);
    reader = open_index(false);
    put_one(writer, 1, 1, then_ms, "one");
    all(reader, "one", "1:1 ");
    assert_true(search_index_is_current(reader));
    assert_true(search_index_bytes(writer) > 4096);
    assert_int_equal(search_index_remove(dir), ERR_OK);
    assert_int_equal(search_index_remove(dir), ERR_NOT_FOUND);
    assert_false(search_index_is_current(reader));
    assert_false(search_index_is_current(writer));
    put_one(writer, 1, 2, then_ms, "two"); /* into what nobody sees any more */
    struct search_index *anew = open_index(true);
    put_one(anew, 1, 3, then_ms, "three");
    search_index_close(writer);
    search_index_close(reader);
    put_one(anew, 1, 4, then_ms + 1000, "three");
    reader = open_index(false);
    all(reader, "three", "1:4 1:3 ");
    all(reader, "two", "");
    search_index_close(reader);
    search_index_close(anew);
}

static void a_file_that_is_none_is_said_to_be_broken(void **state)
{
    (void)state;
    char path[128];
    struct search_index *index;
    snprintf(path, sizeof path, "%s/index.db", dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 5000; i++)
        fputs("no index", file);
    fclose(file);
    assert_int_equal(search_index_open(dir, true, &index), ERR_INVALID);
    assert_int_equal(search_index_open(dir, false, &index), ERR_INVALID);
    assert_int_equal(search_index_remove(dir), ERR_OK);
    index = open_index(true);
    search_index_close(index);
    assert_int_equal(truncate(path, 4096), 0); /* its tables are gone */
    assert_int_equal(search_index_remove(dir), ERR_OK);
    assert_int_equal(search_index_open("/proc/none/there", true, &index), ERR_DOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_newest_come_first_whenever_they_were_put, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(of_one_second_there_may_be_any_number, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(only_in_some_conversations_however_many_others_there_are, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_walk_ends_when_its_time_is_over_and_goes_on_from_there, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_query_of_the_index_ends_when_its_time_is_over, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_is_dropped_is_not_found_and_may_come_again, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_was_not_committed_is_not_there, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_writer_that_is_killed_leaves_a_whole_index, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(who_reads_sees_what_is_written_meanwhile_and_that_the_file_is_another, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(a_file_that_is_none_is_said_to_be_broken, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
