/* The router: which route answers, and the rules that hold for all of them. */
#include "rest_fakes.h"

#include "common/store/db_address.h"

#include "common/metrics.h"

#define FINE          BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}")
#define CREATE_FAILED "{\"error\":\"创建失败\"}"

static void both_prefixes_lead_to_the_same_calls(void **state)
{
    (void)state;
    fake.rooms = 3;
    assert_answer("GET", "/mysql/getRoomNums", BYTES(""), 200, "{\"success\":true,\"data\":3}");
    assert_answer("GET", "/api/getRoomNums", BYTES(""), 200, "{\"success\":true,\"data\":3}");
    assert_int_equal(call("POST", "/mysql/createChatroom", FINE), 200);
    assert_int_equal(call("POST", "/api/createChatroom", FINE), 200);
    assert_string_equal(response.type, "application/json; charset=utf-8");
}

static void unknown_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "/mysql",
        "/mysql/",
        "/api/",
        "/getRoomNums",
        "/mysql/getRoomNums//",
        "/mysql//getRoomNums",
        "/mysql//",
        "/mysql/getroomnums",
        "/mysql/getRoomNum",
        "/mysql/getRoomNumss",
        "/mysql/api/getRoomNums",
        "/API/getRoomNums",
        "/mysql/../metrics",
        "/mysql/healthz",
        "/mysql//healthz",
        "//metrics",
        "mysql/getRoomNums",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_answer("GET", paths[i], BYTES(""), 404, "{\"error\":\"not found\",\"code\":\"not_found\"}");
    assert_string_equal(response.allow, "");
    assert_int_equal(fake.entered, 0);
}

static void paths_of_the_server_api_fail_in_its_form(void **state)
{
    (void)state;
    static const char *const paths[] = {"/v1/",      "/v1//",         "/v1/nothing",
                                        "/v1/users", "/v1/users/%zz", "/v1/getRoomNums"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_answer("GET", paths[i], BYTES(""), 404,
                      "{\"error\":{\"code\":\"not_found\",\"message\":\"not found\"}}");
    assert_answer("GET", "/v1", BYTES(""), 404, "{\"error\":\"not found\",\"code\":\"not_found\"}");
}

static void a_slash_at_the_end_of_a_path_means_nothing(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "/mysql/getRoomNums/", BYTES("")), 200);
    assert_int_equal(call("GET", "/api/getRoomNums/", BYTES("")), 200);
    assert_int_equal(call("POST", "/mysql/createChatroom/", FINE), 200);
    assert_answer("GET", "/healthz/", BYTES(""), 200, "{\"live\":true}");
    assert_int_equal(call("GET", "/mysql/createChatroom/", FINE), 405);
    assert_string_equal(response.allow, "POST");
}

static void another_method_is_told_the_right_one(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "post", "POSTS", ""};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        assert_answer(methods[i], "/mysql/createChatroom", FINE, 405,
                      "{\"error\":\"method not allowed\",\"code\":\"method_not_allowed\"}");
        assert_string_equal(response.allow, "POST");
    }
    assert_answer("POST", "/api/getRoomNums", BYTES("{}"), 405,
                  "{\"error\":\"method not allowed\",\"code\":\"method_not_allowed\"}");
    assert_string_equal(response.allow, "GET");
    assert_int_equal(fake.entered, 0);
}

static void head_is_answered_as_get(void **state)
{
    (void)state;
    assert_answer("HEAD", "/healthz", BYTES(""), 200, "{\"live\":true}");
    assert_int_equal(call("HEAD", "/mysql/createChatroom", FINE), 405);
}

static void a_body_is_read_only_where_one_is_wanted(void **state)
{
    (void)state;
    struct sent sent = {.body = FINE};
    ask("GET", "/mysql/getRoomNums", &sent);
    assert_int_equal(response.status, 200);
    ask("GET", "/mysql/createChatroom", &sent);
    assert_int_equal(response.status, 405);
    ask("POST", "/nowhere", &sent);
    assert_int_equal(response.status, 404);
    assert_int_equal(sent.reads, 0);
    ask("POST", "/mysql/createChatroom", &sent);
    assert_true(sent.reads > 0);
}

static void a_body_up_to_the_limit_is_taken(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1000);
    buf_add_str(&body, FINE);
    while (body.len < 256)
        buf_add_char(&body, ' ');
    settings.max_body_bytes = 256;
    assert_int_equal(call("POST", "/mysql/createChatroom", buf_str(&body)), 200);
    buf_add_char(&body, ' ');
    assert_answer("POST", "/mysql/createChatroom", buf_str(&body), 413, CREATE_FAILED);
    assert_int_equal(fake.entered, 1);
    buf_fini(&body);
}

static void each_route_has_its_own_failure(void **state)
{
    (void)state;
    static const char big_body[65537];
    static const struct {
        const char *path;
        struct str body;
    } rows[] = {
        {"/api/createChatroom", BYTES("{\"error\":\"创建失败\"}")},
        {"/api/validateNickIdByRoomId", BYTES("{\"success\":false}")},
        {"/api/getRoomInfo", BYTES("{\"error\":\"查询报错\"}")},
        {"/api/getUserInfo", BYTES("{\"error\":\"查询报错\"}")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sent big = {.body = {big_body, sizeof big_body}};
        struct sent broken = {.body = FINE, .err = ERR_INVALID};
        ask("POST", rows[i].path, &big);
        assert_int_equal(response.status, 413);
        assert_str(buf_str(&response.body), rows[i].body);
        ask("POST", rows[i].path, &broken); /* cut short on the way */
        assert_int_equal(response.status, 400);
        assert_str(buf_str(&response.body), rows[i].body);
    }
    assert_int_equal(fake.entered + fake.memberships + fake.named, 0);
    fake.store = ERR_DOWN;
    assert_answer("GET", "/api/getRoomNums", BYTES(""), 503, "{\"success\":true,\"data\":0}");
}

/* Clients of the article read the body and throw at any status but 200. */
static void under_mysql_the_body_alone_tells_of_a_failure(void **state)
{
    (void)state;
    static const char big_body[65537];
    struct sent big = {.body = {big_body, sizeof big_body}};
    struct sent foreign = {.body = FINE, .origin = STR("https://elsewhere.example"), .host = STR("here.example")};
    assert_answer("POST", "/mysql/createChatroom", BYTES("{}"), 200, CREATE_FAILED);
    assert_answer("POST", "/mysql/createChatroom", BYTES("no JSON"), 200, CREATE_FAILED);
    assert_answer("POST", "/mysql/getRoomInfo", BYTES("{\"roomId\":1}"), 200, "{\"error\":\"查询报错\"}");
    assert_answer("POST", "/mysql/validateNickIdByRoomId", BYTES("[]"), 200, "{\"success\":false}");
    ask("POST", "/mysql/createChatroom", &big);
    assert_int_equal(response.status, 413);
    ask("POST", "/mysql/createChatroom", &foreign);
    assert_int_equal(response.status, 403);
    assert_int_equal(call("GET", "/mysql/createChatroom", BYTES("")), 405);
    fake.store = ERR_DOWN;
    assert_answer("GET", "/mysql/getRoomNums", BYTES(""), 200, "{\"success\":true,\"data\":0}");
    assert_answer("POST", "/mysql/createChatroom", FINE, 200, CREATE_FAILED);
    assert_int_equal(response.retry_after_s, 0);
    assert_answer("POST", "/api/createChatroom", FINE, 503, CREATE_FAILED);
    assert_true(response.retry_after_s > 0);
}

/* ---- the query string ---- */

static void a_query_is_decoded(void **state)
{
    (void)state;
    struct http_query query;
    struct str value;
    assert_int_equal(http_query_parse(&query, STR("name=%e8%8C%b6+a%2Bb&empty=&bare&&a=b=c&name=2")), 0);
    assert_true(http_query(&query, "name", &value));
    assert_bytes(value, "茶 a+b"); /* the first of two */
    assert_true(http_query(&query, "empty", &value));
    assert_bytes(value, "");
    assert_true(http_query(&query, "bare", &value));
    assert_bytes(value, "");
    assert_true(http_query(&query, "a", &value));
    assert_bytes(value, "b=c");
    assert_false(http_query(&query, "nam", &value));
    assert_false(http_query(&query, "", &value));
    assert_int_equal(http_query_parse(&query, STR("")), 0);
    assert_false(http_query(&query, "", &value));
}

static void a_broken_query_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"a=%",   "a=%4",        "a=%4g",    "%zz=1", "a=%00",
                                      "a=%ff", "a=%ed%a0%80", "a=%c0%80", "%=",    "a=\xff"};
    struct http_query query;
    struct str value;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "fine=1&%s", bad[i]);
        if (http_query_parse(&query, str_of(text)) != ERR_INVALID)
            fail_msg("taken: %s", text);
        assert_false(http_query(&query, "fine", &value));
    }
    char *pairs = repeat("a=1&", HTTP_QUERY_PAIRS), *more = repeat("a=1&", HTTP_QUERY_PAIRS + 1);
    char *longest = repeat("a", HTTP_QUERY_BYTES), *longer = repeat("a", HTTP_QUERY_BYTES + 1);
    assert_int_equal(http_query_parse(&query, str_of(pairs)), 0);
    assert_int_equal(http_query_parse(&query, str_of(more)), ERR_TOO_BIG);
    assert_int_equal(http_query_parse(&query, str_of(longest)), 0);
    assert_int_equal(http_query_parse(&query, str_of(longer)), ERR_TOO_BIG);
    free(pairs);
    free(more);
    free(longest);
    free(longer);
}

static void numbers_in_a_query_are_integers(void **state)
{
    (void)state;
    struct http_query query;
    uint64_t value;
    assert_int_equal(
        http_query_parse(&query, STR("n=200&z=007&e=&m=-1&p=%2b1&x=1x&h=0x1&s=+1&"
                                     "big=999999999999999999&huge=9999999999999999999&f=20.0&i=2e1&half=0.5")),
        0);
    assert_true(http_query_number(&query, "n", 1, 200, 50, &value) && value == 200);
    assert_false(http_query_number(&query, "n", 1, 199, 50, &value));
    assert_false(http_query_number(&query, "n", 201, 300, 50, &value));
    assert_true(http_query_number(&query, "none", 1, 200, 50, &value) && value == 50);
    assert_true(http_query_number(&query, "z", 0, 9, 0, &value) && value == 7);
    assert_true(http_query_number(&query, "big", 0, UINT64_MAX, 0, &value));
    assert_int_equal(value, 999999999999999999);
    assert_true(http_query_number(&query, "f", 20, 20, 0, &value) && http_query_number(&query, "i", 20, 20, 0, &value));
    static const char *const bad[] = {"e", "m", "p", "x", "h", "s", "huge", "half"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (http_query_number(&query, bad[i], 0, UINT64_MAX, 0, &value))
            fail_msg("taken: %s", bad[i]);
}

static void a_query_that_nobody_reads_may_be_anything(void **state)
{
    (void)state;
    struct sent sent = {.query = STR("%zz&%00")};
    ask("GET", "/mysql/getRoomNums", &sent);
    assert_int_equal(response.status, 200);
}

static void a_body_ends_where_its_length_says(void **state)
{
    (void)state;
    struct sent sent = {.body = FINE};
    struct http_request request = {.read = read_sent, .source = &sent, .length = FINE.len + 1};
    struct buf body;
    buf_init(&body, 1000);
    assert_int_equal(http_read_body(&request, 1000, &body), ERR_INVALID); /* cut short */
    buf_clear(&body);
    sent.at = 0;
    request.length = FINE.len - 1;
    assert_int_equal(http_read_body(&request, 1000, &body), ERR_INVALID); /* longer */
    buf_clear(&body);
    sent.at = 0;
    request.length = HTTP_LENGTH_BAD;
    assert_int_equal(http_read_body(&request, SIZE_MAX, &body), ERR_INVALID);
    request.length = FINE.len;
    assert_int_equal(http_read_body(&request, FINE.len - 1, &body), ERR_TOO_BIG);
    assert_int_equal(http_read_body(&request, FINE.len, &body), 0);
    assert_str(buf_str(&body), FINE);
    buf_fini(&body);
}

static void answers_are_counted(void **state)
{
    (void)state;
    int64_t all = metric_get(METRIC_HTTP_REQUESTS), refused = metric_get(METRIC_HTTP_REFUSED),
            failed = metric_get(METRIC_HTTP_FAILED);
    call("GET", "/mysql/getRoomNums", BYTES(""));
    call("GET", "/nowhere", BYTES(""));
    call("POST", "/mysql/createChatroom", BYTES("x"));
    fake.store = ERR_DOWN;
    call("GET", "/mysql/getRoomNums", BYTES(""));
    assert_int_equal(metric_get(METRIC_HTTP_REQUESTS) - all, 4);
    assert_int_equal(metric_get(METRIC_HTTP_REFUSED) - refused, 2);
    assert_int_equal(metric_get(METRIC_HTTP_FAILED) - failed, 1);
}

#define REDIS_UP   ",\"redis_servers\":[{\"at\":\"here\",\"up\":true}]}"
#define REDIS_DOWN ",\"redis_servers\":[{\"at\":\"here\",\"up\":false}]}"

static void health_tells_the_database_from_redis(void **state)
{
    (void)state;
    assert_answer("GET", "/healthz", BYTES(""), 200, "{\"live\":true}");
    assert_answer("GET", "/readyz", BYTES(""), 200,
                  "{\"ready\":true,\"db\":\"up\",\"db_address\":0,\"db_writable\":true,\"redis\":\"up\"" REDIS_UP);
    fake.presence = ERR_DOWN;
    assert_answer("GET", "/readyz", BYTES(""), 200,
                  "{\"ready\":true,\"db\":\"up\",\"db_address\":0,\"db_writable\":true,\"redis\":\"down\"" REDIS_DOWN);
    fake.store = ERR_DOWN;
    assert_answer(
        "GET", "/readyz", BYTES(""), 503,
        "{\"ready\":false,\"db\":\"down\",\"db_address\":0,\"db_writable\":true,\"redis\":\"down\"" REDIS_DOWN);
    fake.store = ERR_OK;
    db_address_chosen(1);
    db_refuses_writes(1, 28, "No space left on device");
    assert_answer(
        "GET", "/readyz", BYTES(""), 503,
        "{\"ready\":false,\"db\":\"up\",\"db_address\":2,\"db_writable\":false,\"redis\":\"down\"" REDIS_DOWN);
    db_takes_writes();
    assert_answer("GET", "/readyz", BYTES(""), 200,
                  "{\"ready\":true,\"db\":\"up\",\"db_address\":2,\"db_writable\":true,\"redis\":\"down\"" REDIS_DOWN);
    assert_answer("GET", "/healthz", BYTES(""), 200, "{\"live\":true}");
}

static void metrics_are_prometheus_text(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "/metrics", BYTES("")), 200);
    assert_string_equal(response.type, "text/plain; version=0.0.4; charset=utf-8");
    buf_add_char(&response.body, '\0');
    assert_non_null(strstr(response.body.data, "# HELP chaguan_http_requests_total HTTP requests answered\n"
                                               "# TYPE chaguan_http_requests_total counter\n"
                                               "chaguan_http_requests_total "));
}

static void the_header_block_is_what_cgi_wants(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    call("PUT", "/mysql/getRoomNums", BYTES(""));
    http_add_header(&out, &response);
    assert_bytes(buf_str(&out), "Status: 405 Method Not Allowed\r\n"
                                "Content-Type: application/json; charset=utf-8\r\n"
                                "Content-Length: 58\r\n"
                                "Allow: GET\r\n"
                                "Cache-Control: no-store\r\n\r\n");
    buf_clear(&out);
    call("GET", "/healthz", BYTES(""));
    http_add_header(&out, &response);
    assert_bytes(buf_str(&out), "Status: 200 OK\r\n"
                                "Content-Type: application/json; charset=utf-8\r\n"
                                "Content-Length: 13\r\n"
                                "Cache-Control: no-store\r\n\r\n");
    buf_fini(&out);
}

static void the_description_has_every_route(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 20000);
    router_init(routes);
    router_describe(&out);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "POST   /mysql/createChatroom "));
    assert_non_null(strstr(out.data, "GET    /metrics "));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_prefixes_lead_to_the_same_calls, reset),
        cmocka_unit_test_setup(unknown_paths_are_not_found, reset),
        cmocka_unit_test_setup(paths_of_the_server_api_fail_in_its_form, reset),
        cmocka_unit_test_setup(a_slash_at_the_end_of_a_path_means_nothing, reset),
        cmocka_unit_test_setup(another_method_is_told_the_right_one, reset),
        cmocka_unit_test_setup(head_is_answered_as_get, reset),
        cmocka_unit_test_setup(a_body_is_read_only_where_one_is_wanted, reset),
        cmocka_unit_test_setup(a_body_up_to_the_limit_is_taken, reset),
        cmocka_unit_test_setup(each_route_has_its_own_failure, reset),
        cmocka_unit_test_setup(under_mysql_the_body_alone_tells_of_a_failure, reset),
        cmocka_unit_test_setup(a_query_is_decoded, reset),
        cmocka_unit_test_setup(a_broken_query_is_refused, reset),
        cmocka_unit_test_setup(numbers_in_a_query_are_integers, reset),
        cmocka_unit_test_setup(a_query_that_nobody_reads_may_be_anything, reset),
        cmocka_unit_test_setup(a_body_ends_where_its_length_says, reset),
        cmocka_unit_test_setup(answers_are_counted, reset),
        cmocka_unit_test_setup(health_tells_the_database_from_redis, reset),
        cmocka_unit_test_setup(metrics_are_prometheus_text, reset),
        cmocka_unit_test_setup(the_header_block_is_what_cgi_wants, reset),
        cmocka_unit_test_setup(the_description_has_every_route, reset),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
