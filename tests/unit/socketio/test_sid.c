/* The names of Engine.IO connections: they lead to their relay, and only a relay can make one. */
#include "tests/unit/check.h"

#include "relay/socketio/sid.h"

static const unsigned char secret[SID_SECRET_BYTES] = "0123456789abcdef0123456789abcde";
static const unsigned char other_secret[SID_SECRET_BYTES] = "0123456789abcdef0123456789abcdf";

static void a_sid_leads_back_to_its_relay_and_connection(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 0x8000000000000000, UINT64_MAX, 0x0123456789abcdef};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char sid[SID_MAX];
        uint64_t incarnation, connection;
        sid_make(secret, STR(""), numbers[i], ~numbers[i], sid);
        assert_int_equal(strlen(sid), SID_LEN);
        assert_int_equal(strspn(sid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), SID_LEN);
        assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_OK);
        assert_true(incarnation == numbers[i]);
        assert_true(connection == ~numbers[i]);
    }
}

static void two_sids_of_one_connection_differ(void **state)
{
    (void)state;
    char one[SID_MAX], other[SID_MAX];
    sid_make(secret, STR(""), 1, 2, one);
    sid_make(secret, STR(""), 1, 2, other);
    assert_string_not_equal(one, other);
}

static void a_sid_with_any_character_changed_is_refused(void **state)
{
    (void)state;
    char sid[SID_MAX];
    uint64_t incarnation, connection;
    sid_make(secret, STR(""), 7, 9, sid);
    for (size_t i = 0; i < SID_LEN; i++) {
        char kept = sid[i];
        for (const char *at = "AQgw-_=+/ .\x80"; *at; at++) {
            if (*at == kept)
                continue;
            sid[i] = *at;
            assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_INVALID);
        }
        sid[i] = '\0';
        assert_int_equal(sid_read(secret, (struct str){sid, SID_LEN}, &incarnation, &connection), ERR_INVALID);
        assert_int_equal(sid_read(secret, (struct str){sid, i}, &incarnation, &connection), ERR_INVALID);
        sid[i] = kept;
    }
    assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_OK);
}

static void another_deployments_sid_is_refused(void **state)
{
    (void)state;
    char sid[SID_MAX], longer[SID_MAX + 1];
    uint64_t incarnation, connection;
    sid_make(other_secret, STR(""), 7, 9, sid);
    assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_INVALID);
    sid_make(secret, STR(""), 7, 9, sid);
    snprintf(longer, sizeof longer, "%sA", sid);
    assert_int_equal(sid_read(secret, str_of(longer), &incarnation, &connection), ERR_INVALID);
    assert_int_equal(sid_read(secret, STR(""), &incarnation, &connection), ERR_INVALID);
}

static void the_relays_name_before_a_sid_is_part_of_it(void **state)
{
    (void)state;
    char sid[SID_MAX], text[200];
    uint64_t incarnation, connection;
    static const char *const homes[] = {"relay1", "a", "Relay_2-b", "12345678901234567890123456789012"};
    static const char *const none[] = {"", "relay 1", "relay.1", "r\xc3\xa9lay", "123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof homes / sizeof homes[0]; i++) {
        assert_true(sid_home_ok(str_of(homes[i])));
        sid_make(secret, str_of(homes[i]), 7, 9, sid);
        snprintf(text, sizeof text, "%s.%s", homes[i], sid);
        assert_true(str_eq(sid_without_home(str_of(text)), str_of(sid)));
        assert_int_equal(sid_read(secret, str_of(text), &incarnation, &connection), ERR_OK);
        assert_true(incarnation == 7 && connection == 9);
        assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_INVALID);
        for (size_t at = 0; at <= strlen(homes[i]); at++) {
            char kept = text[at];
            text[at] = kept == 'A' ? 'B' : 'A';
            assert_int_equal(sid_read(secret, str_of(text), &incarnation, &connection), ERR_INVALID);
            text[at] = kept;
        }
    }
    sid_make(secret, STR(""), 7, 9, sid);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_false(sid_home_ok(str_of(none[i])));
        snprintf(text, sizeof text, "%s.%s", none[i], sid);
        assert_true(str_eq(sid_without_home(str_of(text)), str_of(text)));
        assert_int_equal(sid_read(secret, str_of(text), &incarnation, &connection), ERR_INVALID);
    }
    snprintf(text, sizeof text, "relay1.%s", sid);
    assert_int_equal(sid_read(secret, str_of(text), &incarnation, &connection), ERR_INVALID);
    assert_true(str_eq(sid_without_home(str_of(sid)), str_of(sid)));
    assert_true(str_eq(sid_without_home(STR("")), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sid_leads_back_to_its_relay_and_connection),
        cmocka_unit_test(two_sids_of_one_connection_differ),
        cmocka_unit_test(a_sid_with_any_character_changed_is_refused),
        cmocka_unit_test(another_deployments_sid_is_refused),
        cmocka_unit_test(the_relays_name_before_a_sid_is_part_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
