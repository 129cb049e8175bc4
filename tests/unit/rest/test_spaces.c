/* The spaces' calls: the token that every one of them needs, what they answer, and what they refuse. */
#include "account_fakes.h"

#include "common/clock.h"

#define MISSING      "{\"error\":\"a token is needed\",\"code\":\"token_missing\"}"
#define UNAUTHORIZED "{\"error\":\"a valid token or password is needed\",\"code\":\"unauthorized\"}"
#define INVALID      "{\"error\":\"the request breaks a rule\",\"code\":\"invalid\"}"
#define NOT_FOUND    "{\"error\":\"no such thing\",\"code\":\"not_found\"}"
#define SPACE        "/api/spaces/" SPACE_ID
#define TRANSFERS    SPACE "/transfers"

static bool answer_has(const char *text)
{
    return memmem(response.body.data, response.body.len, text, strlen(text)) != NULL;
}

static void logging_in_gives_a_token(void **state)
{
    (void)state;
    struct token said;
    assert_int_equal(call("POST", "/api/login", BYTES("{\"nickName\":\"ann\"}")), 200);
    assert_int_equal(accounts.realm, REALM_SPACES);
    buf_add_char(&response.body, '\0');
    static const char begin[] = "{\"userId\":\"" ANN "\",\"token\":\"";
    assert_int_equal(strncmp(response.body.data, begin, sizeof begin - 1), 0);
    const char *token = response.body.data + sizeof begin - 1;
    struct str text = {token, strcspn(token, "\"")};
    assert_int_equal(token_check(&tokens, text, &said), 0);
    assert_string_equal(said.user_id, ANN);
    char rest[64];
    snprintf(rest, sizeof rest, "\",\"expires\":%lld}", (long long)said.expires_s * 1000);
    assert_string_equal(token + text.len, rest);
    assert_int_equal(call("POST", "/api/login", BYTES("{\"nickName\":\"cyn\",\"password\":\"secret\"}")), 200);
    assert_answer("POST", "/api/login", BYTES("{\"nickName\":\"cyn\"}"), 401, UNAUTHORIZED);
    assert_answer("POST", "/api/login", BYTES("{\"nickName\":\"cyn\",\"password\":\"secre_\"}"), 401, UNAUTHORIZED);
}

static void logging_in_needs_a_name_and_a_key(void **state)
{
    (void)state;
    static const char *const bad[] = {"{}",
                                      "{\"nickName\":\"\"}",
                                      "{\"nickName\":\" \"}",
                                      "{\"nickName\":1}",
                                      "{\"name\":\"ann\"}",
                                      "{\"nickName\":\"a\\u2028\"}",
                                      "{\"nickName\":\"ann\",\"password\":true}",
                                      "{\"nickName\":\"ann\",\"password\":\"short\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (call("POST", "/api/login", str_of(bad[i])) != 400)
            fail_msg("taken: %s", bad[i]);
    tokens.secret = "";
    assert_int_equal(call("POST", "/api/login", BYTES("{\"nickName\":\"ann\"}")), 501);
    assert_true(answer_has("no_tokens"));
}

static void everything_else_needs_a_token(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
    } rows[] = {{"POST", "/api/spaces"},
                {"POST", SPACE "/join"},
                {"GET", SPACE},
                {"GET", SPACE "/messages"},
                {"POST", TRANSFERS}};
    struct buf expired;
    int64_t expires_s;
    buf_init(&expired, TOKEN_MAX);
    clock_freeze(1700000000000);
    assert_int_equal(token_make(&tokens, ANN, 0, &expired, &expires_s), 0);
    clock_freeze(-1);
    const char *stranger = "user_00000000000000000000000000000009";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_answer(rows[i].method, rows[i].path, BYTES("{}"), 401, MISSING);
        assert_int_equal(call_as(rows[i].method, rows[i].path, NULL, stranger, BYTES("{}")), 401);
        struct sent late = {.body = STR("{}"), .token = buf_str(&expired)};
        ask(rows[i].method, rows[i].path, &late);
        assert_int_equal(response.status, 401);
        assert_true(answer_has("token_expired"));
        struct sent garbage = {.body = STR("{}"), .token = STR("a.b.c")};
        ask(rows[i].method, rows[i].path, &garbage);
        assert_int_equal(response.status, 401);
        assert_true(answer_has("token_malformed"));
    }
    assert_int_equal(accounts.makes + accounts.joins + accounts.transfers, 0);
    buf_fini(&expired);
}

static void a_space_is_made_by_name_or_by_chance(void **state)
{
    (void)state;
    assert_int_equal(call_as("POST", "/api/spaces", NULL, ANN, BYTES("{\"name\":\"茶 1\"}")), 200);
    assert_bytes(buf_str(&response.body), "{\"roomId\":\"" SPACE_ID "\",\"roomNum\":\"茶 1\"}");
    assert_int_equal(call_as("POST", "/api/spaces", NULL, ANN, BYTES("{}")), 200);
    assert_int_equal(strlen(accounts.made_name), 8);
    assert_int_equal(strspn(accounts.made_name, "0123456789"), 8);
    accounts.space = ERR_DUPLICATE;
    assert_int_equal(call_as("POST", "/api/spaces", NULL, ANN, BYTES("{\"name\":\"tea\"}")), 409);
    accounts.makes = 0;
    assert_int_equal(call_as("POST", "/api/spaces", NULL, ANN, BYTES("{}")), 409);
    assert_int_equal(accounts.makes, 5); /* it was not for want of trying */
}

static void a_space_is_called_nothing_that_we_serve(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"\"",        "\"api\"",     "\"ws\"",         "\"relay1\"",  "\"socket.io\"",
                                      "\"a/b\"",     "\".\"",       "\"..\"",         "\".hidden\"", "\"%2e\"",
                                      "\"a?b\"",     "\"#\"",       "\"a\\\\b\"",     "7",           "[\"a\"]",
                                      "\"\\u0000\"", "\"\\u202e\"", "\"index.html\"", "{}",          "true"};
    char body[1000], *endless = repeat("x", 300);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(body, sizeof body, "{\"name\":%s}", bad[i]);
        if (call_as("POST", "/api/spaces", NULL, ANN, str_of(body)) != 400)
            fail_msg("taken: %s", bad[i]);
    }
    snprintf(body, sizeof body, "{\"name\":\"%s\"}", endless);
    assert_int_equal(call_as("POST", "/api/spaces", NULL, ANN, str_of(body)), 400);
    assert_int_equal(accounts.makes, 0);
    free(endless);
}

static void whoever_knows_the_id_may_join(void **state)
{
    (void)state;
    assert_int_equal(call_as("POST", SPACE "/join", NULL, BOB, BYTES("")), 200);
    assert_bytes(buf_str(&response.body), "{\"roomId\":\"" SPACE_ID "\",\"roomNum\":\"茶 \\\"room\\\"\"}");
    assert_int_equal(call_as("POST", "/api/spaces/space_x/join", NULL, BOB, BYTES("")), 404);
    assert_int_equal(call_as("GET", SPACE "/join", NULL, BOB, BYTES("")), 405);
}

static const struct store_record records[] = {
    {.seq = 1, .kind = MESSAGE_JOIN, .from_id = {ANN, sizeof ANN - 1}, .at_ms = 1700000000123},
    {.seq = 2,
     .kind = MESSAGE_TRANSFER,
     .from_id = {ANN, sizeof ANN - 1},
     .content = {"{\"fromId\":\"f\",\"toId\":\"t\",\"score\":5}", 35},
     .at_ms = 1700000001000},
    {.seq = 3, .kind = MESSAGE_LEAVE, .from_id = {ANN, sizeof ANN - 1}, .at_ms = 1700000002000},
};

#define RECORDS \
    "[{\"seq\":1,\"type\":\"2\",\"fromId\":\"" ANN "\",\"toId\":null,\"score\":null,\"createTime\":" \
    "\"2023-11-14T22:13:20.123Z\"},{\"seq\":2,\"type\":\"1\",\"fromId\":\"f\",\"toId\":\"t\"," \
    "\"score\":5," \
    "\"createTime\":\"2023-11-14T22:13:21.000Z\"},{\"seq\":3,\"type\":\"3\",\"fromId\":\"" ANN \
    "\",\"toId\":null,\"score\":null,\"createTime\":\"2023-11-14T22:13:22.000Z\"}]"

static void a_member_sees_who_is_in_it_and_what_happened(void **state)
{
    (void)state;
    accounts.records = records;
    accounts.record_count = 3;
    assert_int_equal(call_as("GET", SPACE, NULL, ANN, BYTES("")), 200);
    assert_bytes(buf_str(&response.body),
                 "{\"roomId\":\"" SPACE_ID "\",\"roomNum\":\"tea\",\"members\":[{\"userId\":\"" ANN
                 "\",\"nickName\":\"ann\"},{\"userId\":\"" BOB "\",\"nickName\":\"\\\"bob\\\"\"}],\"records\":" RECORDS
                 ",\"standings\":[{\"userId\":\"" ANN "\",\"score\":-5},{\"userId\":\"" BOB "\",\"score\":5}]}");
    assert_int_equal(fake.range.limit, 200);
    assert_true(fake.range.latest);
    assert_int_equal(call_as("GET", SPACE "/messages", "after=2&limit=9", ANN, BYTES("")), 200);
    assert_bytes(buf_str(&response.body), RECORDS);
    assert_int_equal(fake.range.after, 2);
    assert_int_equal(call_as("GET", SPACE "/messages", "limit=201", ANN, BYTES("")), 400);
    /* bob is no member, and another space is none */
    assert_int_equal(call_as("GET", SPACE, NULL, BOB, BYTES("")), 404);
    assert_bytes(buf_str(&response.body), NOT_FOUND);
    assert_int_equal(call_as("GET", SPACE "/messages", NULL, BOB, BYTES("")), 404);
    assert_int_equal(call_as("GET", "/api/spaces/room_x", NULL, ANN, BYTES("")), 404);
}

#define TRANSFER_5 "{\"toId\":\"" BOB "\",\"score\":5,\"clientId\":\"c1\"}"
#define TRANSFERRED \
    "{\"roomId\":\"" SPACE_ID "\",\"seq\":3,\"fromId\":\"" ANN "\",\"toId\":\"" BOB \
    "\",\"score\":5,\"createTime\":\"2023-11-14T22:13:20.123Z\"}"

static void a_transfer_is_told_to_the_relays_once(void **state)
{
    (void)state;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 200);
    assert_bytes(buf_str(&response.body), TRANSFERRED);
    assert_string_equal(accounts.client_id, "c1");
    assert_int_equal(fake.published, 1);
    assert_int_equal(fake.publications[0].kind, WIRE_MESSAGES);
    assert_int_equal(fake.publications[0].conversation, 7);
    assert_int_equal(fake.publications[0].epoch, 7); /* of the transaction */
    assert_int_equal(fake.publications[0].count, 1);
    assert_string_equal(fake.published_content, "{\"fromId\":\"" ANN "\",\"toId\":\"" BOB "\",\"score\":5}");
    accounts.repeated = true;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 200);
    assert_bytes(buf_str(&response.body), TRANSFERRED);
    assert_int_equal(fake.published, 1);
    accounts.space = ERR_DUPLICATE;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 409);
    accounts.space = ERR_NOT_FOUND;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 404);
    accounts.space = ERR_UNKNOWN;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 504);
    assert_bytes(buf_str(&response.body), "{\"error\":\"it is not known whether it was done\",\"code\":\"unknown\"}");
    assert_int_equal(fake.published, 1);
}

static void a_transfer_needs_no_redis(void **state)
{
    (void)state;
    fake.presence = ERR_DOWN;
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 200);
}

static void a_header_may_stand_for_the_client_id(void **state)
{
    (void)state;
    struct sent sent = {.body = STR("{\"toId\":\"" BOB "\",\"score\":5}"),
                        .idempotency_key = STR("0b0e1f7c-4a"),
                        .token = token_of(ANN)};
    ask("POST", TRANSFERS, &sent);
    assert_int_equal(response.status, 200);
    assert_string_equal(accounts.client_id, "0b0e1f7c-4a");
    sent.at = 0;
    sent.idempotency_key = STR("\xff\xfe");
    ask("POST", TRANSFERS, &sent);
    assert_int_equal(response.status, 400);
}

static void transfers_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"score\":5,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":5}",
        "{\"toId\":\"" BOB "\",\"score\":0,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":-5,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":1.5,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":\"5\",\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":1000000001,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":9223372036854775808,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":1e-3,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":null,\"clientId\":\"c\"}",
        "{\"toId\":\"" BOB "\",\"score\":5,\"clientId\":\"\"}",
        "{\"toId\":\"" BOB "\",\"score\":5,\"clientId\":7}",
        "{\"toId\":\"" BOB "\",\"score\":5,\"clientId\":\"a\\u0000\"}",
        "{\"toId\":\"" BOB "\",\"score\":5,\"clientId\":"
        "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
        "{\"toId\":\"" ANN "\",\"score\":5,\"clientId\":\"c\"}", /* to oneself */
        "{\"toId\":7,\"score\":5,\"clientId\":\"c\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (call_as("POST", TRANSFERS, NULL, ANN, str_of(bad[i])) != 400)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(accounts.transfers + fake.published, 0);
}

static void without_the_database_nothing_is_said(void **state)
{
    (void)state;
    fake.store = ERR_DOWN;
    assert_int_equal(call("POST", "/api/login", BYTES("{\"nickName\":\"ann\"}")), 503);
    assert_int_equal(call_as("GET", SPACE, NULL, ANN, BYTES("")), 503);
    assert_int_equal(call_as("POST", TRANSFERS, NULL, ANN, BYTES(TRANSFER_5)), 503);
    assert_int_equal(accounts.transfers, 0);
}

/* ---- the chatroom's history, which has the same pages ---- */

static void a_room_is_read_by_its_members(void **state)
{
    (void)state;
    static const char path[] = "/api/rooms/" ROOM_ID "/messages", query[] = "nickId=" USER_ID "&limit=1";
    fake.is_member = true;
    fake.messages = 3;
    fake.name = STR("bob");
    fake.content = STR("hi");
    fake.kind = MESSAGE_TEXT;
    assert_int_equal(call_as("GET", path, query, NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body),
                 "{\"success\":true,\"data\":[{\"seq\":3,\"type\":\"message\",\"name\":\"bob\","
                 "\"content\":\"hi\",\"ts\":1700000000000}]}");
    fake.kind = MESSAGE_JOIN;
    assert_int_equal(call_as("GET", path, query, NULL, BYTES("")), 200);
    assert_true(answer_has("\"type\":\"join\""));
    fake.is_member = false;
    assert_int_equal(call_as("GET", path, query, NULL, BYTES("")), 404);
    fake.is_member = true;
    assert_int_equal(call_as("GET", path, "nickId=" ANN, NULL, BYTES("")), 404);
    assert_int_equal(call_as("GET", "/api/rooms/x/messages", query, NULL, BYTES("")), 404);
    assert_int_equal(call_as("GET", path, "", NULL, BYTES("")), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(logging_in_gives_a_token, reset_accounts),
        cmocka_unit_test_setup(logging_in_needs_a_name_and_a_key, reset_accounts),
        cmocka_unit_test_setup(everything_else_needs_a_token, reset_accounts),
        cmocka_unit_test_setup(a_space_is_made_by_name_or_by_chance, reset_accounts),
        cmocka_unit_test_setup(a_space_is_called_nothing_that_we_serve, reset_accounts),
        cmocka_unit_test_setup(whoever_knows_the_id_may_join, reset_accounts),
        cmocka_unit_test_setup(a_member_sees_who_is_in_it_and_what_happened, reset_accounts),
        cmocka_unit_test_setup(a_transfer_is_told_to_the_relays_once, reset_accounts),
        cmocka_unit_test_setup(a_transfer_needs_no_redis, reset_accounts),
        cmocka_unit_test_setup(a_header_may_stand_for_the_client_id, reset_accounts),
        cmocka_unit_test_setup(transfers_that_break_a_rule_are_refused, reset_accounts),
        cmocka_unit_test_setup(without_the_database_nothing_is_said, reset_accounts),
        cmocka_unit_test_setup(a_room_is_read_by_its_members, reset_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
