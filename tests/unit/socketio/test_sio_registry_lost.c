/* What Redis knows of Socket.IO's sockets, when it or a relay was lost. */
#include "registry_fakes.h"

/* ---- Redis lost ---- */

static void without_redis_every_question_is_answered_at_once(void **state)
{
    (void)state;
    is_up = false;
    sio_registry_add(&ann);
    sio_registry_join(&ann, STR("reds"));
    assert_int_equal(claim(&ann, "ann"), ERR_DOWN);
    assert_int_equal(who("ann"), ERR_DOWN);
    assert_int_equal(recover(PID_A), ERR_DOWN);
    sio_registry_bus_state(false);
    sio_registry_drop(&ann, true);
    pass_a_turn();
    is_up = true;
    check_empty();
}

static void all_is_said_again_to_a_redis_that_was_emptied(void **state)
{
    (void)state;
    living[0] = &ann;
    living[1] = &bob;
    living_count = 2;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    ask("FLUSHALL");
    sio_registry_bus_state(false);
    sio_registry_bus_state(true);
    assert_int_equal(said_all, 1);
    assert_ask(SID_A " " SID_B, "SORT t:io:all:/ ALPHA");
    assert_ask(SID_A, "SMEMBERS %s", "t:io:room:/ reds");
    assert_int_equal(who("ann"), ERR_OK);
}

static void what_went_while_redis_was_away_is_swept_out(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_add(&bob);
    be(2);
    static const struct sio_record cyn = {{"/", 1}, {"CCCCCCCCCCCCCCCCCCCC", 20}, {"", 0}, {"", 0}, NULL, 0, 0};
    sio_registry_add(&cyn); /* another relay's stays */
    be(1);
    is_up = false;
    sio_registry_drop(&ann, true);
    struct sio_record fewer = {STR("/"), STR(SID_B), STR(PID_B), STR(""), two_rooms, 1, 0};
    sio_registry_add(&fewer);
    is_up = true;
    living[0] = &fewer;
    living_count = 1;
    sio_registry_bus_state(true);
    assert_ask(SID_B " CCCCCCCCCCCCCCCCCCCC", "SORT t:io:all:/ ALPHA");
    assert_ask("/ " SID_B, "SMEMBERS t:io:of:r:1");
    assert_ask(SID_B, "SMEMBERS %s", "t:io:room:/ reds");
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
    assert_int_equal(recover(PID_A), ERR_OK); /* it can come back as if Redis had been told */
}

static void a_sweep_goes_through_many(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    for (int i = 0; i < MANY; i++) {
        char sid[IO_SID_LEN + 1];
        snprintf(sid, sizeof sid, "%020d", i);
        struct sio_record one = {STR("/"), str_of(sid), STR(""), STR(""), two_rooms, 2, 0};
        sio_registry_add(&one);
    }
    living[0] = &bob;
    living_count = 1;
    commands = 0;
    sio_registry_bus_state(true);
    assert_in_range(commands, 4, 100); /* in portions, but not one by one */
    assert_ask(SID_B, "SMEMBERS t:io:all:/");
    assert_ask("0", "EXISTS t:io:rooms:/");
}

static void all_is_said_again(void)
{
    sio_registry_bus_state(true);
}

static void who_comes_back_while_all_is_said_again_is_not_swept_out(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    sio_registry_drop(&ann, true);
    meanwhile = all_is_said_again; /* by a relay that has not heard of it yet */
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_ask(SID_A, "SMEMBERS t:io:all:/");
    assert_int_equal(who("ann"), ERR_OK);
}

/* ---- relays lost ---- */

static void the_sockets_of_a_dead_relay_can_come_back(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    be(2);
    sio_registry_add(&bob);
    pass_a_turn();
    assert_ask(SID_A " " SID_B, "SORT t:io:all:/ ALPHA"); /* both live */
    ask("DEL t:lease:r:1");
    pass_a_turn();
    assert_ask(SID_B, "SMEMBERS t:io:all:/");
    assert_ask("0", "EXISTS t:io:rooms:/");
    assert_ask("r:2", "SMEMBERS t:io:relays");
    assert_int_equal(who("ann"), ERR_NOT_FOUND);
    assert_in_range(atoi(ask("PTTL %s", "t:io:pid:/ " PID_A)), 1, RECOVERY_MS);
    assert_int_equal(recover(PID_A), ERR_OK);
    assert_ask("r:2", "HGET %s entry", "t:io:sid:/ " SID_A);
    pass_a_turn();
    assert_int_equal(who("ann"), ERR_OK); /* nobody drops it again */
}

static void a_relay_that_was_taken_for_dead_says_all_again(void **state)
{
    (void)state;
    sio_registry_add(&ann);
    be(2);
    ask("DEL t:lease:r:1");
    pass_a_turn();
    be(1); /* wakes, and renews its lease */
    living[0] = &ann;
    living_count = 1;
    pass_a_turn();
    assert_int_equal(said_all, 1);
    assert_ask(SID_A, "SMEMBERS t:io:all:/");
    assert_ask("-1", "PTTL %s", "t:io:pid:/ " PID_A);
    pass_a_turn();
    assert_int_equal(said_all, 1);
}

static void a_dead_relays_many_sockets_are_dropped_in_portions(void **state)
{
    (void)state;
    enum { MANY = 1200 };
    for (int i = 0; i < MANY; i++) {
        char sid[IO_SID_LEN + 1];
        snprintf(sid, sizeof sid, "%020d", i);
        struct sio_record one = {STR("/news"), str_of(sid), STR(""), STR(""), NULL, 0, 0};
        sio_registry_add(&one);
    }
    be(2);
    ask("DEL t:lease:r:1");
    commands = 0;
    pass_a_turn();
    assert_in_range(commands, MANY / IO_PAGE, MANY / IO_PAGE + 3); /* at once, but no script takes many */
    check_empty();
    assert_ask("", "SMEMBERS t:io:relays");
}

static void answers_after_the_end_are_harmless(void **state)
{
    (void)state;
    meanwhile = sio_registry_fini;
    sio_registry_bus_state(true);
    meanwhile = sio_registry_fini;
    be(1);
    assert_int_equal(who("x"), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_redis_every_question_is_answered_at_once),
        TEST(all_is_said_again_to_a_redis_that_was_emptied),
        TEST(what_went_while_redis_was_away_is_swept_out),
        TEST(a_sweep_goes_through_many),
        TEST(who_comes_back_while_all_is_said_again_is_not_swept_out),
        TEST(the_sockets_of_a_dead_relay_can_come_back),
        TEST(a_relay_that_was_taken_for_dead_says_all_again),
        TEST(a_dead_relays_many_sockets_are_dropped_in_portions),
        TEST(answers_after_the_end_are_harmless),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, start_redis, stop_redis);
}
