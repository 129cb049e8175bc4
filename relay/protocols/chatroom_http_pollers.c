/* chatroom_http_pollers.c: polls come and go, their users stay: whoever polled a short while ago is present in the room. */
#include "common/container.h"
#include "common/mem.h"
#include "relay/core/presence.h"
#include "relay/protocols/chatroom_http_parts.h"

#include <stdlib.h>

struct poller {
    struct map_link link; /* another one with the same key */
    uint64_t conversation, user;
    unsigned polls;           /* in hand */
    bool of_app;              /* one of the application's users */
    struct wheel_timer timer; /* set while there are none */
};

static struct map pollers; /* key_of() → chain of struct poller */

static uint64_t key_of(uint64_t conversation, uint64_t user)
{
    return (conversation * UINT64_C(0x9e3779b97f4a7c15) ^ user) | UINT64_C(1) << 63; /* never 0 */
}

static struct poller *find(uint64_t conversation, uint64_t user)
{
    for (struct map_link *link = map_get(&pollers, key_of(conversation, user)); link; link = link->next) {
        struct poller *poller = container_of(link, struct poller, link);
        if (poller->conversation == conversation && poller->user == user)
            return poller;
    }
    return NULL;
}

static void forget(struct poller *poller)
{
    map_chain_remove(&pollers, key_of(poller->conversation, poller->user), &poller->link);
    free(poller);
}

static void on_timer(struct wheel_timer *timer)
{
    struct poller *poller = container_of(timer, struct poller, timer);
    presence_leave(protocol_context.presence, poller->conversation, poller->user);
    if (poller->of_app)
        presence_offline(protocol_context.presence, poller->user);
    forget(poller);
}

void chatroom_http_poller_comes(const struct store_membership *membership)
{
    struct poller *poller = find(membership->conversation, membership->user);
    if (!poller) {
        poller = mem_zalloc(sizeof *poller);
        poller->conversation = membership->conversation;
        poller->user = membership->user;
        poller->timer.fired = on_timer;
        map_chain_add(&pollers, key_of(membership->conversation, membership->user), &poller->link);
        struct member member = {
            membership->user, {membership->user_name, membership->user_name_len}, str_of(membership->head)};
        presence_enter(protocol_context.presence, membership->conversation, ENCODING_POLL, &member, 0);
        poller->of_app = membership->realm == REALM_APP;
        if (poller->of_app)
            presence_online(protocol_context.presence, poller->user);
    }
    poller->polls++;
    wheel_cancel(&poller->timer);
}

void chatroom_http_poller_goes(uint64_t conversation, uint64_t user)
{
    struct poller *poller = find(conversation, user);
    CG_ASSERT(poller && poller->polls);
    if (--poller->polls == 0)
        wheel_set(protocol_context.hub->wheel, &poller->timer, protocol_context.settings->poll_presence_ms);
}
