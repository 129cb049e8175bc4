/* Settings: every way to give one, every way to get it wrong, and that what is printed reads back. */
#include "tests/unit/check.h"

#include "common/service/config.h"
#include "common/settings_renamed.h"

#include <unistd.h>

static char path[] = "/tmp/chaguan-test-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    clearenv(); /* whatever CHAGUAN_… the caller has */
    int fd = mkstemp(path);
    return fd < 0 || close(fd) ? -1 : 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum err load(struct settings *settings, const char *file, const char *set, char why[256])
{
    char *sets[] = {(char *)(uintptr_t)set};
    memset(why, 0, 256);
    return config_load(settings, file, sets, set ? 1 : 0, why);
}

/* One --set, that must be refused with exactly this line. */
static void refused(const char *set, enum err expected, const char *line)
{
    struct settings settings;
    char why[256];
    assert_int_equal(load(&settings, NULL, set, why), expected);
    assert_string_equal(why, line);
}

static int64_t max_body(const char *set)
{
    struct settings settings;
    char why[256];
    if (load(&settings, NULL, set, why))
        return -1;
    int64_t value = settings.max_body_bytes;
    settings_fini(&settings);
    return value;
}

static void defaults_hold_without_a_file(void **state)
{
    (void)state;
    struct settings settings;
    char why[256];
    assert_int_equal(load(&settings, NULL, NULL, why), ERR_OK);
    assert_string_equal(settings.db_name, "chaguan");
    assert_int_equal(settings.rest_threads, 16);
    assert_int_equal(settings.max_body_bytes, 65536);
    assert_int_equal(settings.admit_ms, 60000);
    assert_string_equal(settings.rest_socket, "./rest.sock");
    assert_string_equal(settings.pid_file, ""); /* an empty path stays empty */
    settings_fini(&settings);
    assert_null(settings.db_name);
}

static void addresses_of_redis_are_checked_at_once(void **state)
{
    (void)state;
    struct settings settings;
    char why[256];
    assert_int_equal(load(&settings, NULL, "redis_addresses=nowhere", why), ERR_INVALID);
    assert_non_null(strstr(why, "redis_addresses"));
    assert_int_equal(load(&settings, NULL, "redis_sentinels=/a.sock", why), ERR_INVALID);
    assert_int_equal(load(&settings, NULL, "redis_addresses=a:1,[::1]:2", why), ERR_OK);
    settings_fini(&settings);
}

static void numbers_take_the_units_of_their_kind(void **state)
{
    (void)state;
    assert_int_equal(max_body("max_body_bytes=4096"), 4096);
    assert_int_equal(max_body("max_body_bytes=4k"), 4096);
    assert_int_equal(max_body("max_body_bytes=1m"), 1 << 20);
    assert_int_equal(max_body("max_body_bytes = 4096 "), 4096);
    struct settings settings;
    char why[256];
    assert_int_equal(load(&settings, NULL, "admit_ms=2min", why), ERR_OK);
    assert_int_equal(settings.admit_ms, 120000);
    settings_fini(&settings);
    assert_int_equal(load(&settings, NULL, "admit_ms=1500ms", why), ERR_OK);
    assert_int_equal(settings.admit_ms, 1500);
    settings_fini(&settings);
    assert_int_equal(load(&settings, NULL, "admit_ms=1h", why), ERR_OK);
    assert_int_equal(settings.admit_ms, 3600000);
    settings_fini(&settings);
}

static void bad_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "4K",
                                      "4kb",
                                      "4 k",
                                      "4s",
                                      "0x10",
                                      "255",
                                      "65m",
                                      "1g",
                                      "k",
                                      "1e3",
                                      "1,0",
                                      "99999999999999999999",
                                      "9223372036854775807k"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char set[64];
        snprintf(set, sizeof set, "max_body_bytes=%s", bad[i]);
        if (max_body(set) != -1)
            fail_msg("taken: %s", set);
    }
    assert_int_equal(max_body("max_body_bytes=256"), 256); /* the least and the most are taken */
    assert_int_equal(max_body("max_body_bytes=64m"), 64 << 20);
}

static void a_refusal_names_the_setting_and_its_rule(void **state)
{
    (void)state;
    refused("rest_treads=4", ERR_NOT_FOUND, "--set: there is no setting 'rest_treads'");
    refused("rest_threads=0", ERR_INVALID, "--set: rest_threads takes a number from 1 to 256");
    refused("max_body_bytes=1", ERR_INVALID,
            "--set: max_body_bytes takes a number from 256 to 67108864 (bytes, or with k, m, g)");
    refused("admit_ms=1", ERR_INVALID,
            "--set: admit_ms takes a number from 1000 to 3600000 (milliseconds, or with ms, s, "
            "min, h)");
    refused("log_level=loud", ERR_INVALID, "--set: log_level is one of debug, info, warn, error");
    refused("db_name=", ERR_INVALID, "--set: db_name takes 1 to 64 bytes of text");
    refused("rest_threads", ERR_INVALID, "--set takes name=value");
    refused("=4", ERR_NOT_FOUND, "--set: there is no setting ''");
    refused("REST_THREADS=4", ERR_NOT_FOUND, "--set: there is no setting 'REST_THREADS'");
}

static void an_endless_name_does_not_overflow_the_line(void **state)
{
    (void)state;
    struct settings settings;
    char why[256], *name = repeat("n", 5000);
    char *set = repeat("n", 5002);
    snprintf(set, 5003, "%s=1", name);
    assert_int_equal(load(&settings, NULL, set, why), ERR_NOT_FOUND);
    assert_true(strlen(why) < 255);
    free(name);
    free(set);
}

static void a_file_has_comments_and_blanks(void **state)
{
    (void)state;
    struct settings settings;
    char why[256];
    write_file("# a comment\n\n   # another\r\n"
               "db_name = tea house \r\n"
               "\tdb_user=me\n"
               "db_password = a=b#c \n"
               "rest_threads=3"); /* no newline at the end */
    assert_int_equal(load(&settings, path, NULL, why), ERR_OK);
    assert_string_equal(settings.db_name, "tea house");
    assert_string_equal(settings.db_user, "me");
    assert_string_equal(settings.db_password, "a=b#c");
    assert_int_equal(settings.rest_threads, 3);
    settings_fini(&settings);
}

static void a_bad_line_is_named(void **state)
{
    (void)state;
    struct settings settings;
    char why[256], want[256];
    write_file("db_name = a\n\nnonsense\n");
    assert_int_equal(load(&settings, path, NULL, why), ERR_INVALID);
    snprintf(want, sizeof want, "%s line 3: expected name = value", path);
    assert_string_equal(why, want);

    write_file("db_nam = a\n");
    assert_int_equal(load(&settings, path, NULL, why), ERR_NOT_FOUND);
    snprintf(want, sizeof want, "%s line 1: there is no setting 'db_nam'", path);
    assert_string_equal(why, want);

    assert_int_equal(load(&settings, "/nonexistent/file", NULL, why), ERR_NOT_FOUND);
    assert_string_equal(why, "cannot read the configuration file /nonexistent/file");
}

static void the_nearer_source_wins(void **state)
{
    (void)state;
    struct settings settings;
    char why[256];
    write_file("rest_threads = 3\ndb_name = file\ndb_user = file\n");
    setenv("CHAGUAN_REST_THREADS", "4", 1);
    setenv("CHAGUAN_DB_NAME", "environment", 1);
    assert_int_equal(load(&settings, path, "rest_threads=5", why), ERR_OK);
    assert_int_equal(settings.rest_threads, 5);
    assert_string_equal(settings.db_name, "environment");
    assert_string_equal(settings.db_user, "file");
    settings_fini(&settings);

    char *sets[] = {"rest_threads=6", "rest_threads=7"};
    assert_int_equal(config_load(&settings, path, sets, 2, why), ERR_OK);
    assert_int_equal(settings.rest_threads, 7); /* the later of two */
    settings_fini(&settings);

    setenv("CHAGUAN_REST_THREADS", "many", 1);
    assert_int_equal(load(&settings, path, NULL, why), ERR_INVALID);
    assert_string_equal(why, "environment: rest_threads takes a number from 1 to 256");
    unsetenv("CHAGUAN_REST_THREADS");
    unsetenv("CHAGUAN_DB_NAME");
}

static void relative_paths_lie_below_run(void **state)
{
    (void)state;
    struct settings settings;
    char why[256];
    char *sets[] = {"run=/var/tea", "pid_file=rest.pid", "log_file=/var/log/tea.log", "db_socket="};
    assert_int_equal(config_load(&settings, NULL, sets, 4, why), ERR_OK);
    assert_string_equal(settings.rest_socket, "/var/tea/rest.sock");
    assert_string_equal(settings.pid_file, "/var/tea/rest.pid");
    assert_string_equal(settings.log_file, "/var/log/tea.log");
    assert_string_equal(settings.db_socket, "");
    settings_fini(&settings);
}

static void rules_may_concern_two_settings(void **state)
{
    (void)state;
    struct settings settings;
    char why[256], *deep = repeat("/deep", 30), set[200];
    snprintf(set, sizeof set, "run=%s", deep);
    assert_int_equal(load(&settings, NULL, set, why), ERR_TOO_BIG);
    assert_string_equal(why, "a Unix socket's path is longer than 107 bytes: choose a shorter 'run'");
    free(deep);
    assert_int_equal(load(&settings, NULL, "max_message_bytes=1m", why), ERR_INVALID);
    assert_non_null(strstr(why, "room_log_bytes must be at least"));
    assert_int_equal(load(&settings, NULL, "outbox_bytes=64k", why), ERR_INVALID);
    assert_non_null(strstr(why, "outbox_bytes must hold"));
}

/* Printed, loaded from what was printed, and printed again. */
static void assert_reads_back(char *const *sets, int count, enum program program)
{
    struct settings first, second;
    struct buf printed, again;
    char why[256];
    buf_init(&printed, 1 << 20);
    buf_init(&again, 1 << 20);
    assert_int_equal(config_load(&first, NULL, sets, count, why), ERR_OK);
    settings_print(&first, program, &printed);
    buf_add_char(&printed, '\0');
    assert_false(printed.failed);
    assert_null(strstr(printed.data, "open sesame"));
    write_file(printed.data);
    assert_int_equal(load(&second, path, NULL, why), ERR_OK);
    settings_print(&second, program, &again);
    buf_add_char(&again, '\0');
    assert_string_equal(again.data, printed.data);
    assert_string_equal(second.pid_file, first.pid_file);
    assert_string_equal(second.log_file, first.log_file);
    assert_string_equal(second.redis_socket, first.redis_socket);
    settings_fini(&first);
    settings_fini(&second);
    buf_fini(&printed);
    buf_fini(&again);
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    static const enum program programs[] = {PROGRAM_RELAY, PROGRAM_REST, PROGRAM_ADMIN};
    static char *const runs[] = {"run=/var/tea", "run=.", "run=tea", "run=/"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++) {
            char *sets[] = {
                runs[j],
                "db_name=other",
                "max_body_bytes=1m",
                "admit_ms=90s",
                "rest_backlog=99",
                "log_level=debug",
                "name=relay9",
                "lease_ms=7s",
                "sql_dir=/tmp/sql",
                "pid_file=/a.pid",
                "db_password=open sesame",
                "log_file=a.log",
                "redis_socket=",
                "db_socket=./db.sock",
            };
            assert_reads_back(sets, sizeof sets / sizeof sets[0], programs[i]);
        }
        assert_reads_back(NULL, 0, programs[i]);
    }
}

static void a_program_prints_only_what_it_uses(void **state)
{
    (void)state;
    struct settings settings;
    struct buf out;
    char why[256];
    assert_int_equal(load(&settings, NULL, NULL, why), ERR_OK);
    buf_init(&out, 1 << 20);
    settings_print(&settings, PROGRAM_REST, &out);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "\nrest_threads = 16\n"));
    assert_non_null(strstr(out.data, "\ndb_name = chaguan\n"));
    assert_null(strstr(out.data, "journal_batch"));
    assert_null(strstr(out.data, "sql_dir"));
    for (char *line = strtok(out.data, "\n"); line; line = strtok(NULL, "\n"))
        if (*line == '#' && !strstr(line, "default: ")) /* a value may be as long as it likes */
            assert_true(strlen(line) <= 100);
    buf_fini(&out);
    settings_fini(&settings);
}

static const struct {
    const char *old, *now;
} renamed[] = {
#define X(old, now) {#old, #now},
    SETTINGS_RENAMED(X)
#undef X
};

struct old_names {
    const char *old, *now;
    int count;
};

static void note_old_name(void *arg, const char *old, const char *now)
{
    struct old_names *seen = arg;
    *seen = (struct old_names){old, now, seen->count + 1};
}

/* What a program would print of its settings, and the last old name that it would warn of. */
static void print_with(const char *name, int64_t value, struct buf *out, struct old_names *seen)
{
    struct settings settings;
    char why[256], set[128];
    snprintf(set, sizeof set, "%s=%lld", name, (long long)value);
    assert_int_equal(load(&settings, NULL, set, why), ERR_OK);
    buf_init(out, 1 << 20);
    settings_print(&settings, PROGRAM_RELAY, out);
    settings_print(&settings, PROGRAM_REST, out);
    *seen = (struct old_names){0};
    settings_each_old_name(&settings, note_old_name, seen);
    settings_fini(&settings);
}

/* A number that the setting takes, and that is no setting's default. */
static int64_t within_bounds(const char *name)
{
    struct settings settings;
    char why[256], set[128];
    snprintf(set, sizeof set, "%s=61", name);
    if (load(&settings, NULL, set, why))
        return 1161;
    settings_fini(&settings);
    return 61;
}

static void an_old_name_is_taken_with_a_warning(void **state)
{
    (void)state;
    struct buf by_default, by_old, by_now;
    struct old_names seen;
    print_with("ping_interval_ms", 25000, &by_default, &seen);
    for (size_t i = 0; i < sizeof renamed / sizeof renamed[0]; i++) {
        int64_t value = within_bounds(renamed[i].now);
        print_with(renamed[i].now, value, &by_now, &seen);
        assert_int_equal(seen.count, 0);
        print_with(renamed[i].old, value, &by_old, &seen);
        assert_int_equal(seen.count, 1);
        assert_string_equal(seen.old, renamed[i].old);
        assert_string_equal(seen.now, renamed[i].now);
        assert_true(str_eq(buf_str(&by_old), buf_str(&by_now)));
        assert_false(str_eq(buf_str(&by_old), buf_str(&by_default)));
        buf_fini(&by_old);
        buf_fini(&by_now);
    }
    buf_fini(&by_default);
}

/* The nearer source wins, by whatever name. A refusal names the setting as it is called now. */
static void old_and_new_name_are_one_setting(void **state)
{
    (void)state;
    struct settings settings;
    char why[256], old_set[128], line[128];
    snprintf(old_set, sizeof old_set, "%s = 700ms", renamed[0].old);
    snprintf(line, sizeof line, "%s = 900ms\n", renamed[0].now);
    write_file(line);
    assert_int_equal(load(&settings, path, old_set, why), ERR_OK);
    assert_int_equal(settings.reconcile_ms, 700);
    settings_fini(&settings);
    snprintf(old_set, sizeof old_set, "%s = x", renamed[0].old);
    assert_int_equal(load(&settings, NULL, old_set, why), ERR_INVALID);
    assert_non_null(strstr(why, renamed[0].now));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_without_a_file),
        cmocka_unit_test(addresses_of_redis_are_checked_at_once),
        cmocka_unit_test(numbers_take_the_units_of_their_kind),
        cmocka_unit_test(bad_numbers_are_refused),
        cmocka_unit_test(a_refusal_names_the_setting_and_its_rule),
        cmocka_unit_test(an_endless_name_does_not_overflow_the_line),
        cmocka_unit_test(a_file_has_comments_and_blanks),
        cmocka_unit_test(a_bad_line_is_named),
        cmocka_unit_test(the_nearer_source_wins),
        cmocka_unit_test(relative_paths_lie_below_run),
        cmocka_unit_test(rules_may_concern_two_settings),
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(an_old_name_is_taken_with_a_warning),
        cmocka_unit_test(old_and_new_name_are_one_setting),
        cmocka_unit_test(a_program_prints_only_what_it_uses),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
