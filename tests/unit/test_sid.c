/* The names of Engine.IO connections: they lead to their relay, and only a relay can make one. */
#include "check.h"

#include "relay/sid.h"

static const unsigned char secret[SID_SECRET_BYTES] = "0123456789abcdef0123456789abcde";
static const unsigned char other_secret[SID_SECRET_BYTES] = "0123456789abcdef0123456789abcdf";

static void a_sid_leads_back_to_its_relay_and_connection(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 0x8000000000000000, UINT64_MAX, 0x0123456789abcdef};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char sid[SID_MAX];
        uint64_t incarnation, connection;
        sid_make(secret, numbers[i], ~numbers[i], sid);
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
    sid_make(secret, 1, 2, one);
    sid_make(secret, 1, 2, other);
    assert_string_not_equal(one, other);
}

static void a_sid_with_any_character_changed_is_refused(void **state)
{
    (void)state;
    char sid[SID_MAX];
    uint64_t incarnation, connection;
    sid_make(secret, 7, 9, sid);
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
    sid_make(other_secret, 7, 9, sid);
    assert_int_equal(sid_read(secret, str_of(sid), &incarnation, &connection), ERR_INVALID);
    sid_make(secret, 7, 9, sid);
    snprintf(longer, sizeof longer, "%sA", sid);
    assert_int_equal(sid_read(secret, str_of(longer), &incarnation, &connection), ERR_INVALID);
    assert_int_equal(sid_read(secret, STR(""), &incarnation, &connection), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sid_leads_back_to_its_relay_and_connection),
        cmocka_unit_test(two_sids_of_one_connection_differ),
        cmocka_unit_test(a_sid_with_any_character_changed_is_refused),
        cmocka_unit_test(another_deployments_sid_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
