/* handoff_fakes.h: relays of an HTTP front and a handoff each, in one process, and a Redis that is a table. */
#ifndef CG_TESTS_HANDOFF_FAKES_H
#define CG_TESTS_HANDOFF_FAKES_H

#include "http_fakes.h"

#include "common/message.h"
#include "relay/redis/bus.h"
#include "relay/net/handoff.h"

/* ---- Redis ---- */

struct bus_reply {
    char text[300];
};

struct bus {
    char key[2][80], value[2][256];
    bool up, slow; /* slow: answers to GET come when answer() is called, or answer_late() */
    bus_reply_fn *fn;
    void *arg;
    int asked;
    struct {
        char key[80];
        bus_reply_fn *fn;
        void *arg;
    } late[8]; /* what was asked while it was slow */
    size_t late_count;
};

static struct bus bus;

static void answer(const char *key, bus_reply_fn *fn, void *arg)
{
    struct bus_reply reply = {""};
    for (int i = 0; i < 2; i++)
        if (!strcmp(bus.key[i], key))
            snprintf(reply.text, sizeof reply.text, "%s", bus.value[i]);
    fn(arg, bus.up ? &reply : NULL);
}

/* All that was asked while it was slow. */
static inline void answer_late(void)
{
    for (size_t i = 0, count = bus.late_count; i < count; i++)
        answer(bus.late[i].key, bus.late[i].fn, bus.late[i].arg);
    bus.late_count = 0;
}

void bus_command(struct bus *to, bus_reply_fn *fn, void *arg, const struct str *args, size_t count)
{
    char key[80];
    snprintf(key, sizeof key, "%.*s", (int)args[1].len, args[1].ptr);
    assert_ptr_equal(to, &bus);
    if (str_eq(args[0], STR("SET"))) {
        assert_int_equal(count, 5);
        int at = strstr(key, "1001") ? 0 : 1;
        memcpy(bus.key[at], key, sizeof key);
        snprintf(bus.value[at], sizeof bus.value[at], "%.*s", (int)args[2].len, args[2].ptr);
        fn(arg, NULL);
    } else if (str_eq(args[0], STR("DEL"))) {
        for (int i = 0; i < 2; i++)
            if (!strcmp(bus.key[i], key))
                bus.key[i][0] = '\0';
        fn(arg, NULL);
    } else {
        bus.asked++;
        bus.fn = fn;
        bus.arg = arg;
        if (!bus.slow) {
            answer(key, fn, arg);
        } else if (bus.late_count < 8) {
            memcpy(bus.late[bus.late_count].key, key, sizeof key);
            bus.late[bus.late_count].fn = fn;
            bus.late[bus.late_count++].arg = arg;
        }
    }
}

/* What a relay says to all. */
static struct {
    char bytes[256];
    size_t len;
    int count;
} published;

void bus_publish(struct bus *to, uint64_t conversation, struct str payload)
{
    assert_ptr_equal(to, &bus);
    assert_true(conversation == WIRE_CONTROL);
    assert_true(payload.len <= sizeof published.bytes);
    memcpy(published.bytes, payload.ptr, payload.len);
    published.len = payload.len;
    published.count++;
}

bool bus_is_up(const struct bus *which)
{
    return which->up;
}

struct str bus_reply_text(const struct bus_reply *reply)
{
    return str_of(reply->text);
}

/* ---- relays ---- */

struct relay {
    struct settings settings;
    struct http_server *server;
    struct handoff *handoff;
};

static char dir[64];

static void start(struct relay *relay, const char *name, uint64_t incarnation, const struct http_route *const *routes,
                  void (*upgrade)(void *, struct http_call *))
{
    char why[256], path[128];
    char *sets[] = {path};
    snprintf(path, sizeof path, "listen_socket=%s/%s.sock", dir, name);
    assert_int_equal(settings_load(&relay->settings, NULL, sets, 1, why), ERR_OK);
    struct http_config config = {
        .loop = &loop, .settings = &relay->settings, .wheel = &wheel, .routes = routes, .upgrade = upgrade};
    relay->server = http_new(&config, why);
    assert_non_null(relay->server);
    relay->handoff = handoff_new(&loop, &relay->settings, &wheel, &bus, relay->server, incarnation);
}

static void finish(struct relay *relay)
{
    unlink(relay->settings.listen_socket);
    handoff_free(relay->handoff);
    http_free(relay->server);
    settings_fini(&relay->settings);
}

#endif
