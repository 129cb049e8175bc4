/* The router: which route answers, and the rules that hold for all of them. */
#include "rest_fakes.h"

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
        "/mysql/getRoomNums/",
        "/mysql//getRoomNums",
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
        assert_answer("GET", paths[i], BYTES(""), 404, "{\"error\":\"not found\"}");
    assert_null(response.allow);
    assert_int_equal(fake.entered, 0);
}

static void another_method_is_told_the_right_one(void **state)
{
    (void)state;
    static const char *const methods[] = {"GET",     "PUT",  "DELETE", "HEAD",
                                          "OPTIONS", "post", "POSTS",  ""};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        assert_answer(methods[i], "/mysql/createChatroom", FINE, 405,
                      "{\"error\":\"method not allowed\"}");
        assert_string_equal(response.allow, "POST");
    }
    assert_answer("POST", "/api/getRoomNums", BYTES("{}"), 405,
                  "{\"error\":\"method not allowed\"}");
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
    assert_int_equal(sent.reads, 1);
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
    static const struct {
        const char *path;
        struct str body;
    } rows[] = {
        {"/mysql/createChatroom", BYTES("{\"error\":\"创建失败\"}")},
        {"/mysql/validateNickIdByRoomId", BYTES("{\"success\":false}")},
        {"/mysql/getRoomInfo", BYTES("{\"error\":\"查询报错\"}")},
        {"/mysql/getUserInfo", BYTES("{\"error\":\"查询报错\"}")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sent big = {.err = ERR_TOO_BIG}, broken = {.body = FINE, .err = ERR_INVALID};
        ask("POST", rows[i].path, &big);
        assert_int_equal(response.status, 413);
        assert_str(buf_str(&response.body), rows[i].body);
        ask("POST", rows[i].path, &broken); /* cut short on the way */
        assert_int_equal(response.status, 400);
        assert_str(buf_str(&response.body), rows[i].body);
    }
    assert_int_equal(fake.entered + fake.placed + fake.named, 0);
    fake.store = ERR_DOWN;
    assert_answer("GET", "/mysql/getRoomNums", BYTES(""), 503, "{\"success\":true,\"data\":0}");
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

static void health_tells_the_database_from_redis(void **state)
{
    (void)state;
    assert_answer("GET", "/healthz", BYTES(""), 200, "{\"live\":true}");
    assert_answer("GET", "/readyz", BYTES(""), 200,
                  "{\"ready\":true,\"db\":\"up\",\"redis\":\"up\"}");
    fake.presence = ERR_DOWN;
    assert_answer("GET", "/readyz", BYTES(""), 200,
                  "{\"ready\":true,\"db\":\"up\",\"redis\":\"down\"}");
    fake.store = ERR_DOWN;
    assert_answer("GET", "/readyz", BYTES(""), 503,
                  "{\"ready\":false,\"db\":\"down\",\"redis\":\"down\"}");
    assert_answer("GET", "/healthz", BYTES(""), 200, "{\"live\":true}");
}

static void metrics_are_prometheus_text(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "/metrics", BYTES("")), 200);
    assert_string_equal(response.type, "text/plain; version=0.0.4; charset=utf-8");
    buf_add_char(&response.body, '\0');
    assert_non_null(strstr(response.body.data,
                           "# HELP chaguan_http_requests_total HTTP requests answered\n"
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
                                "Content-Length: 30\r\n"
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
    buf_init(&out, 10000);
    router_describe(&out);
    buf_add_char(&out, '\0');
    assert_non_null(strstr(out.data, "POST /mysql/createChatroom "));
    assert_non_null(strstr(out.data, "GET  /metrics "));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_prefixes_lead_to_the_same_calls, reset),
        cmocka_unit_test_setup(unknown_paths_are_not_found, reset),
        cmocka_unit_test_setup(another_method_is_told_the_right_one, reset),
        cmocka_unit_test_setup(head_is_answered_as_get, reset),
        cmocka_unit_test_setup(a_body_is_read_only_where_one_is_wanted, reset),
        cmocka_unit_test_setup(a_body_up_to_the_limit_is_taken, reset),
        cmocka_unit_test_setup(each_route_has_its_own_failure, reset),
        cmocka_unit_test_setup(answers_are_counted, reset),
        cmocka_unit_test_setup(health_tells_the_database_from_redis, reset),
        cmocka_unit_test_setup(metrics_are_prometheus_text, reset),
        cmocka_unit_test_setup(the_header_block_is_what_cgi_wants, reset),
        cmocka_unit_test_setup(the_description_has_every_route, reset),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
