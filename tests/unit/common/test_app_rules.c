/* Who may do what in the application's conversations, and how one that is wanted is read. */
#include "tests/unit/check.h"

#include "common/json.h"
#include "common/service/app_rules.h"
#include "common/store/store_words.h"

#include <stdio.h>

static struct app_actor user(enum store_user_role role)
{
    return (struct app_actor){.is_user = true, .user = 1, .role = role};
}

static struct store_app_conversation of(enum store_app_type type, enum store_member_role role)
{
    return (struct store_app_conversation){.kind = KIND_APP, .type = type, .role = role};
}

static void what_each_role_may(void **state)
{
    (void)state;
    /* owner, moderator, member, reader, nobody there */
    static const enum app_refusal in_group[APP_COUNT][5] = {
        [APP_READ] = {0, 0, 0, 0, APP_NO_CONVERSATION},
        [APP_SAY] = {0, 0, 0, APP_ROLE, APP_NO_CONVERSATION},
        [APP_MODERATE] = {0, 0, APP_ROLE, APP_ROLE, APP_NO_CONVERSATION},
        [APP_OWN] = {0, APP_ROLE, APP_ROLE, APP_ROLE, APP_NO_CONVERSATION},
    };
    struct app_actor plain = user(USER_PLAIN), moderator = user(USER_MODERATOR), application = {.is_user = false};
    for (int act = 0; act < APP_COUNT; act++)
        for (int i = 0; i < 5; i++) {
            enum store_member_role role = (enum store_member_role)(i < 4 ? ROLE_OWNER + i : 0);
            struct store_app_conversation group = of(APP_GROUP, role), open = of(APP_PUBLIC, role),
                                          two = of(APP_DIRECT, role);
            enum app_refusal expected = in_group[act][i];
            assert_int_equal(app_judge(&plain, (enum app_act)act, &group), expected);
            assert_int_equal(app_judge(&application, (enum app_act)act, &group), APP_ALLOWED);
            assert_int_equal(app_judge(&moderator, (enum app_act)act, &two), expected);
            if (!role)
                expected = act == APP_READ ? APP_ALLOWED : APP_NOT_MEMBER;
            assert_int_equal(app_judge(&plain, (enum app_act)act, &open), expected);
            if (role)
                assert_int_equal(app_judge(&moderator, (enum app_act)act, &group),
                                 act == APP_OWN && role != ROLE_OWNER ? APP_ROLE : APP_ALLOWED);
        }
    struct store_app_conversation room = of(APP_GROUP, ROLE_OWNER);
    room.kind = KIND_CHATROOM;
    assert_int_equal(app_judge(&plain, APP_READ, &room), APP_NO_CONVERSATION);
}

static bool may(enum store_user_role as, enum store_app_type type, enum store_member_role own, bool is_self, int from,
                int to)
{
    struct app_actor actor = user(as);
    struct store_app_conversation conversation = of(type, own);
    return app_may_change(&actor, &conversation, is_self, (enum store_member_role)from, (enum store_member_role)to);
}

static void who_changes_whom(void **state)
{
    (void)state;
    for (int from = 0; from <= ROLE_READER; from++)
        for (int to = 0; to <= ROLE_READER; to++) {
            bool low = (!from || from >= ROLE_MEMBER) && (!to || to >= ROLE_MEMBER);
            assert_true(may(USER_PLAIN, APP_GROUP, ROLE_OWNER, false, from, to));
            assert_int_equal(may(USER_PLAIN, APP_GROUP, ROLE_MODERATOR, false, from, to), low);
            assert_int_equal(may(USER_MODERATOR, APP_GROUP, ROLE_READER, false, from, to), low);
            assert_false(may(USER_PLAIN, APP_GROUP, ROLE_MEMBER, false, from, to));
            assert_int_equal(may(USER_PLAIN, APP_GROUP, ROLE_MEMBER, true, from, to), !to); /* goes */
            assert_int_equal(may(USER_PLAIN, APP_PUBLIC, (enum store_member_role)0, true, from, to),
                             !to || (!from && to == ROLE_MEMBER)); /* joins */
        }
}

static const char *wrong_field(const char *json)
{
    struct json_object *object;
    struct app_wish wish;
    struct app_wrong wrong = {NULL, NULL};
    assert_int_equal(json_parse_object(str_of(json), &object), ERR_OK);
    bool fine = app_wish_read(object, "id", &wish, &wrong);
    json_object_put(object);
    app_wish_fini(&wish);
    assert_true(fine || wrong.rule);
    return fine ? "" : wrong.field;
}

static void a_wish_is_read_and_kept(void **state)
{
    (void)state;
    struct json_object *object;
    struct app_wish wish;
    struct app_wrong wrong;
    assert_int_equal(json_parse_object(STR("{\"id\":\"o-1\",\"type\":\"direct\",\"name\":\"茶\",\"meta\":{\"a\":[1]},"
                                           "\"members\":[\"ann\",\"bob\"],\"else\":1}"),
                                       &object),
                     ERR_OK);
    assert_true(app_wish_read(object, "id", &wish, &wrong));
    json_object_put(object); /* the wish is its own */
    assert_int_equal(wish.type, APP_DIRECT);
    assert_true(str_eq(wish.id, STR("o-1")) && str_eq(wish.title, STR("茶")) && str_eq(wish.meta, STR("{\"a\":[1]}")));
    assert_int_equal(wish.count, 2);
    assert_true(str_eq(wish.members[0], STR("ann")) && str_eq(wish.members[1], STR("bob")));
    app_wish_fini(&wish);
}

static void what_is_wrong_with_a_wish_is_named(void **state)
{
    (void)state;
    char many[8192];
    assert_string_equal(wrong_field("{\"type\":\"public\",\"id\":null,\"name\":null,\"meta\":null,\"members\":null}"),
                        "");
    assert_string_equal(wrong_field("{}"), "type");
    assert_string_equal(wrong_field("{\"type\":\"room\"}"), "type");
    assert_string_equal(wrong_field("{\"type\":1}"), "type");
    static const char *const ids[] = {"\"conv_1\"", "\"room_\"", "\"a\\u0001\"", "7", "[]"};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        snprintf(many, sizeof many, "{\"type\":\"group\",\"id\":%s}", ids[i]);
        assert_string_equal(wrong_field(many), "id");
    }
    assert_string_equal(wrong_field("{\"type\":\"group\",\"name\":\"a\\nb\"}"), "name");
    assert_string_equal(wrong_field("{\"type\":\"group\",\"meta\":[]}"), "meta");
    snprintf(many, sizeof many, "{\"type\":\"group\",\"meta\":{\"a\":\"%0*d\"}}", APP_META_MAX, 0);
    assert_string_equal(wrong_field(many), "meta");
    assert_string_equal(wrong_field("{\"type\":\"group\",\"members\":\"ann\"}"), "members");
    assert_string_equal(wrong_field("{\"type\":\"group\",\"members\":[\"ann\",1]}"), "members");
    assert_string_equal(wrong_field("{\"type\":\"group\",\"members\":[\"\"]}"), "members");
    int len = snprintf(many, sizeof many, "{\"type\":\"group\",\"members\":[\"a\"");
    for (int i = 1; i < APP_MEMBERS_AT_ONCE; i++)
        len += snprintf(many + len, sizeof many - (size_t)len, ",\"a\"");
    snprintf(many + len, sizeof many - (size_t)len, "]}");
    assert_string_equal(wrong_field(many), "");
    snprintf(many + len, sizeof many - (size_t)len, ",\"a\"]}");
    assert_string_equal(wrong_field(many), "members");
}

static void every_refusal_has_its_word(void **state)
{
    (void)state;
    for (int why = APP_ALLOWED + 1; why < APP_REFUSALS; why++)
        assert_true(*app_refusal_code((enum app_refusal)why) && *app_refusal_text((enum app_refusal)why));
    for (int role = ROLE_OWNER; role <= ROLE_READER; role++) {
        enum store_member_role read;
        assert_true(role_of_word(str_of(role_word((enum store_member_role)role)), &read));
        assert_int_equal(read, role);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_role_may),         cmocka_unit_test(who_changes_whom),
        cmocka_unit_test(a_wish_is_read_and_kept),    cmocka_unit_test(what_is_wrong_with_a_wish_is_named),
        cmocka_unit_test(every_refusal_has_its_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
