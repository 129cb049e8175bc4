/* What was missed before a subscription: pages from the database, at the pace of the socket, then the log. */
#include "hub_fakes.h"

#include "common/container.h"
#include "relay/core/catchup.h"
#include "relay/core/protocol.h"

enum { ROOM = 7, ROWS = 3 };

static struct {
    bool full;
    int tried;
} pool;

enum err db_pool_try(struct db_pool *db_pool, struct job *job)
{
    pool.tried++;
    if (pool.full)
        return ERR_BUSY;
    db_pool_add(db_pool, job);
    return ERR_OK;
}

static const char *bytes_of(struct client *client)
{
    static char text[10000];
    snprintf(text, sizeof text, "%.*s", (int)client->got.len, client->got.len ? client->got.data : "");
    buf_clear(&client->got);
    return text;
}

/* ---- a client that comes back to a few rooms ---- */

static struct away {
    struct catchup catchup;
    struct client *client;
    uint64_t conversation;
    struct wheel_timer again;
    int waits, live, sent;
    const char *word; /* its encoder's */
} aways[4];

static struct session *session_of(struct catchup *catchup)
{
    return container_of(catchup, struct away, catchup)->client->session;
}

static unsigned page_rows(const struct settings *all)
{
    (void)all;
    return ROWS;
}

static size_t page_bytes(const struct settings *all)
{
    (void)all;
    return 2000;
}

static void encode(void *arg, const struct message *message, struct buf *out)
{
    if (message->seq == 5 && !strcmp(arg, "no5"))
        return;
    buf_addf(out, "%s%llu;", (const char *)arg, (unsigned long long)message->seq);
}

static bool wants_none(const struct message *message)
{
    (void)message;
    return false;
}

static bool filtered;

static void plan(struct catchup *catchup, struct page *page)
{
    page->encode = encode;
    page->wants = filtered ? wants_none : NULL;
    snprintf(page->arg, 8, "%s", container_of(catchup, struct away, catchup)->word);
}

static void step_all(struct client *client)
{
    for (size_t i = 0; i < 4; i++)
        if (aways[i].client == client && hub_subscription(client->session, aways[i].conversation))
            catchup_step(&aways[i].catchup, hub_subscription(client->session, aways[i].conversation));
}

static void on_page_sent(struct catchup *catchup, const struct page *page)
{
    struct away *away = container_of(catchup, struct away, catchup);
    assert_true(page->read > 0 || catchup->given == catchup->target);
    away->sent++;
    step_all(away->client);
}

static void on_wait(struct catchup *catchup)
{
    struct away *away = container_of(catchup, struct away, catchup);
    away->waits++;
    wheel_set(&wheel, &away->again, CATCHUP_AGAIN_MS);
}

static void on_again(struct wheel_timer *timer)
{
    step_all(container_of(timer, struct away, again)->client);
}

static void on_live(struct catchup *catchup, struct subscription *sub)
{
    assert_false(catchup_is_under_way(catchup));
    assert_false(sub->corked);
    container_of(catchup, struct away, catchup)->live++;
}

static struct catchup_kind kind = {.pages_at_once = 1,
                                   .arg_size = 8,
                                   .session = session_of,
                                   .page_rows = page_rows,
                                   .page_bytes = page_bytes,
                                   .plan = plan,
                                   .sent = on_page_sent,
                                   .wait = on_wait,
                                   .live = on_live};

/* It has seen all up to `seen`; the first room is joined by a new client, the others by the same. */
static struct away *come_back(size_t i, uint64_t conversation, uint64_t seen)
{
    struct away *away = &aways[i];
    *away = (struct away){.client = i ? aways[0].client : joined_client(conversation, LINES, db.last[conversation]),
                          .conversation = conversation,
                          .again.fired = on_again,
                          .word = "p"};
    if (i) {
        hub_join(&hub, away->client->session, conversation, LINES);
        hub_subscribed(&hub, conversation);
        struct job *load = jobs[--job_count]; /* the pages of the others wait */
        job_alone(load, NULL);
        job_finish(load);
    }
    struct subscription *sub = hub_subscription(away->client->session, conversation);
    catchup_begin(&away->catchup, &kind, sub, seen);
    catchup_step(&away->catchup, sub);
    return away;
}

static void do_all(void)
{
    while (job_count)
        job_do();
}

static int setup_away(void **state)
{
    memset(aways, 0, sizeof aways);
    memset(&pool, 0, sizeof pool);
    filtered = false;
    kind.pages_at_once = 1;
    int failed = begin(state);
    settings.outbox_bytes = 16000;
    protocol_context = (struct protocol_context){.settings = &settings, .hub = &hub};
    return failed;
}

static int teardown_away(void **state)
{
    for (size_t i = 0; i < 4; i++)
        if (aways[i].client && aways[i].client->session)
            catchup_stop(&aways[i].catchup);
    do_all();
    return end(state);
}

/* ---- the cursor ---- */

static void who_missed_nothing_is_live_at_once(void **state)
{
    (void)state;
    db.last[ROOM] = 4;
    struct away *away = come_back(0, ROOM, 4);
    assert_int_equal(away->live, 1);
    assert_int_equal(pool.tried, 0);
    deliver(ROOM, 5);
    hub_flush(&hub);
    assert_string_equal(bytes_of(away->client), "5:m5;");
}

static void pages_come_first_and_then_what_was_said_meanwhile(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct away *away = come_back(0, ROOM, 0);
    struct job *page = job_work();
    deliver(ROOM, 8);
    hub_flush(&hub);
    assert_string_equal(bytes_of(away->client), "");
    job_finish(page);
    assert_string_equal(bytes_of(away->client), "p1;p2;p3;");
    deliver(ROOM, 9);
    hub_flush(&hub);
    do_all();
    assert_string_equal(bytes_of(away->client), "p4;p5;p6;p7;8:m8;9:m9;");
    assert_int_equal(away->live, 1);
    assert_int_equal(away->sent, 3);
    deliver(ROOM, 10);
    hub_flush(&hub);
    assert_string_equal(bytes_of(away->client), "10:m10;");
}

static void a_page_that_ends_where_the_log_begins_is_the_last(void **state)
{
    (void)state;
    db.last[ROOM] = ROWS;
    struct away *away = come_back(0, ROOM, 0);
    do_all();
    assert_string_equal(bytes_of(away->client), "p1;p2;p3;");
    assert_int_equal(away->live, 1);
    assert_int_equal(pool.tried, 1);
}

static void messages_that_are_gone_are_not_waited_for(void **state)
{
    (void)state;
    db.last[ROOM] = 5;
    struct away *away = come_back(0, ROOM, 3);
    db.missing = 5; /* deleted: the last one that was missed */
    do_all();
    assert_string_equal(bytes_of(away->client), "p4;");
    assert_int_equal(away->live, 1);
}

static void a_filter_that_drops_all_ends_as_well(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    filtered = true;
    struct away *away = come_back(0, ROOM, 0);
    do_all();
    assert_string_equal(bytes_of(away->client), "");
    assert_int_equal(away->live, 1);
    assert_int_equal(away->sent, 3);
    away->word = "no5";
    deliver(ROOM, 8);
    hub_flush(&hub);
    assert_string_equal(bytes_of(away->client), "8:m8;");
}

static void a_client_that_knows_more_than_the_relay_waits(void **state)
{
    (void)state;
    db.last[ROOM] = 2;
    struct away *away = come_back(0, ROOM, 4);
    struct subscription *sub = hub_subscription(away->client->session, ROOM);
    assert_int_equal(away->waits, 1);
    assert_true(sub->corked);
    deliver(ROOM, 3);
    hub_flush(&hub);
    go(CATCHUP_AGAIN_MS + WHEEL_TICK_MS);
    assert_int_equal(away->waits, 2);
    deliver(ROOM, 4);
    deliver(ROOM, 5); /* heard of before it could go on: read, not repeated */
    hub_flush(&hub);
    go(CATCHUP_AGAIN_MS + WHEEL_TICK_MS);
    do_all();
    assert_string_equal(bytes_of(away->client), "p5;");
    deliver(ROOM, 6);
    hub_flush(&hub);
    assert_string_equal(bytes_of(away->client), "6:m6;");
}

/* ---- the socket's pace ---- */

static void a_client_that_does_not_read_is_read_for_no_further(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct away *away = come_back(0, ROOM, 0);
    away->client->answer = SEND_BLOCKED;
    do_all();
    assert_string_equal(bytes_of(away->client), "p1;p2;p3;");
    step_all(away->client);
    assert_int_equal(job_count, 0);
    assert_int_equal(away->client->session->pages, 0);
    session_writable(away->client->session);
    step_all(away->client); /* as protocol->drained does */
    do_all();
    assert_string_equal(bytes_of(away->client), "p4;p5;p6;");
    assert_int_equal(away->live, 0);
    away->client->answer = SEND_MORE;
    session_writable(away->client->session);
    step_all(away->client);
    do_all();
    assert_string_equal(bytes_of(away->client), "p7;");
    assert_int_equal(away->live, 1);
}

static void what_the_log_drops_meanwhile_is_read(void **state)
{
    (void)state;
    db.last[ROOM] = 2;
    struct away *away = come_back(0, ROOM, 0);
    struct job *page = job_work();
    char *text = repeat("x", 20000);
    for (uint64_t seq = 3; seq <= 10; seq++) {
        struct message message = message_of(ROOM, seq);
        message.content = str_of(text);
        hub_deliver(&hub, &message);
    }
    free(text);
    hub_flush(&hub);
    db.last[ROOM] = 10;
    job_finish(page);
    do_all();
    assert_string_equal(bytes_of(away->client), "p1;p2;p3;p4;p5;p6;p7;p8;p9;p10;");
    assert_int_equal(away->live, 1);
    assert_int_equal(away->client->closes, 0);
}

static void rooms_share_what_the_outbox_has_room_for(void **state)
{
    (void)state;
    kind.pages_at_once = 2;
    for (uint64_t room = 7; room < 11; room++)
        db.last[room] = 2;
    for (size_t i = 0; i < 4; i++)
        come_back(i, 7 + i, 0);
    assert_int_equal(job_count, 2);
    assert_int_equal(aways[0].client->session->pages, 2);
    do_all(); /* each that comes makes room for another */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(aways[i].live, 1);
    assert_int_equal(aways[0].client->session->pages, 0);
}

/* Those who missed the same: see store_read_ranges. */
static void pages_between_two_numbers_are_read_together(void **state)
{
    (void)state;
    db.last[ROOM] = 2;
    come_back(0, ROOM, 0);
    assert_non_null(jobs[0]->work_all);
    do_all();
    catchup_stop(&aways[0].catchup);
    db.last[8] = 9;
    come_back(1, 8, 0);
    assert_null(jobs[0]->work_all); /* only how many is known */
}

/* ---- failures ---- */

static void without_the_database_the_client_is_asked_to_come_back(void **state)
{
    (void)state;
    static const enum err errs[] = {ERR_DOWN, ERR_UNKNOWN};
    db.last[ROOM] = 7;
    for (size_t i = 0; i < 2; i++) {
        struct away *away = come_back(0, ROOM, 0);
        job_do();
        db.err = errs[i];
        job_do();
        assert_string_equal(bytes_of(away->client), "p1;p2;p3;");
        assert_int_equal(away->client->code, 1013);
        assert_int_equal(away->client->session->pages, 0);
        catchup_stop(&away->catchup);
        db.err = ERR_OK;
    }
    pool.full = true;
    struct away *away = come_back(0, ROOM, 0);
    assert_int_equal(away->client->code, 1013);
    assert_int_equal(away->client->session->pages, 0);
}

static void a_page_of_another_epoch_is_not_sent(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct away *away = come_back(0, ROOM, 0);
    struct job *page = job_work();
    db.epoch = EPOCH + 1;
    hub_reconcile(&hub);
    do_all();
    assert_int_equal(hub.epoch, EPOCH + 1);
    job_finish(page);
    do_all();
    assert_int_equal(away->client->code, 1012);
    assert_string_equal(bytes_of(away->client), "");
    assert_int_equal(away->live + away->sent, 0);
}

static void what_is_read_for_one_that_has_gone_comes_to_nobody(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct away *away = come_back(0, ROOM, 0);
    struct job *page = job_work();
    catchup_stop(&away->catchup); /* it leaves the room, and stays */
    assert_int_equal(away->client->session->pages, 0);
    hub_leave(&hub, away->client->session);
    job_finish(page);
    assert_string_equal(bytes_of(away->client), "");
    assert_int_equal(away->sent, 0);
    away = come_back(0, ROOM, 0); /* and another one is gone before its page */
    page = job_work();
    catchup_stop(&away->catchup);
    session_ended(away->client->session);
    away->client->session = NULL;
    job_finish(page);
    assert_int_equal(away->sent, 0);
}

static void one_that_closes_is_sent_nothing_more(void **state)
{
    (void)state;
    db.last[ROOM] = 7;
    struct away *away = come_back(0, ROOM, 0);
    session_close(away->client->session, 1000, "bye");
    do_all();
    assert_string_equal(bytes_of(away->client), "");
    assert_int_equal(away->client->session->pages, 0);
    assert_int_equal(away->sent + away->live, 0);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, setup_away, teardown_away)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(who_missed_nothing_is_live_at_once),
        STORY(pages_come_first_and_then_what_was_said_meanwhile),
        STORY(a_page_that_ends_where_the_log_begins_is_the_last),
        STORY(messages_that_are_gone_are_not_waited_for),
        STORY(a_filter_that_drops_all_ends_as_well),
        STORY(a_client_that_knows_more_than_the_relay_waits),
        STORY(a_client_that_does_not_read_is_read_for_no_further),
        STORY(what_the_log_drops_meanwhile_is_read),
        STORY(rooms_share_what_the_outbox_has_room_for),
        STORY(pages_between_two_numbers_are_read_together),
        STORY(without_the_database_the_client_is_asked_to_come_back),
        STORY(a_page_of_another_epoch_is_not_sent),
        STORY(what_is_read_for_one_that_has_gone_comes_to_nobody),
        STORY(one_that_closes_is_sent_nothing_more),
    };
    if (log_open("test", "/dev/null", LOG_ERROR))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
