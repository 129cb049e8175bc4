/* Who waits to be let in: places, shares of addresses, and who goes first. */
#include "tests/unit/check.h"

#include "relay/core/lobby.h"

#include <stdlib.h>

enum { GUESTS = 200 };

struct visitor {
    struct lobby_guest guest;
    int out;
};

static struct lobby lobby;
static struct visitor visitors[GUESTS];
static size_t order[GUESTS], gone; /* in which they were put out */

static void on_out(struct lobby_guest *guest)
{
    struct visitor *visitor = (struct visitor *)(void *)guest;
    assert_false(lobby_is_in(guest));
    visitor->out++;
    order[gone++] = (size_t)(visitor - visitors);
}

static void enter(size_t i, uint64_t address)
{
    lobby_enter(&lobby, &visitors[i].guest, address, on_out);
}

static int begin_with(int64_t connections, int64_t max, int64_t address_max)
{
    struct settings settings = {.max_connections = connections, .lobby_max = max, .lobby_address_max = address_max};
    memset(visitors, 0, sizeof visitors);
    gone = 0;
    lobby_init(&lobby, &settings);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    return begin_with(1000, 10, 4);
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < GUESTS; i++)
        lobby_leave(&lobby, &visitors[i].guest);
    lobby_fini(&lobby);
    return 0;
}

static void the_oldest_of_an_address_goes_first(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++)
        enter(i, 7);
    assert_int_equal(gone, 0); /* whoever comes may be in the middle of something */
    lobby_flush(&lobby);
    assert_int_equal(gone, 2);
    assert_true(order[0] == 0 && order[1] == 1);
    assert_int_equal(lobby.count, 4);
}

static void who_floods_pushes_out_their_own(void **state)
{
    (void)state;
    enter(0, 1);
    enter(1, 2);
    for (size_t i = 2; i < 100; i++) {
        enter(i, 3 + i % 3);
        lobby_flush(&lobby);
    }
    assert_int_equal(visitors[0].out + visitors[1].out, 0);
    assert_int_equal(lobby.count, 10);
    enter(100, 9); /* a newcomer of an address of its own */
    lobby_flush(&lobby);
    assert_int_equal(visitors[100].out, 0);
    assert_int_equal(lobby.count, 10);
}

static void who_was_let_in_is_not_put_out(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        enter(i, 7);
    lobby_leave(&lobby, &visitors[0].guest);
    lobby_leave(&lobby, &visitors[0].guest); /* nothing */
    for (size_t i = 4; i < 50; i++) {
        enter(i, 7);
        lobby_flush(&lobby);
    }
    assert_int_equal(visitors[0].out, 0);
    assert_int_equal(visitors[1].out, 1);
}

static void who_comes_anew_is_the_newest(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        enter(i, 7);
    enter(0, 7);
    assert_int_equal(lobby.count, 4);
    enter(4, 7);
    lobby_flush(&lobby);
    assert_true(gone == 1 && order[0] == 1);
}

static void a_full_house_makes_room_as_long_as_somebody_waits(void **state)
{
    (void)state;
    assert_false(lobby_makes_room(&lobby));
    enter(0, 1);
    enter(1, 2);
    enter(2, 2);
    assert_true(lobby_could_make_room(&lobby));
    assert_true(lobby_makes_room(&lobby) && lobby_makes_room(&lobby) && lobby_makes_room(&lobby));
    assert_false(lobby_makes_room(&lobby)); /* all three were promised */
    lobby_flush(&lobby);
    assert_int_equal(gone, 3);
    assert_int_equal(order[0], 1); /* the oldest of the address that had most */
    enter(3, 1);
    lobby_flush(&lobby);
    assert_int_equal(visitors[3].out, 0); /* a promise is kept once */
    assert_false(lobby_makes_room(NULL));
}

static void those_who_wait_never_have_more_than_half_of_all_places(void **state)
{
    (void)state;
    end(NULL);
    begin_with(20, 1000, 1000);
    for (size_t i = 0; i < 50; i++)
        enter(i, 1 + i);
    lobby_flush(&lobby);
    assert_int_equal(lobby.count, 10);
}

/* Against a plain list: whoever is put out is the oldest of an address that has most, or of one that has too many. */
static void whatever_comes_and_goes_the_bounds_hold_and_the_right_ones_go(void **state)
{
    (void)state;
    srand(5);
    for (int round = 0; round < 20000; round++) {
        size_t i = (size_t)rand() % GUESTS;
        if (rand() % 4)
            enter(i, (uint64_t)(rand() % 6 ? 1 + rand() % 2 : 3 + rand() % 5));
        else
            lobby_leave(&lobby, &visitors[i].guest);
        if (rand() % 3)
            continue;
        size_t most = 0, before = lobby.count;
        for (size_t v = 0; v < GUESTS; v++)
            if (lobby_is_in(&visitors[v].guest) && visitors[v].guest.party->count > most)
                most = visitors[v].guest.party->count;
        gone = 0;
        lobby_flush(&lobby);
        assert_true(lobby.count <= 10);
        assert_int_equal(lobby.count + gone, before);
        if (before <= 10 && most <= 4)
            assert_int_equal(gone, 0);
        size_t in = 0;
        for (size_t v = 0; v < GUESTS; v++) {
            in += lobby_is_in(&visitors[v].guest);
            if (lobby_is_in(&visitors[v].guest))
                assert_true(visitors[v].guest.party->count <= 4);
        }
        assert_int_equal(in, lobby.count);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_oldest_of_an_address_goes_first),
        TEST(who_floods_pushes_out_their_own),
        TEST(who_was_let_in_is_not_put_out),
        TEST(who_comes_anew_is_the_newest),
        TEST(a_full_house_makes_room_as_long_as_somebody_waits),
        TEST(those_who_wait_never_have_more_than_half_of_all_places),
        TEST(whatever_comes_and_goes_the_bounds_hold_and_the_right_ones_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
