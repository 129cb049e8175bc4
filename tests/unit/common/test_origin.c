/* Whose pages may talk to the server. */
#include "tests/unit/check.h"

#include <unistd.h>

#include "common/origin.h"

static enum origin judge(const char *list, const char *origin, const char *host, const char *scheme)
{
    const struct origin_rules rules = {list, "*"}; /* names are another test's */
    return origin_judge(&rules, str_of(origin), str_of(host), str_of(scheme));
}

static void a_page_of_the_same_host_may(void **state)
{
    (void)state;
    assert_int_equal(judge("", "https://chat.example", "chat.example", "https"), ORIGIN_OWN);
    assert_int_equal(judge("", "https://CHAT.example", "chat.EXAMPLE", "https"), ORIGIN_OWN);
    assert_int_equal(judge("", "https://chat.example", "chat.example:443", "https"), ORIGIN_OWN);
    assert_int_equal(judge("", "http://chat.example:80", "chat.example", "http"), ORIGIN_OWN);
    assert_int_equal(judge("", "http://chat.example:7005", "chat.example:7005", "http"), ORIGIN_OWN);
    assert_int_equal(judge("", "http://[2001:db8::1]:7005", "[2001:db8::1]:7005", ""), ORIGIN_OWN);
    assert_int_equal(judge("", "", "chat.example", "https"), ORIGIN_OWN); /* no browser */
}

/* Native clients make up an origin of the host that they call; a proxy in front has TLS, or another port. */
static void the_same_host_may_under_any_scheme_and_port(void **state)
{
    (void)state;
    static const char *const origins[] = {
        "http://chat.example",    "https://chat.example:8443", "ws://chat.example",  "wss://chat.example:443",
        "WS://Chat.Example:7005", "http://chat.example:1",     "app://chat.example", "https://chat.example:"};
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        assert_int_equal(judge("", origins[i], "chat.example:7005", "https"), ORIGIN_LISTED);
        assert_int_equal(judge("", origins[i], "chat.example:7005", "http"), ORIGIN_LISTED);
    }
    assert_int_equal(judge("", "https://chat.example", "chat.example:443", "http"), ORIGIN_LISTED);
    assert_int_equal(judge("", "ws://[2001:db8::1]:7005", "[2001:db8::1]", ""), ORIGIN_LISTED);
    assert_int_equal(judge("", "wss://192.0.2.7", "192.0.2.7:7005", ""), ORIGIN_LISTED);
}

static void what_no_site_has_may(void **state)
{
    (void)state;
    static const char *const origins[] = {"chrome-extension://abcdefg",
                                          "moz-extension://0a-1b",
                                          "weapp://wechat-game-runtime",
                                          "capacitor://localhost",
                                          "ionic://localhost",
                                          "file://",
                                          "file:///",
                                          "FILE://",
                                          "Capacitor://chat"};
    static const char *const others[] = {"file",
                                         "file:",
                                         "ws://",
                                         "wss://evil.example",
                                         "app://localhost",
                                         "chrome-extension.evil.example",
                                         "http://file",
                                         "javascript://chat.example.evil.example",
                                         "data:",
                                         "://",
                                         "",
                                         "filesystem://x",
                                         "myfile://"};
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++)
        assert_int_equal(judge("", origins[i], "chat.example", "https"), ORIGIN_LISTED);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (*others[i])
            assert_int_equal(judge("", others[i], "chat.example", "https"), ORIGIN_FOREIGN);
}

static void any_other_may_not(void **state)
{
    (void)state;
    static const char *const others[] = {
        "https://evil.example",
        "https://chat.example.evil.example",
        "https://evilchat.example",
        "wss://evil.example",
        "ws://evil.example:7005",
        "null",
        "https://",
        "chat.example",
        "https://chat.example/",
        "https://chat.example@evil.example",
        "https://chat.example:80@evil.example",
        "https://chat.example:@evil.example",
        "https://chat.example:80:80",
        "https://chat.example:80, https://evil.example",
        "https://chat.example, https://evil.example",
        "https://evil.example, https://chat.example",
        "https://chat.example:-1",
        "https://chat.example?",
        "https://chat.example ",
        "http://localhost:7005",
        "*",
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (judge("", others[i], "chat.example", "https") != ORIGIN_FOREIGN)
            fail_msg("%s may", others[i]);
    assert_int_equal(judge("", "http://chat.example", "", ""), ORIGIN_FOREIGN); /* a request without a host */
    assert_int_equal(judge("", "http://", "", ""), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "http://a:x", "a:x", ""), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "http://[::1]x", "[::1]", ""), ORIGIN_FOREIGN);
}

/* Nothing that a page can put there ends a line of the log or a string of the answer. */
static void a_refusal_says_whose_page_it_was(void **state)
{
    (void)state;
    struct buf json;
    char said[ORIGIN_TEXT_MAX];
    buf_init(&json, 1024);
    buf_add_text(&json, "{\"code\":4}");
    origin_refuse(ORIGIN_FOREIGN, STR("https://evil.example"), STR("chat.example"), said);
    origin_add_to(&json, ORIGIN_FOREIGN, said);
    assert_bytes(buf_str(&json), "{\"code\":4,\"origin\":\"https://evil.example\"}");
    buf_clear(&json);
    buf_add_text(&json, "{\"a\":1}");
    origin_refuse(ORIGIN_MISNAMED, STR(""), BYTES("x\"},\\\n\0\x7f\xff茶"), said);
    origin_add_to(&json, ORIGIN_MISNAMED, said);
    assert_bytes(buf_str(&json), "{\"a\":1,\"host\":\"x?},????????\"}");
    buf_clear(&json);
    buf_add_text(&json, "Forbidden\n");
    origin_add_to(&json, ORIGIN_FOREIGN, "https://evil.example");
    assert_bytes(buf_str(&json), "Forbidden\n");
    char *long_one = repeat("x", 5000), text[ORIGIN_TEXT_MAX];
    origin_text(str_of(long_one), text);
    assert_int_equal(strlen(text), ORIGIN_TEXT_MAX - 1);
    free(long_one);
    buf_fini(&json);
}

static void what_is_listed_may(void **state)
{
    (void)state;
    const char *list = " https://a.example,https://b.example:8443 , null";
    assert_int_equal(judge(list, "https://a.example", "chat.example", "https"), ORIGIN_LISTED);
    assert_int_equal(judge(list, "https://B.example:8443", "chat.example", "https"), ORIGIN_LISTED);
    assert_int_equal(judge(list, "null", "chat.example", "https"), ORIGIN_LISTED);
    assert_int_equal(judge(list, "https://b.example", "chat.example", "https"), ORIGIN_FOREIGN);
    assert_int_equal(judge(list, "https://a.example.org", "chat.example", "https"), ORIGIN_FOREIGN);
    assert_int_equal(judge(list, "https://a.exampl", "chat.example", "https"), ORIGIN_FOREIGN);
    assert_int_equal(judge("*", "https://anybody.example", "chat.example", "https"), ORIGIN_LISTED);
    assert_int_equal(judge("*", "https://chat.example", "chat.example", "https"), ORIGIN_OWN);
}

static void pages_of_this_machine_may_use_a_server_of_this_machine(void **state)
{
    (void)state;
    static const char *const names[] = {"localhost", "127.0.0.1", "127.1.2.3", "[::1]"};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            char origin[64], host[64];
            snprintf(origin, sizeof origin, "http://%s:5173", names[i]);
            snprintf(host, sizeof host, "%s:7005", names[j]);
            assert_int_equal(judge("", origin, host, "http"), ORIGIN_LISTED);
        }
    assert_int_equal(judge("", "http://localhost:5173", "chat.example", "http"), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "http://evil.example", "localhost:7005", "http"), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "http://127.0.0.1.evil.example", "localhost:7005", "http"), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "http://127.evil", "localhost:7005", "http"), ORIGIN_FOREIGN);
    assert_int_equal(judge("", "null", "localhost:7005", "http"), ORIGIN_FOREIGN);
}

/* A page of evil.example whose name leads to this machine by now says that it is of the same host. */
static void a_server_with_names_is_called_by_no_other(void **state)
{
    (void)state;
    const struct origin_rules rules = {"https://www.example", "chat.example, Talk.example"};
    static const char *const names[] = {"chat.example", "CHAT.example:7005", "talk.example",       "localhost:7005",
                                        "127.0.0.1",    "192.0.2.7:80",      "[2001:db8::1]:7005", ""};
    static const char *const others[] = {"evil.example",
                                         "evil.example:7005",
                                         "chat.example.evil.example",
                                         "1.2.3.4.evil.example",
                                         "127.0.0.1.evil.example",
                                         "chat.example,",
                                         "localhost.evil.example",
                                         "evil.example.",
                                         "local.evil.example",
                                         "evil.example:80@localhost"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(origin_judge(&rules, STR(""), str_of(names[i]), STR("http")), ORIGIN_OWN);
        assert_int_equal(origin_judge(&rules, STR("https://www.example"), str_of(names[i]), STR("http")),
                         ORIGIN_LISTED);
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char origin[128];
        snprintf(origin, sizeof origin, "http://%s", others[i]);
        assert_int_equal(origin_judge(&rules, str_of(origin), str_of(others[i]), STR("http")), ORIGIN_MISNAMED);
        assert_int_equal(origin_judge(&rules, STR(""), str_of(others[i]), STR("")), ORIGIN_MISNAMED); /* its GET */
        assert_int_equal(origin_judge(&rules, STR("https://www.example"), str_of(others[i]), STR("")), ORIGIN_MISNAMED);
    }
}

static void a_local_network_and_tls_need_no_names(void **state)
{
    (void)state;
    const struct origin_rules none = {"", ""};
    static const char *const local[] = {
        "localhost",     "tea",         "tea:7005",       "tea.local",     "chat.tea.internal:80",
        "tea.home.arpa", "a.localhost", "192.0.2.7:7005", "[2001:db8::1]", "chat.localhost."};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        assert_int_equal(origin_judge(&none, STR(""), str_of(local[i]), STR("http")), ORIGIN_OWN);
    char own[256] = "";
    gethostname(own, sizeof own - 1);
    assert_int_equal(origin_judge(&none, STR(""), str_of(own), STR("http")), ORIGIN_OWN);

    /* the browser was shown a certificate */
    assert_int_equal(origin_judge(&none, STR(""), STR("chat.example"), STR("https")), ORIGIN_OWN);
    assert_false(origin_is_refused(origin_judge(&none, STR("https://chat.example"), STR("chat.example"), STR(""))));
    assert_false(
        origin_is_refused(origin_judge(&none, STR("wss://chat.example"), STR("chat.example:443"), STR("http"))));
    /* not for that name */
    assert_int_equal(origin_judge(&none, STR("https://chat.example"), STR("evil.example"), STR("http")),
                     ORIGIN_MISNAMED);
    assert_int_equal(origin_judge(&none, STR("http://chat.example"), STR("chat.example"), STR("http")),
                     ORIGIN_MISNAMED);
    assert_int_equal(origin_judge(&none, STR(""), STR("chat.example"), STR("http")), ORIGIN_MISNAMED);
    assert_int_equal(origin_judge(&(struct origin_rules){"", "*"}, STR(""), STR("chat.example"), STR("")), ORIGIN_OWN);
}

static void pages_for_operators_ask_here(void **state)
{
    (void)state;
    assert_true(origin_asks_here(STR("localhost:7005")) && origin_asks_here(STR("127.0.0.1")) &&
                origin_asks_here(STR("[::1]:80")) && origin_asks_here(STR("")));
    assert_false(origin_asks_here(STR("tea.local")) || origin_asks_here(STR("192.0.2.7")) ||
                 origin_asks_here(STR("127.0.0.1.evil.example")) || origin_asks_here(STR("localhost.evil.example")));
}

static void any_bytes_are_judged(void **state)
{
    (void)state;
    const char *bytes = "http://[:]]:,*\0\xff::";
    for (size_t from = 0; from < 18; from++)
        for (size_t len = 0; from + len <= 18; len++) {
            struct str text = {bytes + from, len};
            origin_judge(&(struct origin_rules){"", "a"}, text, text, text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_of_the_same_host_may),
        cmocka_unit_test(the_same_host_may_under_any_scheme_and_port),
        cmocka_unit_test(what_no_site_has_may),
        cmocka_unit_test(any_other_may_not),
        cmocka_unit_test(a_refusal_says_whose_page_it_was),
        cmocka_unit_test(what_is_listed_may),
        cmocka_unit_test(pages_of_this_machine_may_use_a_server_of_this_machine),
        cmocka_unit_test(a_server_with_names_is_called_by_no_other),
        cmocka_unit_test(a_local_network_and_tls_need_no_names),
        cmocka_unit_test(pages_for_operators_ask_here),
        cmocka_unit_test(any_bytes_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
