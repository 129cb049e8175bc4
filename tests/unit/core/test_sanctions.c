/* Mutes and bans in a relay's memory, and kicks on the wire; the clock stands still. */
#include "tests/unit/check.h"

#include "common/clock.h"
#include "common/rate.h"
#include "relay/core/sanctions.h"

enum { START_MS = 1000000 };

static struct sanctions all;

static int begin(void **state)
{
    (void)state;
    clock_freeze(START_MS);
    all = (struct sanctions){0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    sanctions_fini(&all);
    clock_freeze(-1);
    return 0;
}

static bool banned(uint64_t user, const char *address, uint64_t conversation)
{
    return sanctions_on(&all, SANCTION_BAN, user, rate_address_key(str_of(address)), conversation);
}

static void a_ban_holds_where_it_is_meant(void **state)
{
    (void)state;
    assert_true(sanctions_put(&all, &(struct sanction){.id = 1, .kind = SANCTION_BAN, .user = 7}));
    assert_true(sanctions_put(&all, &(struct sanction){.id = 2, .kind = SANCTION_BAN, .user = 8, .conversation = 3}));
    assert_true(sanctions_put(&all, &(struct sanction){.id = 3, .kind = SANCTION_BAN, .address = "192.0.2.1"}));
    assert_true(banned(7, "", 0) && banned(7, "", 3) && banned(7, "", 4));
    assert_true(!banned(8, "", 0) && banned(8, "", 3) && !banned(8, "", 4));
    assert_true(banned(9, "192.0.2.1", 4) && banned(0, "192.0.2.1", 0) && !banned(9, "192.0.2.2", 4));
    assert_false(banned(0, "", 0));
    assert_false(sanctions_on(&all, SANCTION_MUTE, 7, 0, 0));
    assert_false(sanctions_on(NULL, SANCTION_BAN, 7, 0, 0));
}

static void one_that_is_known_is_no_news(void **state)
{
    (void)state;
    struct sanction ban = {.id = 1, .kind = SANCTION_BAN, .user = 7};
    assert_true(sanctions_put(&all, &ban));
    assert_false(sanctions_put(&all, &ban));
    ban.lifted = true;
    assert_false(sanctions_put(&all, &ban));
    assert_false(banned(7, "", 0));
    assert_false(sanctions_put(&all, &ban)); /* lifted before it was known */
}

static void several_on_one_user_are_lifted_one_by_one(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 3; id++)
        sanctions_put(&all, &(struct sanction){.id = id, .kind = SANCTION_BAN, .user = 7, .conversation = id});
    sanctions_put(&all,
                  &(struct sanction){.id = 2, .kind = SANCTION_BAN, .user = 7, .conversation = 2, .lifted = true});
    assert_true(banned(7, "", 1) && !banned(7, "", 2) && banned(7, "", 3));
    sanctions_put(&all,
                  &(struct sanction){.id = 3, .kind = SANCTION_BAN, .user = 7, .conversation = 3, .lifted = true});
    sanctions_put(&all,
                  &(struct sanction){.id = 1, .kind = SANCTION_BAN, .user = 7, .conversation = 1, .lifted = true});
    assert_false(banned(7, "", 1));
}

static void a_ban_ends_when_its_time_is_over(void **state)
{
    (void)state;
    sanctions_put(&all, &(struct sanction){.id = 1, .kind = SANCTION_BAN, .user = 7, .until_ms = START_MS + 1000});
    assert_false(
        sanctions_put(&all, &(struct sanction){.id = 2, .kind = SANCTION_BAN, .user = 8, .until_ms = START_MS}));
    clock_freeze(START_MS + 999);
    assert_true(banned(7, "", 0));
    clock_freeze(START_MS + 1000);
    assert_false(banned(7, "", 0));
    assert_int_equal(all.by_id.count, 1);
    sanctions_sweep(&all, 0);
    assert_int_equal(all.by_id.count, 0);
}

static bool revoked(uint64_t user, uint64_t conversation, uint32_t generation)
{
    return sanctions_revoked(&all, user, conversation, generation);
}

static void what_was_seen_before_a_revocation_is_void_and_what_was_seen_after_it_is_not(void **state)
{
    (void)state;
    assert_false(revoked(7, 3, 0));
    assert_false(sanctions_revoked(NULL, 7, 3, 0));
    struct sanction everywhere = {.id = 1, .kind = SANCTION_REVOCATION, .user = 7, .generation = 5};
    struct sanction in_one = {.id = 2, .kind = SANCTION_REVOCATION, .user = 8, .conversation = 3, .generation = 1};
    assert_true(sanctions_put(&all, &everywhere) && sanctions_put(&all, &in_one));
    assert_false(sanctions_put(&all, &everywhere)); /* heard again, it is no news */
    assert_true(revoked(7, 0, 4) && revoked(7, 3, 4) && !revoked(7, 3, 5) && !revoked(7, 0, 6));
    assert_true(revoked(8, 3, 0) && !revoked(8, 3, 1) && !revoked(8, 0, 0) && !revoked(8, 4, 0));
    assert_true(!revoked(9, 3, 0) && !revoked(0, 3, 0));
    assert_false(banned(7, "", 3)); /* nor muted: whoever proves it again is in */
    assert_false(sanctions_on(&all, SANCTION_MUTE, 7, 0, 0));
}

static void revocations_of_all_tokens_are_counted_once_each(void **state)
{
    (void)state;
    struct sanction tokens = {.id = 1, .kind = SANCTION_REVOCATION};
    assert_true(sanctions_put(&all, &tokens));
    assert_false(sanctions_put(&all, &tokens));
    assert_int_equal(all.tokens_voided, 1);
    sanctions_put(&all, &(struct sanction){.id = 2, .kind = SANCTION_REVOCATION, .user = 7, .generation = 1});
    assert_int_equal(all.tokens_voided, 1);
}

/* It must be known while a look-up from before may still be on its way, and while the database may tell of it again. */
static void a_revocation_is_forgotten_when_nobody_can_have_missed_it(void **state)
{
    (void)state;
    const int64_t eleven_minutes_ms = 660000;
    sanctions_put(&all, &(struct sanction){
                            .id = 1, .kind = SANCTION_REVOCATION, .user = 7, .generation = 5, .changed_ms = START_MS});
    sanctions_sweep(&all, START_MS + 1);
    assert_true(revoked(7, 0, 4));
    clock_freeze(START_MS + eleven_minutes_ms);
    sanctions_sweep(&all, START_MS);
    assert_true(revoked(7, 0, 4));
    sanctions_sweep(&all, START_MS + 1);
    assert_false(revoked(7, 0, 4));
    assert_int_equal(all.by_id.count, 0);
}

static void names_are_those_of_exactly_these_bytes(void **state)
{
    (void)state;
    sanctions_put(&all, &(struct sanction){.id = 1, .kind = SANCTION_MUTE, .name = "小明", .conversation = 3});
    sanctions_put(&all, &(struct sanction){.id = 2, .kind = SANCTION_BAN, .name = "bob"});
    assert_true(sanctions_on_name(&all, SANCTION_MUTE, STR("小明"), 3));
    assert_false(sanctions_on_name(&all, SANCTION_MUTE, STR("小明"), 4));
    assert_true(sanctions_on_name(&all, SANCTION_BAN, STR("bob"), 4));
    assert_false(sanctions_on_name(&all, SANCTION_BAN, STR("Bob"), 4));
    assert_false(sanctions_on_name(&all, SANCTION_BAN, STR(""), 4));
}

static void an_address_is_written_in_one_way(void **state)
{
    (void)state;
    char out[SANCTION_ADDRESS_MAX];
    assert_int_equal(sanction_address(STR("192.0.2.1"), out), ERR_OK);
    assert_string_equal(out, "192.0.2.1");
    assert_int_equal(sanction_address(STR("2001:DB8:1:2:3::4"), out), ERR_OK);
    assert_string_equal(out, "2001:db8:1:2::");
    assert_int_equal(sanction_address(STR("::ffff:192.0.2.1"), out), ERR_OK);
    assert_string_equal(out, "192.0.2.1");
    static const char *const none[] = {"", "bob", "192.0.2", "192.0.2.1/24", "' OR 1=1--"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(sanction_address(str_of(none[i]), out), ERR_INVALID);
}

static void a_kick_comes_over_the_wire_whole_or_not_at_all(void **state)
{
    (void)state;
    struct sanction kick = {
        .kind = SANCTION_KICK, .user = 7, .conversation = 3, .address = "192.0.2.1", .name = "小明"};
    struct sanction got;
    struct buf out;
    buf_init(&out, 1024);
    sanction_add_kick(&out, &kick);
    assert_int_equal(sanction_get_kick(buf_str(&out), &got), ERR_OK);
    assert_int_equal(got.user, 7);
    assert_int_equal(got.conversation, 3);
    assert_string_equal(got.address, kick.address);
    assert_string_equal(got.name, kick.name);
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(sanction_get_kick((struct str){out.data, len}, &got), ERR_INVALID);
    buf_add_char(&out, 'x');
    assert_int_equal(sanction_get_kick(buf_str(&out), &got), ERR_INVALID);
    buf_clear(&out);
    sanction_add_kick(&out, &(struct sanction){.kind = SANCTION_KICK, .conversation = 3});
    assert_int_equal(sanction_get_kick(buf_str(&out), &got), ERR_INVALID); /* on nobody */
    buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

/* As many as there may be, by user and by name, half of them for a while: each is found at once, and when their time is
 * over they go together. Looked for one by one, that would take minutes. */
static void many_are_over_at_once(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    char name[16];
    for (uint64_t i = 1; i <= MANY; i++) {
        struct sanction ban = {.id = i, .kind = SANCTION_BAN, .until_ms = i % 2 ? START_MS + 1000 : 0};
        if (i % 4 < 2)
            ban.user = i;
        else
            snprintf(ban.name, sizeof ban.name, "n%llu", (unsigned long long)i);
        assert_true(sanctions_put(&all, &ban));
    }
    assert_true(sanctions_on_name(&all, SANCTION_BAN, STR("n2"), 0));
    clock_freeze(START_MS + 1001);
    sanctions_sweep(&all, 0);
    assert_int_equal(all.by_id.count, MANY / 2);
    for (uint64_t i = 1; i <= MANY; i++) {
        snprintf(name, sizeof name, "n%llu", (unsigned long long)i);
        bool there = i % 4 < 2 ? banned(i, "", 0) : sanctions_on_name(&all, SANCTION_BAN, str_of(name), 0);
        assert_int_equal(there, i % 2 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_ban_holds_where_it_is_meant),
        TEST(one_that_is_known_is_no_news),
        TEST(several_on_one_user_are_lifted_one_by_one),
        TEST(a_ban_ends_when_its_time_is_over),
        TEST(what_was_seen_before_a_revocation_is_void_and_what_was_seen_after_it_is_not),
        TEST(revocations_of_all_tokens_are_counted_once_each),
        TEST(a_revocation_is_forgotten_when_nobody_can_have_missed_it),
        TEST(names_are_those_of_exactly_these_bytes),
        TEST(an_address_is_written_in_one_way),
        TEST(a_kick_comes_over_the_wire_whole_or_not_at_all),
        TEST(many_are_over_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
