/* What an application may say of its users. */
#include "tests/unit/check.h"

#include "common/app_claims.h"

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A128 A64 A64

static void ids_are_short_texts_without_controls(void **state)
{
    (void)state;
    assert_true(app_id_ok(STR("1")) && app_id_ok(STR("Ann O'Neil")) && app_id_ok(STR("张三")));
    assert_true(app_id_ok(STR(A128)) && !app_id_ok(STR(A128 "a")));
    assert_false(app_id_ok(STR("")) || app_id_ok(STR("a\nb")) || app_id_ok(STR("a\0b")) || app_id_ok(STR(" ")));
    assert_false(app_id_ok(STR("\xed\xa0\x80")) || app_id_ok(STR("\xc0\x80")) || app_id_ok(STR("a\xe2\x80\xae")));
}

static const char *wrong(struct app_claims claims)
{
    claims.id = STR("1");
    return app_claims_wrong(&claims, "/media/");
}

static void what_breaks_a_rule_is_named(void **state)
{
    (void)state;
    struct app_claims nameless = {.id = STR("")};
    assert_string_equal(app_claims_wrong(&nameless, "/media/"), "id");
    assert_null(wrong((struct app_claims){.name = STR("\n")})); /* it was not said */
    assert_null(wrong((struct app_claims){.has_name = true, .has_face = true, .has_meta = true}));
    assert_null(wrong((struct app_claims){.has_name = true, .name = STR(A128 A128)}));
    assert_string_equal(wrong((struct app_claims){.has_name = true, .name = STR(A128 A128 "a")}), "name");
    assert_string_equal(wrong((struct app_claims){.has_name = true, .name = STR("a\x01")}), "name");
    assert_null(wrong((struct app_claims){.has_face = true, .face = STR("https://faces.example/1.png")}));
    assert_null(wrong((struct app_claims){.has_face = true, .face = STR("/media/1.png")}));
    assert_string_equal(wrong((struct app_claims){.has_face = true, .face = STR("javascript:alert(1)")}), "face");
    assert_null(wrong((struct app_claims){.has_meta = true, .meta = STR("{\"a\":[1]}")}));
    assert_string_equal(wrong((struct app_claims){.has_meta = true, .meta = STR("[1]")}), "meta");
    assert_string_equal(wrong((struct app_claims){.has_meta = true, .meta = STR("{")}), "meta");
}

static void roles_have_names(void **state)
{
    (void)state;
    enum store_user_role role;
    assert_true(app_role_of(STR("moderator"), false, &role) && role == USER_MODERATOR);
    assert_true(app_role_of(STR("administrator"), true, &role) && role == USER_ADMINISTRATOR);
    assert_false(app_role_of(STR("administrator"), false, &role) || app_role_of(STR(""), true, &role));
    assert_string_equal(app_role_name(USER_PLAIN), "user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_short_texts_without_controls),
        cmocka_unit_test(what_breaks_a_rule_is_named),
        cmocka_unit_test(roles_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
