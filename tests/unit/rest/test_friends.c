/* The friend chat's calls: what they answer, whom they believe, and what they refuse. */
#include "account_fakes.h"

#define UNAUTHORIZED "{\"error\":\"a valid token or password is needed\",\"code\":\"unauthorized\"}"
#define INVALID      "{\"error\":\"the request breaks a rule\",\"code\":\"invalid\"}"
#define NOT_FOUND    "{\"error\":\"no such thing\",\"code\":\"not_found\"}"
#define NO_USER      "{\"error\":\"no such user\",\"code\":\"not_found\"}"

static bool answer_has(const char *text)
{
    return memmem(response.body.data, response.body.len, text, strlen(text)) != NULL;
}

/* ---- users ---- */

static void a_name_is_a_user(void **state)
{
    (void)state;
    assert_answer("POST", "/api/users", BYTES("{\"name\":\"ann\"}"), 200,
                  "{\"success\":true,\"data\":{\"userId\":\"" ANN "\",\"name\":\"ann\"}}");
    assert_int_equal(accounts.realm, REALM_FRIENDS);
    assert_answer("POST", "/api/users", BYTES("{\"name\":\"茶\\\"\",\"password\":null}"), 200,
                  "{\"success\":true,\"data\":{\"userId\":\"user_00000000000000000000000000000004\","
                  "\"name\":\"茶\\\"\"}}");
    assert_int_equal(accounts.hashed + accounts.checked, 0);
}

static void a_password_gets_a_token(void **state)
{
    (void)state;
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"cyn\",\"password\":\"secret\"}")), 200);
    assert_true(answer_has("{\"userId\":\"" CYN "\",\"name\":\"cyn\",\"token\":\"ey"));
    assert_true(answer_has("\"expires\":"));
    assert_answer("POST", "/api/users", BYTES("{\"name\":\"cyn\"}"), 401, UNAUTHORIZED);
    assert_answer("POST", "/api/users", BYTES("{\"name\":\"cyn\",\"password\":\"secreT\"}"), 401, UNAUTHORIZED);
    assert_int_equal(accounts.hashed, 0);
}

static void the_first_password_is_set(void **state)
{
    (void)state;
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"ann\",\"password\":\"mine!!\"}")), 200);
    assert_string_equal(accounts.users[0].hash, "hash of mine!!");
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"new\",\"password\":\"mine!!\"}")), 200);
    assert_string_equal(accounts.users[3].hash, "hash of mine!!");
    accounts.rival_sets = true;
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"bob\",\"password\":\"mine!!\"}")), 401);
    accounts.users[1].hash[0] = '\0';
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"bob\",\"password\":\"rival!\"}")), 200);
}

static void without_a_key_for_tokens_nobody_is_locked_out(void **state)
{
    (void)state;
    tokens.secret = "";
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"ann\",\"password\":\"mine!!\"}")), 501);
    assert_true(answer_has("no_tokens"));
    assert_string_equal(accounts.users[0].hash, "");
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"ann\"}")), 200);
}

static int guess(const char *name, const char *password)
{
    char body[200];
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"password\":\"%s\"}", name, password);
    return call("POST", "/api/users", str_of(body));
}

static void wrong_passwords_are_counted_and_right_ones_are_not(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_int_equal(guess("cyn", "secret"), 200);
    for (int i = 0; i < 3; i++)
        assert_int_equal(guess("cyn", "wrong!"), 401);
    accounts.checked = 0;
    assert_int_equal(guess("cyn", "secret"), 429); /* not even looked at */
    assert_int_equal(accounts.checked, 0);
    assert_int_equal(response.retry_after_s, 61);
    assert_bytes(buf_str(&response.body), "{\"error\":\"too many attempts, try again later\",\"code\":\"too_many\"}");
    assert_int_equal(guess("dan", "other!"), 429); /* the address has had enough */
    assert_int_equal(call("POST", "/api/users", BYTES("{\"name\":\"ann\"}")), 200);
}

static void one_name_has_few_guesses_from_anywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(guess("cyn", "wrong!"), 401);
    assert_int_equal(fake.counters, 2);
    fake.counter[1].value = 0; /* another address */
    assert_int_equal(guess("cyn", "secret"), 429);
    assert_int_equal(guess("dan", "other!"), 200);
}

static void without_redis_attempts_are_counted_here(void **state)
{
    (void)state;
    fake.presence = ERR_DOWN;
    int denied = 0, limited = 0;
    for (int i = 0; i < 10; i++) {
        int status = guess("cyn", "wrong!");
        denied += status == 401;
        limited += status == 429;
    }
    assert_int_equal(denied, 3);
    assert_int_equal(limited, 7);
    assert_true(response.retry_after_s >= 1 && response.retry_after_s <= 61);
}

static void a_crowd_at_the_hash_is_told_to_come_again(void **state)
{
    (void)state;
    accounts.gate = ERR_BUSY;
    for (int i = 0; i < 10; i++)
        assert_int_equal(guess("cyn", "secret"), 503);
    assert_int_equal(response.retry_after_s, 1);
    assert_int_equal(guess("eve", "secret"), 503);
    assert_int_equal(accounts.count, 3); /* nobody was made */
}

static void users_that_break_a_rule_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"name\":\"\"}",
        "{\"name\":7}",
        "{\"name\":null}",
        "{\"name\":\"a\\nb\"}",
        "{\"name\":\"\\u202e\"}",
        "{\"name\":\"a\\u0000\"}",
        "{\"name\":[\"ann\"]}",
        "{\"name\":\"ann\",\"password\":7}",
        "{\"name\":\"ann\",\"password\":[]}",
        "{\"name\":\"ann\",\"password\":\"\"}",
        "{\"name\":\"ann\",\"password\":\"12345\"}",
        "[]",
        "",
        "{\"name\":\"ann\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (call("POST", "/api/users", str_of(bad[i])) != 400)
            fail_msg("taken: %s", bad[i]);
    char *endless = repeat("x", 300), body[400];
    snprintf(body, sizeof body, "{\"name\":\"ann\",\"password\":\"%s\"}", endless);
    assert_int_equal(call("POST", "/api/users", str_of(body)), 400);
    free(endless);
    assert_int_equal(accounts.hashed + accounts.checked, 0);
    assert_int_equal(fake.counters, 0);
}

static void users_are_found_by_their_whole_name(void **state)
{
    (void)state;
    assert_int_equal(call_as("GET", "/api/users", "name=ann", NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body), "{\"success\":true,\"data\":[{\"userId\":\"" ANN "\",\"name\":\"ann\"}]}");
    static const char *const none[] = {"name=an", "name=ann+", "name=%25", "name=ANN", "name=a_n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_int_equal(call_as("GET", "/api/users", none[i], NULL, BYTES("")), 200);
        assert_bytes(buf_str(&response.body), "{\"success\":true,\"data\":[]}");
    }
    static const char *const bad[] = {"", "name=", "nam=ann", "name=%", "name=%ff", "name=%00"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(call_as("GET", "/api/users", bad[i], NULL, BYTES("")), 400);
    assert_int_equal(call("PUT", "/api/users", BYTES("{}")), 405);
    assert_string_equal(response.allow, "POST, GET");
}

/* ---- friendships ---- */

#define PAIR(a, b) BYTES("{\"user1\":\"" a "\",\"user2\":\"" b "\"}")
#define BEFRIENDED "{\"success\":true,\"data\":{\"friendId\":\"" FRIEND_ID "\"}}"

static void new_friends_are_told_on_every_relay(void **state)
{
    (void)state;
    accounts.made = true;
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
    assert_int_equal(fake.published, 2);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(fake.publications[i].kind, WIRE_FRIENDS);
        assert_int_equal(fake.publications[i].user, i + 1);
        assert_true(fake.publications[i].conversation == WIRE_INBOX(i + 1));
    }
    accounts.made = false;
    assert_answer("POST", "/api/friends", PAIR(BOB, ANN), 200, BEFRIENDED);
    assert_int_equal(fake.published, 2);
    fake.presence = ERR_DOWN; /* Redis being down is no failure */
    accounts.made = true;
    assert_answer("POST", "/api/friends", PAIR(BOB, ANN), 200, BEFRIENDED);
}

#define FULL "{\"error\":\"one of the two has as many friends as may be\",\"code\":\"friends_max\"}"

static void there_are_only_so_many_friends(void **state)
{
    (void)state;
    settings.friends_max = 10;
    accounts.made = true;
    accounts.friends[1] = 9;
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
    accounts.friends[1] = 10;
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 429, FULL);
    assert_answer("POST", "/api/friends", PAIR(BOB, ANN), 429, FULL);
    accounts.made = false; /* those that there are stay */
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
    accounts.made = true;
    settings.friends_max = 0;
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
}

/* cyn has a password: what others ask for leaves her half of her friends for herself to choose. */
static void strangers_do_not_use_up_the_friends_of_who_has_a_password(void **state)
{
    (void)state;
    settings.friends_max = 10;
    accounts.made = true;
    accounts.friends[3] = 5;
    assert_int_equal(call_as("POST", "/api/friends", NULL, ANN, PAIR(ANN, CYN)), 429);
    assert_bytes(buf_str(&response.body), FULL);
    assert_int_equal(call_as("POST", "/api/friends", NULL, CYN, PAIR(ANN, CYN)), 200);
    accounts.friends[3] = 10;
    assert_int_equal(call_as("POST", "/api/friends", NULL, CYN, PAIR(ANN, CYN)), 429);
}

static void an_address_makes_only_so_many_friendships_a_day(void **state)
{
    (void)state;
    settings.friends_day_address = 2;
    accounts.made = true;
    for (int i = 0; i < 2; i++)
        assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
    accounts.befriended = 0;
    for (int i = 0; i < 3; i++)
        assert_answer("POST", "/api/friends", PAIR(BOB, ANN), 429,
                      "{\"error\":\"too many new friendships from this address today\",\"code\":\"friends_day\"}");
    assert_true(response.retry_after_s > 3600);
    assert_int_equal(accounts.befriended, 0);
    accounts.made = false; /* asking for one that there is costs nothing */
    assert_answer("POST", "/api/friends", PAIR(ANN, BOB), 200, BEFRIENDED);
    accounts.made = true;
    fake.counter[0].value = 0; /* another address, or another day */
    fake.store = ERR_DOWN;
    assert_int_equal(call("POST", "/api/friends", PAIR(ANN, BOB)), 503);
    fake.store = ERR_OK;
    assert_int_equal(fake.counter[0].value, 0); /* what came to nothing is not counted */
}

static void a_user_makes_only_so_many_friendships_a_day(void **state)
{
    (void)state;
    settings.friends_day_user = 1;
    accounts.made = true;
    assert_int_equal(call_as("POST", "/api/friends", NULL, CYN, PAIR(ANN, CYN)), 200);
    assert_int_equal(call_as("POST", "/api/friends", NULL, CYN, PAIR(BOB, CYN)), 429);
    assert_int_equal(call_as("POST", "/api/friends", NULL, ANN, PAIR(ANN, CYN)), 200); /* not charged to cyn */
}

static void who_may_not_befriend(void **state)
{
    (void)state;
    assert_answer("POST", "/api/friends", PAIR(ANN, ANN), 400,
                  "{\"error\":\"nobody is their own friend\",\"code\":\"invalid\"}");
    assert_answer("POST", "/api/friends", PAIR(ANN, "user_00000000000000000000000000000009"), 404, NO_USER);
    assert_answer("POST", "/api/friends", PAIR("' OR 1=1--", BOB), 404, NO_USER);
    assert_answer("POST", "/api/friends", BYTES("{\"user1\":\"" ANN "\"}"), 400, INVALID);
    assert_answer("POST", "/api/friends", BYTES("{\"user1\":1,\"user2\":2}"), 400, INVALID);
    /* cyn has a password: only ann or cyn, by a token */
    assert_answer("POST", "/api/friends", PAIR(ANN, CYN), 401, UNAUTHORIZED);
    assert_int_equal(call_as("POST", "/api/friends", NULL, BOB, PAIR(ANN, CYN)), 401);
    assert_int_equal(accounts.befriended, 0);
    assert_int_equal(call_as("POST", "/api/friends", NULL, CYN, PAIR(ANN, CYN)), 200);
    assert_int_equal(call_as("POST", "/api/friends", NULL, ANN, PAIR(ANN, CYN)), 200);
    fake.store = ERR_DOWN;
    assert_int_equal(call("POST", "/api/friends", PAIR(ANN, BOB)), 503);
}

static void friends_are_listed(void **state)
{
    (void)state;
    static const struct store_friend_line lines[] = {
        {.friend_id = {FRIEND_ID, sizeof FRIEND_ID - 1},
         .user_id = {BOB, sizeof BOB - 1},
         .name = {"<b>\"", 4},
         .last = {.seq = 3, .sender = 2, .kind = MESSAGE_EMOJI, .content = {"\\o/", 3}, .at_ms = 5},
         .unread = 2},
        {.friend_id = {"friend_x", 8}, .user_id = {"user_x", 6}, .name = {"x", 1}},
    };
    assert_int_equal(call_as("GET", "/api/friends", "userId=" ANN, NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body), "{\"success\":true,\"data\":[]}");
    accounts.lines = lines;
    accounts.line_count = 2;
    assert_int_equal(call_as("GET", "/api/friends", "userId=" ANN, NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body),
                 "{\"success\":true,\"data\":[{\"friendId\":\"" FRIEND_ID "\",\"userId\":\"" BOB
                 "\",\"name\":\"<b>\\\"\",\"last\":{\"seq\":3,\"from\":\"" BOB "\",\"to\":\"" ANN
                 "\",\"content\":\"\\\\o/\",\"type\":\"emoji\",\"ts\":5},\"unread\":2},"
                 "{\"friendId\":\"friend_x\",\"userId\":\"user_x\",\"name\":\"x\",\"last\":null,"
                 "\"unread\":0}]}");
}

static void many_friends_come_in_pages(void **state)
{
    (void)state;
    static const struct store_friend_line lines[] = {
        {.conversation = 31, .friend_id = {"f1", 2}, .user_id = {"u1", 2}, .name = {"a", 1}, .last = {.at_ms = 77}},
        {.conversation = 30, .friend_id = {"f2", 2}, .user_id = {"u2", 2}, .name = {"b", 1}},
    };
    accounts.lines = lines;
    accounts.line_count = 2;
    assert_int_equal(call_as("GET", "/api/friends", "limit=1&userId=" ANN, NULL, BYTES("")), 200);
    assert_true(accounts.listed_from.at_ms == INT64_MAX && accounts.listed_from.conversation == INT64_MAX);
    assert_bytes(buf_str(&response.body),
                 "{\"success\":true,\"data\":[{\"friendId\":\"f1\",\"userId\":\"u1\",\"name\":\"a\",\"last\":null,"
                 "\"unread\":0}],\"next\":\"77-31\"}");
    accounts.line_count = 1;
    assert_int_equal(call_as("GET", "/api/friends", "limit=1&cursor=77-31&userId=" ANN, NULL, BYTES("")), 200);
    assert_true(accounts.listed_from.at_ms == 77 && accounts.listed_from.conversation == 31);
    assert_bytes(((struct str){response.body.data + response.body.len - 13, 13}), "\"unread\":0}]}");
    static const char *const bad[] = {"cursor=&",
                                      "cursor=7&",
                                      "cursor=7-&",
                                      "cursor=-7&",
                                      "cursor=7-x&",
                                      "cursor=7-8x&",
                                      "cursor=99999999999999999999-1&",
                                      "cursor=+7-8&",
                                      "limit=0&",
                                      "limit=1001&"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "%suserId=" ANN, bad[i]);
        assert_int_equal(call_as("GET", "/api/friends", query, NULL, BYTES("")), 400);
    }
}

static void a_password_shuts_out_who_knows_the_id(void **state)
{
    (void)state;
    static const char path[] = "/api/friends", query[] = "userId=" CYN;
    assert_int_equal(call_as("GET", path, query, NULL, BYTES("")), 401);
    assert_int_equal(call_as("GET", path, query, BOB, BYTES("")), 401);
    assert_int_equal(call_as("GET", path, query, CYN, BYTES("")), 200);
    char bearer[TOKEN_MAX];
    struct str token = token_of(CYN);
    snprintf(bearer, sizeof bearer, "bearer %.*s", (int)token.len, token.ptr);
    struct sent sent = {.query = str_of(query), .authorization = str_of(bearer)};
    ask("GET", path, &sent);
    assert_int_equal(response.status, 200);
    static const char *const bad[] = {"", "Bearer", "Bearer ", "Basic eDp5", "Bearer x.y.z", "null"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sent wrong = {.query = str_of(query), .authorization = str_of(bad[i])};
        ask("GET", path, &wrong);
        assert_int_equal(response.status, 401);
    }
    assert_int_equal(call_as("GET", path, "userId=user_x", NULL, BYTES("")), 404);
    assert_int_equal(call_as("GET", path, "", NULL, BYTES("")), 400);
}

/* ---- one friendship ---- */

#define MESSAGES "/api/friends/" FRIEND_ID "/messages"

static void messages_are_read_page_by_page(void **state)
{
    (void)state;
    fake.messages = 500;
    fake.sender = 2;
    fake.content = STR("hi \"you\"");
    fake.kind = MESSAGE_TEXT;
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN "&limit=1", NULL, BYTES("")), 200);
    assert_bytes(buf_str(&response.body),
                 "{\"success\":true,\"data\":[{\"seq\":500,\"from\":\"" BOB "\",\"to\":\"" ANN
                 "\",\"content\":\"hi \\\"you\\\"\",\"type\":\"text\",\"ts\":1700000000000}]}");
    assert_int_equal(fake.range.conversation, 7);
    static const struct {
        const char *query;
        uint64_t after, before;
        unsigned limit;
        bool latest;
    } rows[] = {
        {"", 0, INT64_MAX, 50, true},
        {"&after=0", 0, INT64_MAX, 50, false},
        {"&after=7&limit=200", 7, INT64_MAX, 200, false},
        {"&before=9", 0, 9, 50, true},
        {"&after=3&before=9&limit=2", 3, 9, 2, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "userId=" ANN "%s", rows[i].query);
        assert_int_equal(call_as("GET", MESSAGES, query, NULL, BYTES("")), 200);
        assert_int_equal(fake.range.after, rows[i].after);
        assert_int_equal(fake.range.before, rows[i].before);
        assert_int_equal(fake.range.limit, rows[i].limit);
        assert_int_equal(fake.range.latest, rows[i].latest);
    }
}

static void pages_are_bounded_in_bytes(void **state)
{
    (void)state;
    char *large = repeat("x", 60000);
    fake.messages = 200;
    fake.content = str_of(large);
    fake.kind = MESSAGE_TEXT;
    /* the latest: the oldest go */
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN "&limit=200", NULL, BYTES("")), 200);
    assert_true(response.body.len < (1 << 20) + 1000 && response.body.len > 900000);
    assert_true(answer_has("\"seq\":200,") && answer_has("\"seq\":190,") && !answer_has("\"seq\":150,"));
    assert_int_equal(memcmp(response.body.data, "{\"success\":true,\"data\":[{\"seq\":", 31), 0);
    /* forward: what does not fit comes with the next page */
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN "&after=0&limit=200", NULL, BYTES("")), 200);
    assert_true(response.body.len < (1 << 20) + 1000);
    assert_true(answer_has("\"seq\":1,") && answer_has("\"seq\":10,") && !answer_has("\"seq\":50,"));
    free(large);
    char *huge = repeat("x", 2 << 20); /* one is told whatever its size */
    fake.content = str_of(huge);
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN "&after=0", NULL, BYTES("")), 200);
    assert_true(answer_has("\"seq\":1,") && !answer_has("\"seq\":2,"));
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN, NULL, BYTES("")), 200);
    assert_true(answer_has("\"seq\":200,") && !answer_has("\"seq\":199,"));
    free(huge);
}

static void bad_pages_and_foreign_friendships_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"limit=0",    "limit=201", "limit=-1",    "limit=x",
                                      "limit=",     "after=-1",  "before=1e-3", "after=99999999999999999999",
                                      "before=%31x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char query[200];
        snprintf(query, sizeof query, "userId=" ANN "&%s", bad[i]);
        if (call_as("GET", MESSAGES, query, NULL, BYTES("")) != 400)
            fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(call_as("GET", MESSAGES, "", NULL, BYTES("")), 400);
    assert_int_equal(call_as("GET", MESSAGES, "userId=" CYN, CYN, BYTES("")), 404);
    assert_bytes(buf_str(&response.body), NOT_FOUND);
    assert_int_equal(call_as("GET", MESSAGES, "userId=" CYN, NULL, BYTES("")), 401);
    static const char *const paths[] = {
        "/api/friends/x/messages",   "/api/friends/%2e%2e/messages",          "/api/friends//messages",
        "/api/friends/a/b/messages", "/api/friends/" FRIEND_ID "/messages//", "/api/friends/" FRIEND_ID "x/messages"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_int_equal(call_as("GET", paths[i], "userId=" ANN, NULL, BYTES("")), 404);
}

#define READ "/api/friends/" FRIEND_ID "/read"

static void reading_only_goes_forward(void **state)
{
    (void)state;
    accounts.membership.seq = 10;
    accounts.membership.read_seq = 4;
    assert_answer("POST", READ, BYTES("{\"userId\":\"" ANN "\",\"seq\":7}"), 200,
                  "{\"success\":true,\"data\":{\"seq\":7}}");
    assert_int_equal(accounts.marked_seq, 7);
    assert_answer("POST", READ, BYTES("{\"userId\":\"" ANN "\",\"seq\":99}"), 200,
                  "{\"success\":true,\"data\":{\"seq\":10}}");
    assert_int_equal(accounts.marked_seq, 10);
    assert_int_equal(fake.published, 2); /* to the user's other devices */
    assert_int_equal(fake.publications[1].conversation, WIRE_INBOX(1));
    assert_int_equal(fake.mark.conversation, 7);
    assert_int_equal(fake.mark.seq, 10);
    assert_answer("POST", READ, BYTES("{\"userId\":\"" ANN "\",\"seq\":3}"), 200,
                  "{\"success\":true,\"data\":{\"seq\":4}}");
    assert_int_equal(accounts.marked, 2);
    static const char *const bad[] = {"-1", "\"7\"", "7.5", "null", "1e99", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"userId\":\"" ANN "\",\"seq\":%s}", bad[i]);
        if (call("POST", READ, str_of(body)) != 400)
            fail_msg("taken: %s", bad[i]);
    }
    assert_answer("POST", READ, BYTES("{\"seq\":7}"), 400, INVALID);
    assert_answer("POST", READ, BYTES("{\"userId\":\"" CYN "\",\"seq\":7}"), 401, UNAUTHORIZED);
    assert_int_equal(call_as("POST", READ, NULL, CYN, BYTES("{\"userId\":\"" CYN "\",\"seq\":7}")), 404);
    assert_int_equal(accounts.marked, 2);
}

static void without_the_database_nothing_is_said(void **state)
{
    (void)state;
    fake.store = ERR_DOWN;
    assert_answer("POST", "/api/users", BYTES("{\"name\":\"ann\"}"), 503,
                  "{\"error\":\"service unavailable\",\"code\":\"unavailable\"}");
    assert_int_equal(guess("cyn", "wrong!"), 503);
    assert_int_equal(fake.counter[0].value, 0); /* it was not looked at */
    assert_int_equal(call_as("GET", "/api/users", "name=ann", NULL, BYTES("")), 503);
    assert_int_equal(call_as("GET", "/api/friends", "userId=" ANN, NULL, BYTES("")), 503);
    assert_int_equal(call_as("GET", MESSAGES, "userId=" ANN, NULL, BYTES("")), 503);
    fake.store = ERR_INTERNAL;
    assert_int_equal(call_as("GET", "/api/users", "name=ann", NULL, BYTES("")), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_name_is_a_user, reset_accounts),
        cmocka_unit_test_setup(a_password_gets_a_token, reset_accounts),
        cmocka_unit_test_setup(the_first_password_is_set, reset_accounts),
        cmocka_unit_test_setup(without_a_key_for_tokens_nobody_is_locked_out, reset_accounts),
        cmocka_unit_test_setup(wrong_passwords_are_counted_and_right_ones_are_not, reset_accounts),
        cmocka_unit_test_setup(one_name_has_few_guesses_from_anywhere, reset_accounts),
        cmocka_unit_test_setup(without_redis_attempts_are_counted_here, reset_accounts),
        cmocka_unit_test_setup(a_crowd_at_the_hash_is_told_to_come_again, reset_accounts),
        cmocka_unit_test_setup(users_that_break_a_rule_are_refused, reset_accounts),
        cmocka_unit_test_setup(users_are_found_by_their_whole_name, reset_accounts),
        cmocka_unit_test_setup(new_friends_are_told_on_every_relay, reset_accounts),
        cmocka_unit_test_setup(there_are_only_so_many_friends, reset_accounts),
        cmocka_unit_test_setup(strangers_do_not_use_up_the_friends_of_who_has_a_password, reset_accounts),
        cmocka_unit_test_setup(an_address_makes_only_so_many_friendships_a_day, reset_accounts),
        cmocka_unit_test_setup(a_user_makes_only_so_many_friendships_a_day, reset_accounts),
        cmocka_unit_test_setup(who_may_not_befriend, reset_accounts),
        cmocka_unit_test_setup(friends_are_listed, reset_accounts),
        cmocka_unit_test_setup(many_friends_come_in_pages, reset_accounts),
        cmocka_unit_test_setup(a_password_shuts_out_who_knows_the_id, reset_accounts),
        cmocka_unit_test_setup(messages_are_read_page_by_page, reset_accounts),
        cmocka_unit_test_setup(pages_are_bounded_in_bytes, reset_accounts),
        cmocka_unit_test_setup(bad_pages_and_foreign_friendships_are_refused, reset_accounts),
        cmocka_unit_test_setup(reading_only_goes_forward, reset_accounts),
        cmocka_unit_test_setup(without_the_database_nothing_is_said, reset_accounts),
    };
    return cmocka_run_group_tests(tests, NULL, free_response);
}
