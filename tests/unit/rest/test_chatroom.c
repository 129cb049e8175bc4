/* The five calls of the chatroom: what they answer, byte for byte, and what they refuse. */
#include "rest_fakes.h"

#include "common/clock.h"
#include "common/metrics.h"
#include "rest/services/name_cache.h"

#define CREATED       "{\"success\":true,\"data\":{\"chatroomId\":\"" ROOM_ID "\",\"nickId\":\"" USER_ID "\"}}"
#define CREATE_FAILED "{\"error\":\"创建失败\"}"
#define QUERY_FAILED  "{\"error\":\"查询报错\"}"

static int create(struct str body)
{
    return call("POST", "/api/createChatroom", body);
}

/* createChatroom with `member` (a key and a value) in the place of the good one. */
static int create_with(const char *room, const char *nick, const char *head)
{
    struct buf body;
    buf_init(&body, 60000);
    buf_addf(&body, "{\"chatroomName\":%s,\"nickName\":%s,\"headNum\":%s}", room, nick, head);
    assert_false(body.failed);
    int status = create(buf_str(&body));
    buf_fini(&body);
    return status;
}

static void entering_gives_both_ids(void **state)
{
    (void)state;
    assert_answer("POST", "/api/createChatroom",
                  BYTES("{\"chatroomName\":\"茶馆\",\"nickName\":\"😀 bob\",\"headNum\":3}"), 200, CREATED);
    assert_string_equal(fake.room, "茶馆");
    assert_string_equal(fake.nick, "😀 bob");
    assert_string_equal(fake.head, "3");
    assert_int_equal(fake.admitted, 1);
    assert_int_equal(fake.conversation, 7);
    assert_int_equal(fake.user, 9);
}

static void names_reach_the_store_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } rows[] = {
        {"\"' OR 1=1--\"", "' OR 1=1--"},
        {"\"\\\\ \\\" %_\"", "\\ \" %_"},
        {"\"</script><img onerror>\"", "</script><img onerror>"},
        {"\"\\u8336\\ud83d\\ude00\"", "茶😀"},
        {"\"BOB b\"", "BOB b"},
        {"\"null\"", "null"},
        {"\"e\\u0301\"", "e\xcc\x81"}, /* not normalised */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(create_with(rows[i].json, rows[i].json, "0"), 200);
        assert_string_equal(fake.room, rows[i].text);
        assert_string_equal(fake.nick, rows[i].text);
    }
}

static void names_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\"\"",
        "\" \"",
        "\"\\u3000\"",
        "\"a\\u0000\"",
        "\"a\\u0000b\"",
        "\"a\\n\"",
        "\"\\u001b[31m\"",
        "\"\\u0085\"",
        "\"a\\u2028\"",
        "\"a\\u202eb\"",
        "\"a\\u2066\"",
        "\"\\ufeffa\"",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\xed\xa0\x80\"",
        "\"\xc0\x80\"",
        "\"a\xff\"",
        "\"\t\"",
        "'a'",
        "a",
        "1",
        "null",
        "true",
        "[\"a\"]",
        "{\"a\":\"b\"}",
        "[]",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (create_with(bad[i], "\"n\"", "1") != 400 || create_with("\"r\"", bad[i], "1") != 400)
            fail_msg("taken: %s", bad[i]);
        assert_bytes(buf_str(&response.body), CREATE_FAILED);
    }
    assert_int_equal(create(BYTES("{\"chatroomName\":\"a\0b\",\"nickName\":\"n\",\"headNum\":1}")), 400);
    assert_int_equal(fake.entered + fake.admitted, 0);
}

static void nobody_is_called_system(void **state)
{
    (void)state;
    assert_int_equal(create_with("\"r\"", "\"system\"", "1"), 400);
    assert_bytes(buf_str(&response.body), CREATE_FAILED);
    assert_int_equal(create_with("\"r\"", "\"\\u0073ystem\"", "1"), 400);
    fake.names_are_there = true;
    assert_int_equal(create_with("\"r\"", "\"system\"", "1"), 400);
    assert_int_equal(fake.entered + fake.admitted, 0);
    static const char *const others[] = {"\"systems\"", "\"syste\"", "\"my system\"", "\"茶系统\""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (create_with("\"r\"", others[i], "1") != 200)
            fail_msg("refused: %s", others[i]);
    assert_int_equal(create_with("\"system\"", "\"n\"", "1"), 200); /* a room may be */
}

/* It looks like another, or like the server's own. */
static void a_name_that_misleads_is_for_whoever_has_it(void **state)
{
    (void)state;
    static const char *const old[] = {
        "\"System\"", "\"s\\u0443stem\"", "\" system\"",   "\"system\\u200b\"", "\"系统\"",       "\"bob \"",
        "\"b  ob\"",  "\"bob\\u00ad\"",   "\"b\\u043eb\"", "\"\\u2800\"",       "\"bob\\ue000\"",
    };
    for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
        fake.names_are_there = false;
        if (create_with("\"r\"", old[i], "1") != 400)
            fail_msg("taken: %s", old[i]);
        assert_bytes(buf_str(&response.body), CREATE_FAILED);
        assert_int_equal(fake.admitted, i);
        fake.names_are_there = true;
        if (create_with("\"r\"", old[i], "1") != 200)
            fail_msg("shut out: %s", old[i]);
    }
    assert_int_equal(create_with("\"r \"", "\"n\"", "1"), 200);
    fake.names_are_there = false;
    assert_int_equal(create_with("\"r \"", "\"n\"", "1"), 400);
}

static void names_have_64_characters_and_no_more(void **state)
{
    (void)state;
    char fits[400], longer[400], *most = repeat("😀", 64);
    snprintf(fits, sizeof fits, "\"%s\"", most);
    snprintf(longer, sizeof longer, "\"%s%s\"", most, "a");
    assert_int_equal(create_with(fits, fits, "1"), 200);
    assert_string_equal(fake.room, most);
    assert_int_equal(create_with(longer, "\"n\"", "1"), 400);
    assert_int_equal(create_with("\"r\"", longer, "1"), 400);
    free(most);
    char *endless = repeat("a", 50000), *quoted = repeat("a", 50002);
    snprintf(quoted, 50003, "\"%s\"", endless);
    assert_int_equal(create_with(quoted, "\"n\"", "1"), 400);
    free(endless);
    free(quoted);
    assert_int_equal(fake.entered, 1);
}

static void a_head_is_kept_as_the_scalar_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *kept;
    } rows[] = {
        {"0", "0"},
        {"3", "3"},
        {"2147483647", "2147483647"},
        {"-0", "0"},
        {"3.0", "3"},
        {"1e2", "100"},
        {"-0.0e5", "0"},
        {"2147483647.000", "2147483647"},
        {"\"3\"", "\"3\""},
        {"\"head_12.png\"", "\"head_12.png\""},
        {"\"a\\\"b\"", "\"a\\\"b\""},
        {"\"\\u0041\"", "\"A\""},
        {"\"12345678901234567890123456789012\"", "\"12345678901234567890123456789012\""}, /* 32 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (create_with("\"r\"", "\"n\"", rows[i].sent) != 200)
            fail_msg("refused: %s", rows[i].sent);
        assert_string_equal(fake.head, rows[i].kept);
    }
}

static void other_heads_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "-1",
        "2147483648",
        "18446744073709551616",
        "18446744073709551619",
        "1.5",
        "3.25",
        "1e-2",
        "1e10",
        "1.",
        "01",
        "+1",
        "0x1",
        "NaN",
        "Infinity",
        "true",
        "null",
        "[]",
        "[3]",
        "{}",
        "\"\"",
        "\"\\u0000\"",
        "\"\\n\"",
        "\"\\u007f\"",
        "\"茶\"",
        "\"123456789012345678901234567890123\"", /* 33 bytes */
        "'3'",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (create_with("\"r\"", "\"n\"", bad[i]) != 400)
            fail_msg("taken: %s", bad[i]);
        assert_bytes(buf_str(&response.body), CREATE_FAILED);
    }
    char *quotes = repeat("\\\"", 20), head[64]; /* 20 bytes, but 42 as JSON */
    snprintf(head, sizeof head, "\"%s\"", quotes);
    assert_int_equal(create_with("\"r\"", "\"n\"", head), 400);
    free(quotes);
    assert_int_equal(fake.entered, 0);
}

static void bodies_that_are_no_object_are_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES("{}"),
        BYTES("[]"),
        BYTES("null"),
        BYTES("chatroomName=r&nickName=n&headNum=1"),
        BYTES("{\"nickName\":\"n\",\"headNum\":1}"),
        BYTES("{\"chatroomName\":\"r\",\"headNum\":1}"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\"}"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1} x"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}{}"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1,}"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1"),
        BYTES("{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}\0"),
        BYTES("{'chatroomName':'r','nickName':'n','headNum':1}"),
        BYTES("{\"chatroomName\\u0000\":\"r\",\"nickName\":\"n\",\"headNum\":1}"),
        BYTES("{\"ChatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}"),
        BYTES("[{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}]"),
        BYTES("{\"__proto__\":{\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}}"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (create(bad[i]) != 400)
            fail_msg("taken: %s", bad[i].ptr);
        assert_bytes(buf_str(&response.body), CREATE_FAILED);
    }
    assert_int_equal(fake.entered, 0);
}

static void deep_and_wide_bodies_are_refused(void **state)
{
    (void)state;
    char *open = repeat("[", 20000), *close = repeat("]", 20000), *keys = repeat("\"k\":0,", 5000);
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_addf(&body, "{\"x\":%s%s,\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}", open, close);
    assert_int_equal(create(buf_str(&body)), 400);
    buf_clear(&body);
    buf_addf(&body, "{%s\"chatroomName\":\"r\",\"nickName\":\"n\",\"headNum\":1}", keys);
    assert_int_equal(create(buf_str(&body)), 400);
    assert_bytes(buf_str(&response.body), CREATE_FAILED);
    assert_int_equal(fake.entered, 0);
    free(open);
    free(close);
    free(keys);
    buf_fini(&body);
}

static void unknown_members_are_let_be_and_the_last_of_two_counts(void **state)
{
    (void)state;
    assert_int_equal(create(BYTES("{\"x\":{\"y\":[1,2]},\"chatroomName\":\"first\",\"nickName\":\"n\","
                                  "\"headNum\":1,\"chatroomName\":\"second\"}")),
                     200);
    assert_string_equal(fake.room, "second");
}

static void without_the_database_nothing_is_created(void **state)
{
    (void)state;
    static const enum err errors[] = {ERR_DOWN, ERR_RETRY, ERR_INTERNAL};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        fake.store = errors[i];
        assert_int_equal(create_with("\"r\"", "\"n\"", "1"), 503);
        assert_bytes(buf_str(&response.body), CREATE_FAILED);
    }
    fake.store = ERR_UNKNOWN; /* it may have been */
    assert_int_equal(create_with("\"r\"", "\"n\"", "1"), 504);
    assert_bytes(buf_str(&response.body), "{\"error\":\"创建失败\",\"code\":\"unknown\"}");
    assert_int_equal(fake.admitted, 0);
}

static void without_redis_entering_goes_on(void **state)
{
    (void)state;
    int64_t skipped = metric_get(METRIC_PRESENCE_SKIPPED);
    fake.presence = ERR_DOWN;
    assert_int_equal(create_with("\"r\"", "\"n\"", "1"), 200);
    assert_bytes(buf_str(&response.body), CREATED);
    assert_int_equal(metric_get(METRIC_PRESENCE_SKIPPED) - skipped, 1);
}

static void rooms_are_counted(void **state)
{
    (void)state;
    assert_answer("GET", "/api/getRoomNums", BYTES(""), 200, "{\"success\":true,\"data\":0}");
    fake.rooms = UINT64_C(12345678901);
    assert_answer("GET", "/api/getRoomNums", BYTES(""), 200, "{\"success\":true,\"data\":12345678901}");
    fake.store = ERR_DOWN;
    assert_answer("GET", "/api/getRoomNums", BYTES(""), 503, "{\"success\":true,\"data\":0}");
}

/* ---- validateNickIdByRoomId ---- */

#define VALIDATE "/api/validateNickIdByRoomId"
#define BOTH     BYTES("{\"roomId\":\"" ROOM_ID "\",\"nickId\":\"" USER_ID "\"}")

static void only_a_member_who_is_online_is_valid(void **state)
{
    (void)state;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":false}");
    assert_int_equal(fake.asked_online, 0); /* of who is no member, Redis is not asked */
    fake.is_member = true;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":false}");
    fake.online = true;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":true}");
    assert_int_equal(fake.conversation, 7);
    assert_int_equal(fake.user, 9);
    fake.is_member = false;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":false}");
}

static void unknown_ids_are_a_plain_no(void **state)
{
    (void)state;
    static const char *const ids[] = {
        "x",          "%",         "user_1700000000000", "room_%", "user_fedcba9876543210fedcba987654321",
        "' OR 1=1--", " " USER_ID, USER_ID " ",          ROOM_ID};
    fake.is_member = fake.online = true;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char body[256];
        snprintf(body, sizeof body, "{\"roomId\":\"" ROOM_ID "\",\"nickId\":\"%s\"}", ids[i]);
        assert_answer("POST", VALIDATE, str_of(body), 200, "{\"success\":false}");
    }
}

static void ids_of_another_type_are_bad_input(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "1", "true", "[]", "{}", "\"\\u0000\"", "\"\xff\"", "[\"room_1\"]",
    };
    char body[512];
    fake.is_member = fake.online = true;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(body, sizeof body, "{\"roomId\":%s,\"nickId\":\"" USER_ID "\"}", bad[i]);
        assert_answer("POST", VALIDATE, str_of(body), 400, "{\"success\":false}");
        snprintf(body, sizeof body, "{\"roomId\":\"" ROOM_ID "\",\"nickId\":%s}", bad[i]);
        assert_answer("POST", VALIDATE, str_of(body), 400, "{\"success\":false}");
        snprintf(body, sizeof body, "{\"roomId\":%s}", bad[i]);
        assert_answer("POST", "/api/getRoomInfo", str_of(body), 400, QUERY_FAILED);
        snprintf(body, sizeof body, "{\"userId\":%s}", bad[i]);
        assert_answer("POST", "/api/getUserInfo", str_of(body), 400, QUERY_FAILED);
    }
    char *endless = repeat("a", 65);
    snprintf(body, sizeof body, "{\"roomId\":\"%s\",\"userId\":\"%s\"}", endless, endless);
    free(endless);
    assert_answer("POST", "/api/getRoomInfo", str_of(body), 400, QUERY_FAILED);
    assert_answer("POST", "/api/getUserInfo", str_of(body), 400, QUERY_FAILED);
    assert_answer("POST", VALIDATE, BYTES("x"), 400, "{\"success\":false}");
    assert_int_equal(fake.memberships + fake.named, 0);
}

/* As pages ask before they have any. */
static void no_ids_are_nobodys(void **state)
{
    (void)state;
    static const char *const none[] = {"null", "\"\""};
    char body[512];
    fake.is_member = fake.online = true;
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        snprintf(body, sizeof body, "{\"roomId\":%s,\"nickId\":\"" USER_ID "\"}", none[i]);
        assert_answer("POST", VALIDATE, str_of(body), 200, "{\"success\":false}");
        snprintf(body, sizeof body, "{\"roomId\":\"" ROOM_ID "\",\"nickId\":%s}", none[i]);
        assert_answer("POST", VALIDATE, str_of(body), 200, "{\"success\":false}");
        snprintf(body, sizeof body, "{\"roomId\":%s,\"userId\":%s}", none[i], none[i]);
        assert_answer("POST", "/api/getRoomInfo", str_of(body), 200, "{\"success\":true}");
        assert_answer("POST", "/api/getUserInfo", str_of(body), 200, "{\"success\":true}");
    }
    assert_answer("POST", VALIDATE, BYTES("{}"), 200, "{\"success\":false}");
    assert_answer("POST", "/api/getRoomInfo", BYTES("{}"), 200, "{\"success\":true}");
    assert_int_equal(fake.memberships + fake.named, 0);
}

static void validating_without_the_database_fails_and_without_redis_trusts_membership(void **state)
{
    (void)state;
    int64_t skipped = metric_get(METRIC_PRESENCE_SKIPPED);
    fake.presence = ERR_DOWN;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":false}");
    fake.is_member = true;
    assert_answer("POST", VALIDATE, BOTH, 200, "{\"success\":true}");
    assert_int_equal(metric_get(METRIC_PRESENCE_SKIPPED) - skipped, 1);
    fake.store = ERR_DOWN;
    assert_answer("POST", VALIDATE, BOTH, 503, "{\"success\":false}");
}

/* ---- getRoomInfo, getUserInfo ---- */

static void names_are_told_as_json(void **state)
{
    (void)state;
    fake.name = BYTES("茶 \"'\\</script>");
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 200,
                  "{\"success\":true,\"data\":\"茶 \\\"'\\\\</script>\"}");
    assert_answer("POST", "/api/getUserInfo", BYTES("{\"userId\":\"" USER_ID "\"}"), 200,
                  "{\"success\":true,\"data\":\"茶 \\\"'\\\\</script>\"}");
}

static void unknown_ids_have_no_data(void **state)
{
    (void)state;
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" USER_ID "\"}"), 200, "{\"success\":true}");
    assert_answer("POST", "/api/getUserInfo", BYTES("{\"userId\":\"%\"}"), 200, "{\"success\":true}");
}

static void names_need_the_database(void **state)
{
    (void)state;
    fake.store = ERR_DOWN;
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 503, QUERY_FAILED);
    assert_answer("POST", "/api/getUserInfo", BYTES("{\"userId\":\"" USER_ID "\"}"), 503, QUERY_FAILED);
}

static void names_are_kept_for_a_while(void **state)
{
    (void)state;
    settings.name_cache_ms = 1000;
    clock_freeze(5000);
    fake.name = STR("tea");
    for (int i = 0; i < 3; i++)
        assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 200,
                      "{\"success\":true,\"data\":\"tea\"}");
    assert_int_equal(fake.named, 1);
    fake.store = ERR_DOWN; /* what is kept does not hide it */
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 503, QUERY_FAILED);
    fake.store = ERR_OK;
    fake.name = STR("milk");
    clock_freeze(5999);
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 200,
                  "{\"success\":true,\"data\":\"tea\"}");
    clock_freeze(6000);
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 200,
                  "{\"success\":true,\"data\":\"milk\"}");
    settings.name_cache_ms = 0;
    clock_freeze(-1);
}

static void names_are_forgotten_when_somebody_is_erased(void **state)
{
    (void)state;
    settings.name_cache_ms = 10000;
    settings.revocation_poll_ms = 500;
    int64_t begin_ms = clock_mono_ms() + 1000;
#define ASSERT_NAME(stored, at_ms, erased, shown) \
    do { \
        clock_freeze(begin_ms + (at_ms)); \
        fake.name = STR(stored); \
        fake.erased_lately = erased; \
        assert_answer("POST", "/api/getUserInfo", BYTES("{\"userId\":\"" USER_ID "\"}"), 200, \
                      "{\"success\":true,\"data\":\"" shown "\"}"); \
    } while (0)
    ASSERT_NAME("ann", 0, false, "ann");
    ASSERT_NAME("nobody", 100, true, "ann"); /* asked twice a second */
    ASSERT_NAME("nobody", 500, true, "nobody");
    ASSERT_NAME("ben", 600, true, "nobody");
    ASSERT_NAME("ben", 1000, true, "ben");
    ASSERT_NAME("cid", 1500, false, "ben");
#undef ASSERT_NAME
    settings.name_cache_ms = settings.revocation_poll_ms = 0;
    clock_freeze(-1);
}

static void a_room_is_no_user(void **state)
{
    (void)state;
    settings.name_cache_ms = 1000;
    fake.name = STR("tea");
    assert_answer("POST", "/api/getRoomInfo", BYTES("{\"roomId\":\"" ROOM_ID "\"}"), 200,
                  "{\"success\":true,\"data\":\"tea\"}");
    assert_answer("POST", "/api/getUserInfo", BYTES("{\"userId\":\"" ROOM_ID "\"}"), 200, "{\"success\":true}");
    settings.name_cache_ms = 0;
}

static void ids_that_share_an_entry_take_it_from_each_other(void **state)
{
    (void)state;
    static char ids[2][ID_MAX] = {"room_00000000000000000000000000000001"};
    uint64_t entry = str_hash(str_of(ids[0]), STR_HASH_SEED) % NAME_CACHE_MAX;
    struct buf name;
    for (unsigned i = 2; i == 2 || str_hash(str_of(ids[1]), STR_HASH_SEED) % NAME_CACHE_MAX != entry; i++)
        snprintf(ids[1], sizeof ids[1], "room_%032x", i);
    for (int i = 0; i < 4; i++) {
        struct str id = str_of(ids[i % 2]);
        buf_init(&name, STORE_NAME_MAX);
        assert_false(name_cache_find(id, 1, &name));
        name_cache_keep(id, str_of(ids[i % 2] + 4), 1, 10, name_cache_check(NULL, 1, 1000));
        assert_true(name_cache_find(id, 10, &name));
        assert_true(str_eq(buf_str(&name), str_of(ids[i % 2] + 4)));
        buf_clear(&name);
        assert_false(name_cache_find(id, 11, &name));
        buf_fini(&name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(entering_gives_both_ids, reset),
        cmocka_unit_test_setup(names_reach_the_store_as_they_are, reset),
        cmocka_unit_test_setup(names_that_break_a_rule_are_refused, reset),
        cmocka_unit_test_setup(nobody_is_called_system, reset),
        cmocka_unit_test_setup(a_name_that_misleads_is_for_whoever_has_it, reset),
        cmocka_unit_test_setup(names_have_64_characters_and_no_more, reset),
        cmocka_unit_test_setup(a_head_is_kept_as_the_scalar_it_is, reset),
        cmocka_unit_test_setup(other_heads_are_refused, reset),
        cmocka_unit_test_setup(bodies_that_are_no_object_are_refused, reset),
        cmocka_unit_test_setup(deep_and_wide_bodies_are_refused, reset),
        cmocka_unit_test_setup(unknown_members_are_let_be_and_the_last_of_two_counts, reset),
        cmocka_unit_test_setup(without_the_database_nothing_is_created, reset),
        cmocka_unit_test_setup(without_redis_entering_goes_on, reset),
        cmocka_unit_test_setup(rooms_are_counted, reset),
        cmocka_unit_test_setup(only_a_member_who_is_online_is_valid, reset),
        cmocka_unit_test_setup(unknown_ids_are_a_plain_no, reset),
        cmocka_unit_test_setup(ids_of_another_type_are_bad_input, reset),
        cmocka_unit_test_setup(no_ids_are_nobodys, reset),
        cmocka_unit_test_setup(validating_without_the_database_fails_and_without_redis_trusts_membership, reset),
        cmocka_unit_test_setup(names_are_told_as_json, reset),
        cmocka_unit_test_setup(unknown_ids_have_no_data, reset),
        cmocka_unit_test_setup(names_need_the_database, reset),
        cmocka_unit_test_setup(names_are_kept_for_a_while, reset),
        cmocka_unit_test_setup(names_are_forgotten_when_somebody_is_erased, reset),
        cmocka_unit_test_setup(a_room_is_no_user, reset),
        cmocka_unit_test_setup(ids_that_share_an_entry_take_it_from_each_other, reset),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
