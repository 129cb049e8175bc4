/* chatroom_http_pollers.c: polls come and go, their users stay: whoever polled a short while ago is present in the room. */
#include "common/container.h"
#include "common/mem.h"
#include "relay/core/presence.h"
#include "relay/protocols/chatroom_http_parts.h"

#include <stdlib.h>

struct poller {
    struct poller *next; /* another one with the same key */
    uint64_t conversation, user;
    unsigned polls;           /* in hand */
    struct wheel_timer timer; /* set while there are none */
};

static struct map pollers; /* key_of() → struct poller */

static uint64_t key_of(uint64_t conversation, uint64_t user)
{
    return (conversation * UINT64_C(0x9e3779b97f4a7c15) ^ user) | UINT64_C(1) << 63; /* never 0 */
}

static struct poller *find(uint64_t conversation, uint64_t user)
{
    struct poller *poller = map_get(&pollers, key_of(conversation, user));
    while (poller && (poller->conversation != conversation || poller->user != user))
        poller = poller->next;
    return poller;
}

static void forget(struct poller *poller)
{
    uint64_t key = key_of(poller->conversation, poller->user);
    struct poller *first = map_take(&pollers, key), **at = &first;
    while (*at != poller)
        at = &(*at)->next;
    *at = poller->next;
    if (first)
        map_put(&pollers, key, first);
    free(poller);
}

static void on_timer(struct wheel_timer *timer)
{
    struct poller *poller = container_of(timer, struct poller, timer);
    presence_leave(protocol_context.presence, poller->conversation, poller->user);
    forget(poller);
}

void chatroom_http_poller_comes(const struct store_place *place)
{
    struct poller *poller = find(place->conversation, place->user);
    if (!poller) {
        uint64_t key = key_of(place->conversation, place->user);
        poller = mem_zalloc(sizeof *poller);
        poller->next = map_get(&pollers, key);
        poller->conversation = place->conversation;
        poller->user = place->user;
        poller->timer.fired = on_timer;
        map_put(&pollers, key, poller);
        struct member member = {place->user, {place->user_name, place->user_name_len}, str_of(place->head)};
        presence_enter(protocol_context.presence, place->conversation, ENCODING_POLL, &member, 0);
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
