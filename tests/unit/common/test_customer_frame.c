/* What a client of the customer sessions may say, and what it is shown. */
#include "tests/unit/check.h"

#include "common/service/customer_frame.h"
#include "common/service/customer_row.h"
#include "common/json.h"
#include "common/text.h"

#include <time.h>

static const struct store_customer_pair pair = {
    .conversation = 70,
    .app_sid = "app",
    .friend = {11, "f1", "客服", "/media/f.png"},
    .user = {12, "u1", "Bob \"B\"", ""},
};

/* ---- frames ---- */

#define PARTY(account, app) "{\"account\":" account ",\"app_sid\":" app "}"
#define PARTIES             "\"friendInfo\":" PARTY("\"f1\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"")
#define FRAME(rest)         "{" PARTIES "," rest "}"
#define FINE                FRAME("\"chat_content\":\"hello\",\"chat_type\":0")

static enum err read_frame(const char *text, struct customer_frame *frame, struct json_object **object)
{
    enum err err = json_parse_object(str_of(text), object);
    return err ? err : customer_frame_read(*object, "/media/", frame);
}

static void a_frame_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum message_kind kind;
        const char *content;
    } rows[] = {
        {FINE, MESSAGE_TEXT, "hello"},
        {FRAME("\"chat_content\":\" \",\"chat_type\":\"0\""), MESSAGE_TEXT, " "},
        {FRAME("\"chat_content\":\"' OR 1=1--</script>\",\"chat_type\":0"), MESSAGE_TEXT, "' OR 1=1--</script>"},
        {FRAME("\"chat_content\":\"http://x/y.png\",\"chat_type\":1"), MESSAGE_IMAGE, "http://x/y.png"},
        {FRAME("\"chat_content\":\"HTTPS no\",\"chat_type\":0"), MESSAGE_TEXT, "HTTPS no"},
        {FRAME("\"chat_content\":\"https://x/茶.mp4?a=b&c\",\"chat_type\":\"2\""), MESSAGE_VIDEO,
         "https://x/茶.mp4?a=b&c"},
        {FRAME("\"chat_content\":\"/media/y.png\",\"chat_type\":\"1\",\"more\":[1]"), MESSAGE_IMAGE, "/media/y.png"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct customer_frame frame = {.kind = 0};
        struct json_object *object;
        assert_int_equal(read_frame(rows[i].text, &frame, &object), ERR_OK);
        assert_int_equal(frame.kind, rows[i].kind);
        assert_str(frame.content, str_of(rows[i].content));
        assert_true(customer_frame_is_of(&frame, STR("app"), STR("f1"), STR("u1")));
        assert_false(customer_frame_is_of(&frame, STR("app"), STR("u1"), STR("f1")));
        assert_false(customer_frame_is_of(&frame, STR("ap"), STR("f1"), STR("u1")));
        assert_false(customer_frame_is_of(&frame, STR("app"), STR("f1"), STR("u1 ")));
        json_object_put(object);
    }
}

static void accounts_may_be_numbers(void **state)
{
    (void)state;
    struct customer_frame frame = {.kind = 0};
    struct json_object *object;
    assert_int_equal(read_frame("{\"friendInfo\":" PARTY("13800000001", "7") ",\"userInfo\":" PARTY(
                                    "0", "\"7\"") ",\"chat_content\":\"x\",\"chat_type\":0}",
                                &frame, &object),
                     ERR_OK);
    assert_true(customer_frame_is_of(&frame, STR("7"), STR("13800000001"), STR("0")));
    json_object_put(object);
    assert_int_equal(read_frame("{\"friendInfo\":" PARTY("13800000001.0", "7.0") ",\"userInfo\":" PARTY(
                                    "0.0", "\"7\"") ",\"chat_content\":\"x\",\"chat_type\":0.0e0}",
                                &frame, &object),
                     ERR_OK);
    assert_true(customer_frame_is_of(&frame, STR("7"), STR("13800000001"), STR("0")));
    assert_int_equal(frame.kind, MESSAGE_TEXT);
    json_object_put(object);
}

static void an_application_that_is_named_once_is_that_of_both(void **state)
{
    (void)state;
    static const char *const frames[] = {
        "{\"friendInfo\":{\"account\":\"f1\",\"app_sid\":\"app\"},\"userInfo\":{\"account\":\"u1\"}",
        "{\"friendInfo\":{\"account\":\"f1\"},\"userInfo\":{\"account\":\"u1\",\"app_sid\":\"app\"}",
        "{\"friendInfo\":{\"account\":\"f1\",\"app_sid\":\"app\"},\"userInfo\":{\"account\":\"u1\",\"app_sid\":null}",
    };
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        struct customer_frame frame = {.kind = 0};
        struct json_object *object;
        char text[256];
        snprintf(text, sizeof text, "%s,\"chat_content\":\"x\",\"chat_type\":0}", frames[i]);
        assert_int_equal(read_frame(text, &frame, &object), ERR_OK);
        assert_true(customer_frame_is_of(&frame, STR("app"), STR("f1"), STR("u1")));
        json_object_put(object);
    }
}

static void a_frame_that_breaks_a_rule_is_refused(void **state)
{
    (void)state;
#define CONTENT  ",\"chat_content\":\"x\",\"chat_type\":0}"
#define URL(url) FRAME("\"chat_content\":\"" url "\",\"chat_type\":1")
    static const char *const bad[] = {
        "{}",
        "{" PARTIES "}",
        FRAME("\"chat_content\":\"x\""),
        FRAME("\"chat_type\":0"),
        FRAME("\"chat_content\":\"x\",\"chat_type\":3"),
        FRAME("\"chat_content\":\"x\",\"chat_type\":-1"),
        FRAME("\"chat_content\":\"x\",\"chat_type\":0.5"),
        FRAME("\"chat_content\":\"x\",\"chat_type\":\"00\""),
        FRAME("\"chat_content\":\"x\",\"chat_type\":\"\""),
        FRAME("\"chat_content\":\"x\",\"chat_type\":null"),
        FRAME("\"chat_content\":\"x\",\"chat_type\":true"),
        FRAME("\"chat_content\":5,\"chat_type\":0"),
        FRAME("\"chat_content\":\"\",\"chat_type\":0"),
        FRAME("\"chat_content\":\"a\\u0001\",\"chat_type\":0"),
        /* who */
        "{\"friendInfo\":" PARTY("\"f1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":[],\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":\"f1\",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("\"f1\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"other\"") CONTENT,
        "{\"friendInfo\":" PARTY("\"u1\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("\"\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("\" \"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("\"a\\nb\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("1.5", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("-1", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("99999999999999999999", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":" PARTY("{}", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "\"app\"") CONTENT,
        "{\"friendInfo\":{\"account\":\"f1\"},\"userInfo\":{\"account\":\"u1\"}" CONTENT,
        "{\"friendInfo\":{\"account\":\"f1\"},\"userInfo\":" PARTY("\"u1\"", "\"\"") CONTENT,
        "{\"friendInfo\":" PARTY("\"f1\"", "\"app\"") ",\"userInfo\":" PARTY("\"u1\"", "[]") CONTENT,
        /* links */
        URL("x"),
        URL("http://"),
        URL("https://"),
        URL("/media/"),
        URL("/medium/x"),
        URL("//x/y"),
        URL("javascript:alert(1)"),
        URL("JAVASCRIPT:alert(1)//http://"),
        URL("data:text/html,x"),
        URL(" http://x"),
        URL("http://x y"),
        URL("http://x\\\"onerror=1"),
        URL("http://x'y"),
        URL("http://x<y"),
        URL("http://x\\\\y"),
        URL("http://x\\u202ey"),
        URL("http://x\\u3000y"),
        URL("http://x\\ny"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct customer_frame frame = {.kind = 0};
        struct json_object *object = NULL;
        enum err err = read_frame(bad[i], &frame, &object);
        if (err != ERR_INVALID)
            print_error("%s: %s\n", err_name(err), bad[i]);
        assert_int_equal(err, ERR_INVALID);
        json_object_put(object);
    }
}

static void links_and_accounts_are_bounded(void **state)
{
    (void)state;
    struct buf url;
    buf_init(&url, 10000);
    buf_add_text(&url, "http://");
    while (url.len < TEXT_URL_MAX)
        buf_add_char(&url, 'a');
    assert_int_equal(text_check_url(buf_str(&url), "/media/"), ERR_OK);
    buf_add_char(&url, 'a');
    assert_int_equal(text_check_url(buf_str(&url), "/media/"), ERR_TOO_BIG);
    buf_fini(&url);
    assert_int_equal(text_check_url(STR("http://a\xed\xa0\x80"), "/media/"), ERR_INVALID);
    assert_int_equal(text_check_url(BYTES("http://a\0b"), "/media/"), ERR_INVALID);
    assert_int_equal(text_check_url(STR(""), "/media/"), ERR_INVALID);
    char *account = repeat("茶", 22); /* 66 bytes */
    assert_true(store_customer_account_ok((struct str){account, 63}));
    assert_false(store_customer_account_ok((struct str){account, 64})); /* no UTF-8 */
    assert_false(store_customer_account_ok((struct str){account, 66}));
    free(account);
}

/* ---- rows ---- */

static void add_row(struct buf *out, uint64_t sender, const struct store_customer_pair *seen)
{
    struct message message = {.conversation = 70,
                              .seq = 5,
                              .sender = sender,
                              .kind = MESSAGE_VIDEO,
                              .at_ms = 1700000000000,
                              .content = STR("\"</script>\n")};
    customer_add_row(out, &message, seen);
}

#define ROW_OF_USER \
    "{\"id\":5,\"friendphone\":\"f1\",\"friendname\":\"客服\",\"friendavatar\":\"/media/f.png\"," \
    "\"app_sid\":\"app\",\"created_date\":\"2023-11-14 22:13:20\",\"userphone\":\"u1\"," \
    "\"username\":\"Bob " \
    "\\\"B\\\"\",\"useravatar\":\"\",\"content\":\"\\\"</script>\\n\",\"chat_type\":2}"

static void a_row_is_the_same_for_both(void **state)
{
    (void)state;
    struct store_customer_pair other = pair;
    struct buf out;
    other.friend = pair.user;
    other.user = pair.friend;
    buf_init(&out, 10000);
    add_row(&out, 12, &pair);
    assert_bytes(buf_str(&out), ROW_OF_USER);
    buf_clear(&out);
    add_row(&out, 12, &other);
    assert_bytes(buf_str(&out), ROW_OF_USER);
    buf_clear(&out);
    add_row(&out, 11, &pair);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "\"friendphone\":\"u1\""));
    assert_non_null(strstr(out.data, "\"userphone\":\"f1\""));
    buf_fini(&out);
}

static void the_longest_row_is_within_its_bound(void **state)
{
    (void)state;
    struct store_customer_pair longest = pair;
    struct buf out;
    memset(longest.app_sid, '"', CUSTOMER_ACCOUNT_MAX);
    struct store_customer *const both[] = {&longest.friend, &longest.user};
    for (size_t i = 0; i < 2; i++) {
        memset(both[i]->account, '\\', CUSTOMER_ACCOUNT_MAX);
        memset(both[i]->username, '"', STORE_NAME_MAX);
        memset(both[i]->avatar, '"', CUSTOMER_AVATAR_MAX);
    }
    struct message message = {.seq = UINT64_MAX, .sender = 12, .kind = MESSAGE_TEXT};
    buf_init(&out, CUSTOMER_ROW_EXTRA);
    customer_add_row(&out, &message, &longest);
    assert_false(out.failed);
    buf_fini(&out);
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_read),
        cmocka_unit_test(accounts_may_be_numbers),
        cmocka_unit_test(an_application_that_is_named_once_is_that_of_both),
        cmocka_unit_test(a_frame_that_breaks_a_rule_is_refused),
        cmocka_unit_test(links_and_accounts_are_bounded),
        cmocka_unit_test(a_row_is_the_same_for_both),
        cmocka_unit_test(the_longest_row_is_within_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
