/* Random sequences for Engine.IO: clients that poll, post, upgrade, cross their own polls, fall silent and leave in the
 * middle of it, packets that are none, and ends from both sides. Every call is answered once, what the layer sends
 * arrives in order and each once over either transport, all of it where the connection lasts, and the layer is told of
 * every end. */
#include "eio_fakes.h"
#include "tests/unit/sequences.h"

enum { PEERS = 5 };

enum stage { POLLING, CONNECTED, PROBED, OVER_WEBSOCKET };

static struct peer {
    bool open;
    enum stage stage;
    char query[128];
    uint64_t id;
    struct answer *poll; /* that waits */
    struct fake_socket *socket;
    unsigned said, last, heard; /* the number of the last message, of the last that was heard, and how many were */
    bool pinged;
    bool v3;  /* it speaks version 3: it is the one that pings */
    bool odd; /* it has said what is none of its numbers */
} peers[PEERS];

static bool failed = true;

static bool lasts(const struct peer *peer)
{
    return peer->open && eio_find(peer->id);
}

/* ---- what is heard ---- */

static void take_packet(struct peer *peer, const char *packet)
{
    if (packet[0] == '4' && !peer->odd) {
        unsigned number = (unsigned)atoi(packet + 1);
        assert_true(number > peer->last && number <= peer->said);
        peer->last = number;
        peer->heard++;
    } else if (packet[0] == '2') {
        peer->pinged = true;
    }
}

static void take_payload(struct peer *peer, const struct answer *answer)
{
    char text[sizeof answer->body], *rest = text;
    memcpy(text, answer->body, answer->len);
    text[answer->len] = '\0';
    while (peer->v3 && *rest) {
        char packet[64], *colon;
        size_t len = strtoul(rest, &colon, 10);
        assert_true(*colon == ':' && len <= strlen(colon + 1));
        snprintf(packet, sizeof packet, "%.*s", (int)len, colon + 1);
        take_packet(peer, packet);
        rest = colon + 1 + len;
    }
    for (char *packet; !peer->v3 && (packet = strsep(&rest, "\x1e"));)
        take_packet(peer, packet);
}

static void hear(struct peer *peer)
{
    if (peer->poll && peer->poll->answered) {
        if (peer->poll->status == 200)
            take_payload(peer, peer->poll);
        peer->poll = NULL;
    }
    for (const char *frame; peer->socket && *(frame = heard(peer->socket));)
        take_packet(peer, frame);
    if (peer->socket)
        peer->socket->read = peer->socket->frame_count = 0;
}

/* ---- what is done ---- */

static void begin_peer(struct peer *peer)
{
    memset(peer, 0, sizeof *peer);
    peer->open = true;
    peer->v3 = once_in(2);
    if (once_in(3)) {
        peer->stage = OVER_WEBSOCKET;
        peer->socket = connect_socket(peer->v3 ? "EIO=3&transport=websocket" : "EIO=4&transport=websocket");
    } else if (peer->v3) {
        open_polling3(peer->query);
    } else {
        open_polling(peer->query);
    }
    peer->id = eio_id(layer.last);
}

/* Its sockets end, whatever is left of the connection. */
static void end_peer(struct peer *peer)
{
    if (peer->socket)
        hang_up(peer->socket);
    peer->socket = NULL;
    if (peer->poll && !peer->poll->answered)
        leave(peer->poll);
    memset(peer, 0, sizeof *peer);
}

static void poll(struct peer *peer)
{
    struct answer *answer = get(peer->query);
    if (!peer->poll) {
        peer->poll = answer;
    } else { /* two at once: both are answered */
        assert_true(answer->answered && peer->poll->answered);
        peer->poll = NULL;
    }
}

static void post(struct peer *peer)
{
    static const char *const odd[] = {"",
                                      "x",
                                      "4a\x1e\x1e",
                                      "1",
                                      "2",
                                      "6",
                                      "b!",
                                      "3\x1e"
                                      "0"};
    static const char *const odd3[] = {"",
                                       "x",
                                       "2:4",
                                       "1:1",
                                       "1:3",
                                       "1:6",
                                       "3:b4!",
                                       "1:3"
                                       "1:0"};
    char body[256] = "";
    size_t len = 0;
    if (once_in(40)) {
        len = (size_t)snprintf(body, sizeof body, "%s", peer->v3 ? odd3[any(8)] : odd[any(8)]);
        peer->odd = true;
    } else {
        for (unsigned n = 1 + any(4); n && peer->v3; n--) {
            char packet[24];
            int bytes = snprintf(packet, sizeof packet, "4%u", ++peer->said);
            len += (size_t)snprintf(body + len, sizeof body - len, "%d:%s", bytes, packet);
        }
        for (unsigned n = 1 + any(4); n && !peer->v3; n--)
            len += (size_t)snprintf(body + len, sizeof body - len, "%s4%u", len ? "\x1e" : "", ++peer->said);
    }
    struct answer *answer = ask("POST", peer->query, (struct str){body, len});
    assert_true(answer->answered);
}

static void say_frame(struct peer *peer, const char *text)
{
    if (peer->socket->session.closing)
        return;
    if (peer->socket->frame_count < FRAMES_MAX - 4)
        say(peer->socket, text);
}

static void go_on_upgrading(struct peer *peer)
{
    char upgrade[160];
    switch (peer->stage) {
    case POLLING:
        if (peer->socket) { /* one that failed */
            hang_up(peer->socket);
            peer->socket = NULL;
        }
        to_websocket(peer->query, upgrade);
        peer->socket = connect_socket(upgrade);
        peer->stage = CONNECTED;
        break;
    case CONNECTED:
        say_frame(peer, "2probe");
        peer->stage = PROBED;
        break;
    case PROBED:
        if (once_in(10)) {
            hang_up(peer->socket); /* it stays on polling */
            peer->socket = NULL;
            peer->stage = POLLING;
        } else if (!peer->socket->session.closing) {
            say_frame(peer, "5");
            peer->stage = OVER_WEBSOCKET;
        } else {
            peer->stage = POLLING; /* it took too long */
        }
        break;
    case OVER_WEBSOCKET: break;
    }
}

static void speak(struct peer *peer)
{
    char text[24];
    if (peer->stage != OVER_WEBSOCKET) {
        post(peer);
        return;
    }
    snprintf(text, sizeof text, "4%u", ++peer->said);
    say_frame(peer, text);
}

static void answer_ping(struct peer *peer)
{
    if (!peer->pinged && !peer->v3)
        return;
    peer->pinged = false;
    if (peer->stage == OVER_WEBSOCKET)
        say_frame(peer, peer->v3 ? "2" : "3");
    else
        assert_true(ask("POST", peer->query, peer->v3 ? STR("1:2") : STR("3"))->answered);
}

static void end_somehow(struct peer *peer)
{
    struct eio *conn = eio_find(peer->id);
    switch (any(4)) {
    case 0: eio_close(conn, "forced close"); break;
    case 1: eio_expel(conn, once_in(2)); break;
    case 2:
        if (peer->stage == OVER_WEBSOCKET)
            say_frame(peer, "1");
        else
            assert_true(ask("POST", peer->query, peer->v3 ? STR("1:1") : STR("1"))->answered);
        break;
    case 3: end_peer(peer); break;
    }
}

static void step(void)
{
    struct peer *peer = &peers[any(PEERS)];
    seq.steps++;
    if (!peer->open)
        begin_peer(peer);
    else if (!lasts(peer) && once_in(2))
        end_peer(peer); /* or it says something more before it knows */
    if (!peer->open || answer_count > CALLS_MAX - 20)
        return;
    bool over_polling = peer->stage != OVER_WEBSOCKET;
    switch (any(10)) {
    case 0:
    case 1:
    case 2: speak(peer); break;
    case 3:
    case 4:
        if (over_polling && (!peer->poll || once_in(50)))
            poll(peer);
        break;
    case 5:
        if (over_polling && lasts(peer) && !eio_overdue(eio_find(peer->id)))
            go_on_upgrading(peer);
        break;
    case 6: pass(any(120)); break;
    case 7: answer_ping(peer); break;
    case 8:
        if (peer->poll && !peer->poll->answered && once_in(10)) {
            leave(peer->poll);
            peer->poll = NULL;
        }
        break;
    case 9:
        if (lasts(peer) && once_in(15))
            end_somehow(peer);
        break;
    }
    eio_flush();
    for (int i = 0; i < PEERS; i++) {
        turn(peers[i].socket);
        hear(&peers[i]);
    }
}

/* Whoever is still there has all that was said to it. */
static void check_all(void)
{
    for (int i = 0; i < PEERS; i++) {
        struct peer *peer = &peers[i];
        if (!lasts(peer) || peer->odd)
            continue;
        if (peer->stage != OVER_WEBSOCKET && !peer->poll)
            poll(peer);
        eio_flush();
        turn(peer->socket);
        hear(peer);
        struct eio *conn = eio_find(peer->id);
        if (conn) /* the poll may have found its pong overdue */
            assert_int_equal(peer->heard, ((struct layer_state *)eio_state(conn))->messages);
    }
}

static void round_of_steps(void)
{
    void *state = NULL;
    assert_int_equal(begin(&state), 0);
    settings.io_eio3 = 1;
    memset(peers, 0, sizeof peers);
    for (unsigned steps = 100 + any(700); steps; steps--)
        step();
    if (answer_count < CALLS_MAX - 20)
        check_all();
    for (int i = 0; i < PEERS; i++)
        if (peers[i].open)
            end_peer(&peers[i]);
    assert_int_equal(end(&state), 0);
    for (size_t i = 0; i < answer_count; i++)
        assert_true(answers[i].answered || !answers[i].held);
    assert_int_equal(eio_count(), 0);
}

static void all_is_answered_and_arrives_once_and_in_order(void **state)
{
    (void)state;
    seq_run(round_of_steps, 100);
    failed = false;
}

static int end_all(void **state)
{
    (void)state;
    return seq_told_if(failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(all_is_answered_and_arrives_once_and_in_order, end_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
