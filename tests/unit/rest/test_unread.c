/* What is unread over REST: who may ask, what is answered, and who is told of a marker that moved. */
#include "rest_fakes.h"

#include "common/store/store_native.h"

#define NICK  "user_000000000000000000000000000000a1"
#define ROOM  "room_00000000000000000000000000000007"
#define SPACE "space_00000000000000000000000000000008"

static uint64_t marker;
static enum err uncounted; /* what is unread cannot be counted */
static enum err broken;

enum err store_native_user(struct store *store, struct str user_id, struct store_native_user *user)
{
    (void)store;
    *user = (struct store_native_user){.user = 9};
    return broken ? broken : str_eq(user_id, STR(NICK)) ? ERR_OK : ERR_NOT_FOUND;
}

enum err store_native_memberships(struct store *store, uint64_t user, const struct str *ids, size_t count,
                                  struct store_native_membership *memberships)
{
    (void)store;
    assert_int_equal(user, 9);
    assert_int_equal(count, 1);
    memberships[0] = (struct store_native_membership){.seq = 20, .read_seq = marker};
    if (str_eq(ids[0], STR(ROOM)))
        memberships[0].kind = KIND_CHATROOM, memberships[0].conversation = 7;
    if (str_eq(ids[0], STR(SPACE)))
        memberships[0].kind = KIND_SPACE, memberships[0].conversation = 8;
    return ERR_OK;
}

enum err store_native_unread(struct store *store, uint64_t conversation, uint64_t user, uint64_t after, uint64_t among,
                             uint64_t *count)
{
    assert_true(among);
    (void)store;
    assert_true(conversation == 7 || conversation == 8);
    assert_int_equal(user, 9);
    *count = 20 - after;
    return uncounted;
}

enum err store_native_read(struct store *store, uint64_t user, uint64_t seq, struct store_native_membership *membership)
{
    (void)store;
    (void)user;
    seq = seq > membership->seq ? membership->seq : seq;
    fake.writes += seq > marker;
    marker = membership->read_seq = seq > membership->read_seq ? seq : membership->read_seq;
    return ERR_OK;
}

static int reset_unread(void **state)
{
    marker = 15;
    broken = uncounted = ERR_OK;
    return reset(state);
}

static void a_member_of_a_room_asks_with_their_id(void **state)
{
    (void)state;
    static const char path[] = "/api/rooms/" ROOM "/unread";
    assert_int_equal(call_as("GET", path, "nickId=" NICK, NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body), "{\"success\":true,\"data\":{\"seq\":20,\"read\":15,\"unread\":5}}");
    assert_int_equal(call_as("GET", path, NULL, NULL, BYTES("")), 400);
    assert_int_equal(call_as("GET", path, "nickId=" NICK "x", NULL, BYTES("")), 404);
    assert_int_equal(call_as("GET", "/api/rooms/" SPACE "/unread", "nickId=" NICK, NULL, BYTES("")), 404);
    broken = ERR_DOWN;
    assert_int_equal(call_as("GET", path, "nickId=" NICK, NULL, BYTES("")), 503);
}

static void a_marker_that_moved_is_told_to_the_user(void **state)
{
    (void)state;
    assert_answer("POST", "/api/rooms/" ROOM "/read", BYTES("{\"nickId\":\"" NICK "\",\"seq\":18}"), 200,
                  "{\"success\":true,\"data\":{\"seq\":20,\"read\":18,\"unread\":2}}");
    assert_int_equal(fake.published, 1);
    assert_int_equal(fake.publications[0].kind, WIRE_READ);
    assert_int_equal(fake.publications[0].conversation, WIRE_INBOX(9));
    assert_int_equal(fake.mark.conversation, 7);
    assert_int_equal(fake.mark.seq, 18);
    assert_answer("POST", "/api/rooms/" ROOM "/read", BYTES("{\"nickId\":\"" NICK "\",\"seq\":3}"), 200,
                  "{\"success\":true,\"data\":{\"seq\":20,\"read\":18,\"unread\":2}}");
    assert_int_equal(fake.published, 1);
    static const char *const bad[] = {"{\"nickId\":\"" NICK "\"}", "{\"seq\":3}",
                                      "{\"nickId\":\"" NICK "\",\"seq\":\"3\"}", "{\"nickId\":\"" NICK "\",\"seq\":-1}",
                                      "{\"nickId\":7,\"seq\":3}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(call("POST", "/api/rooms/" ROOM "/read", str_of(bad[i])), 400);
}

static void a_marker_that_moved_is_not_said_to_be_where_it_was(void **state)
{
    (void)state;
    uncounted = ERR_DOWN;
    assert_answer("POST", "/api/rooms/" ROOM "/read", BYTES("{\"nickId\":\"" NICK "\",\"seq\":18}"), 504,
                  "{\"error\":\"it is not known whether it was done\",\"code\":\"unknown\"}");
    assert_int_equal(fake.published, 1);
    assert_answer("POST", "/api/rooms/" ROOM "/read", BYTES("{\"nickId\":\"" NICK "\",\"seq\":17}"), 503,
                  "{\"error\":\"service unavailable\",\"code\":\"unavailable\"}");
}

static void a_space_asks_for_a_token(void **state)
{
    (void)state;
    assert_int_equal(call("GET", "/api/spaces/" SPACE "/unread", BYTES("")), 401);
    assert_int_equal(call("POST", "/api/spaces/" SPACE "/read", BYTES("{\"seq\":3}")), 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_member_of_a_room_asks_with_their_id, reset_unread),
        cmocka_unit_test_setup(a_marker_that_moved_is_told_to_the_user, reset_unread),
        cmocka_unit_test_setup(a_marker_that_moved_is_not_said_to_be_where_it_was, reset_unread),
        cmocka_unit_test_setup(a_space_asks_for_a_token, reset_unread),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
