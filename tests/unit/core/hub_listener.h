/* hub_listener.h: rooms that are kept without anybody in them, for a listener or for clients that reconnect. */
#ifndef CG_TESTS_HUB_LISTENER_H
#define CG_TESTS_HUB_LISTENER_H

#include "hub_fakes.h"

enum { LINGER_MS = 10000, RECONCILE_DOWN_MS = 30000 };

/* What it heard, in words. */
static struct {
    struct buf said;
    uint64_t ready;
    int readies;
} heard;

static inline void on_ready(void *arg, uint64_t seq)
{
    assert_ptr_equal(arg, &heard);
    heard.ready = seq;
    heard.readies++;
}

static inline void on_message(void *arg, const struct message *message)
{
    (void)arg;
    assert_true(heard.readies > 0);
    buf_addf(&heard.said, "%llu|", (unsigned long long)message->seq);
}

static inline void on_notice(void *arg, struct str payload)
{
    (void)arg;
    buf_addf(&heard.said, "%.*s|", (int)payload.len, payload.ptr);
}

static inline void on_gone(void *arg, uint64_t trimmed, bool more)
{
    (void)arg;
    buf_addf(&heard.said, "gone %llu%s|", (unsigned long long)trimmed, more ? " and more" : "");
}

static const struct hub_listener listener = {on_ready, on_message, on_notice, on_gone, &heard};

static inline const char *said(void)
{
    static char text[10000];
    snprintf(text, sizeof text, "%.*s", (int)heard.said.len, heard.said.len ? heard.said.data : "");
    buf_clear(&heard.said);
    return text;
}

static inline int begin_kept(void **state)
{
    memset(&heard, 0, sizeof heard);
    buf_init(&heard.said, 100000);
    return begin(state);
}

/* What is kept goes with the hub at the latest. */
static inline int end_kept(void **state)
{
    (void)state;
    buf_fini(&heard.said);
    for (size_t i = 0; i < client_count; i++)
        if (clients[i].session)
            disconnect_client(&clients[i]);
    while (job_count)
        job_do();
    hub_fini(&hub);
    assert_int_equal(hub.rooms.count, 0);
    assert_int_equal(hub.log_bytes, 0);
    for (size_t i = 0; i < CONVERSATIONS; i++)
        assert_int_equal(net.subscribed[i], 0);
    hub_init(&hub); /* for the end of all tests */
    return end(state);
}

static inline void listen_to(uint64_t conversation, uint64_t stored)
{
    db.last[conversation] = stored;
    hub_listen(&hub, conversation, &listener);
    if (net.up)
        hub_subscribed(&hub, conversation);
    if (!heard.readies)
        job_do();
    assert_int_equal(heard.readies, 1);
    assert_int_equal(heard.ready, stored);
}

#define KEPT(name) cmocka_unit_test_setup_teardown(name, begin_kept, end_kept)

#endif
