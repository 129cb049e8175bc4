/* Log lines: what comes from outside can neither begin a line nor speak to a terminal, and a long one is cut. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/log.h"

#include <unistd.h>

static char path[] = "/tmp/cg_test_log.XXXXXX";

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    clock_freeze(INT64_C(1700000000123));
    return log_open("test", path, LOG_INFO);
}

static int end(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    memcpy(strrchr(path, '.'), ".XXXXXX", 8);
    clock_freeze(-1);
    return 0;
}

static const char *logged(void)
{
    static char text[100000];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void a_line_says_when_and_what(void **state)
{
    (void)state;
    log_info("conn.open", "conn=%d", 7);
    log_debug("conn.detail", "conn=%d", 7);
    assert_string_equal(logged(), "ts=2023-11-14T22:13:20.123Z level=info program=test event=conn.open conn=7\n");
}

static void what_comes_from_outside_stays_within_its_line(void **state)
{
    (void)state;
    log_info("conn.open", "peer=\"%s\"", "a\nts=1 level=error\r\x1b[2J\x7f\tb");
    const char *text = logged();
    assert_non_null(strstr(text, "peer=\"a?ts=1 level=error??[2J??b\"\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void a_long_line_is_cut_and_still_a_line(void **state)
{
    (void)state;
    char *text = repeat("x", 50000);
    log_info("long", "text=\"%s\"", text);
    log_info("short", "n=%d", 1);
    free(text);
    const char *lines = logged(), *second = strchr(lines, '\n');
    assert_non_null(second);
    assert_true(second - lines < 50000);
    assert_non_null(strstr(second, "event=short n=1\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_says_when_and_what, begin, end),
        cmocka_unit_test_setup_teardown(what_comes_from_outside_stays_within_its_line, begin, end),
        cmocka_unit_test_setup_teardown(a_long_line_is_cut_and_still_a_line, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
