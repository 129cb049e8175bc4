/* Mutes, bans and rates over REST, operators' orders, and foreign origins; the database does as it is told. */
#include "rest_fakes.h"

#include "rest/services/moderate.h"

#define TOKEN "sixteen bytes and more"

static int fresh(void **state)
{
    reset(state);
    settings.admin_token = (char *)(uintptr_t)TOKEN;
    return 0;
}

static struct sent order(const char *body)
{
    return (struct sent){.body = str_of(body), .authorization = STR("Bearer " TOKEN)};
}

#define CREATE "{\"chatroomName\":\"tea\",\"nickName\":\"ann\",\"headNum\":1}"

static void who_is_banned_gets_403_in_the_words_of_the_protocol(void **state)
{
    (void)state;
    fake.entering = ERR_DENIED;
    ask("POST", "/api/createChatroom", &(struct sent){.body = STR(CREATE)});
    assert_int_equal(response.status, 403);
    assert_bytes(buf_str(&response.body), "{\"error\":\"创建失败\",\"code\":\"banned\"}");
    assert_string_equal(fake.judged_address, "192.0.2.1");
    assert_int_equal(fake.admitted, 0);
}

static void a_user_in_too_many_rooms_gets_429(void **state)
{
    (void)state;
    settings.user_rooms_max = 5;
    fake.entering = ERR_TOO_BIG;
    ask("POST", "/api/createChatroom", &(struct sent){.body = STR(CREATE)});
    assert_int_equal(response.status, 429);
    assert_int_equal(fake.rooms_max, 5);
    assert_bytes(buf_str(&response.body), "{\"error\":\"创建失败\",\"code\":\"too_many\"}");
}

static void an_order_is_carried_out_and_told(void **state)
{
    (void)state;
    struct sent sent = order("{\"user\":\"ann\",\"forSeconds\":60}");
    ask("POST", "/api/admin/ban", &sent);
    assert_int_equal(response.status, 200);
    assert_int_equal(fake.order.kind, SANCTION_BAN);
    assert_int_equal(fake.order.for_s, 60);
    assert_string_equal(fake.ordered_user, "ann");
    assert_int_equal(fake.published, 1);
    assert_int_equal(fake.publications[0].kind, WIRE_SANCTION);
    sent = order("{\"user\":\"ann\"}");
    ask("POST", "/api/admin/unmute", &sent);
    assert_bytes(buf_str(&response.body), "{\"success\":true,\"data\":{\"lifted\":1}}");
}

static void without_redis_a_ban_holds_and_a_kick_does_not(void **state)
{
    (void)state;
    struct sent sent = order("{\"user\":\"ann\"}");
    fake.presence = ERR_DOWN;
    ask("POST", "/api/admin/ban", &sent);
    assert_int_equal(response.status, 200);
    sent = order("{\"user\":\"ann\"}");
    ask("POST", "/api/admin/kick", &sent);
    assert_int_equal(response.status, 503);
}

static void orders_need_the_token(void **state)
{
    (void)state;
    struct sent sent = order("{\"user\":\"ann\"}");
    sent.authorization = STR("Bearer another token");
    ask("POST", "/api/admin/ban", &sent);
    assert_int_equal(response.status, 401);
    ask("GET", "/api/admin/sanctions", &sent);
    assert_int_equal(response.status, 401);
    assert_int_equal(fake.order.kind, 0);
    sent = order("");
    ask("GET", "/api/admin/sanctions", &sent);
    assert_bytes(buf_str(&response.body),
                 "{\"success\":true,\"data\":[{\"kind\":\"ban\",\"realm\":\"chatroom\",\"user\":\"小\\\"明\","
                 "\"until\":\"2030-01-01 00:00:00\",\"createdAt\":\"2029-01-01 00:00:00\"}]}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, free_response)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(who_is_banned_gets_403_in_the_words_of_the_protocol),
        TEST(a_user_in_too_many_rooms_gets_429),
        TEST(an_order_is_carried_out_and_told),
        TEST(without_redis_a_ban_holds_and_a_kick_does_not),
        TEST(orders_need_the_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
