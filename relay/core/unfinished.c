#include "relay/core/unfinished.h"

#include "common/err.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/metrics.h"

#include <stdbool.h>
#include <stdlib.h>

enum { CLASSES = 18 }; /* of sizes: below 1 KiB, below 2 KiB, below 4 KiB … */

/* There as long as it has any. */
struct unfinished_address {
    uint64_t key;
    size_t bytes;
    struct unfinished *oldest[CLASSES], *newest[CLASSES];
    struct unfinished_address *before, *behind; /* of all */
};

static struct {
    struct map addresses;
    struct unfinished_address *first;
    size_t total, max;
    bool relieving;
} all;

void unfinished_limit(size_t bytes)
{
    all.max = bytes;
}

size_t unfinished_total(void)
{
    return all.total;
}

/* ---- addresses ---- */

static struct unfinished_address *use_address(uint64_t key)
{
    struct unfinished_address *address;
    key = key ? key : UINT64_MAX;
    if ((address = map_get(&all.addresses, key)))
        return address;
    address = mem_zalloc(sizeof *address);
    address->key = key;
    address->behind = all.first;
    if (all.first)
        all.first->before = address;
    all.first = address;
    map_put(&all.addresses, key, address);
    return address;
}

static void forget_address(struct unfinished_address *address)
{
    *(address->before ? &address->before->behind : &all.first) = address->behind;
    if (address->behind)
        address->behind->before = address->before;
    map_take(&all.addresses, address->key);
    free(address);
    if (!all.addresses.count)
        map_fini(&all.addresses);
}

/* Asked only past the bound. */
static struct unfinished_address *largest_address(void)
{
    struct unfinished_address *most = all.first;
    for (struct unfinished_address *address = most; address; address = address->behind)
        if (address->bytes > most->bytes)
            most = address;
    return most;
}

/* ---- what they have ---- */

static size_t class_of(size_t bytes)
{
    size_t class = 0;
    for (bytes /= 1024; bytes && class < CLASSES - 1; bytes /= 2)
        class ++;
    return class;
}

static void unlink_it(struct unfinished *unfinished)
{
    struct unfinished_address *address = unfinished->address;
    size_t class = class_of(unfinished->bytes);
    *(unfinished->older ? &unfinished->older->newer : &address->oldest[class]) = unfinished->newer;
    *(unfinished->newer ? &unfinished->newer->older : &address->newest[class]) = unfinished->older;
    unfinished->older = unfinished->newer = NULL;
}

static void link_newest(struct unfinished *unfinished)
{
    struct unfinished_address *address = unfinished->address;
    size_t class = class_of(unfinished->bytes);
    unfinished->newer = NULL;
    unfinished->older = address->newest[class];
    *(unfinished->older ? &unfinished->older->newer : &address->oldest[class]) = unfinished;
    address->newest[class] = unfinished;
}

static struct unfinished *largest_of(const struct unfinished_address *address)
{
    size_t class = CLASSES;
    while (class --)
        if (address->oldest[class])
            return address->oldest[class];
    return NULL;
}

/* A sixteenth more than needed, so that it is not done for each piece that comes. Nobody can be dropped while
 * somebody is at work on it: then the next piece tries again. */
static void relieve(void)
{
    size_t enough = all.max - all.max / 16, before = SIZE_MAX;
    all.relieving = true;
    while (all.total > enough && all.total < before) {
        struct unfinished *unfinished = largest_of(largest_address());
        before = all.total;
        unfinished->drop(unfinished);
        if (all.total < before)
            metric_inc(METRIC_UNFINISHED_DROPPED);
    }
    all.relieving = false;
}

/* Out of its lists. The address stays until it is known whether something comes back. */
static struct unfinished_address *take_out(struct unfinished *unfinished)
{
    struct unfinished_address *address = unfinished->address;
    if (!address)
        return NULL;
    unlink_it(unfinished);
    address->bytes -= unfinished->bytes;
    all.total -= unfinished->bytes;
    unfinished->address = NULL;
    unfinished->bytes = 0;
    return address;
}

static void put_in(struct unfinished *unfinished, uint64_t key, size_t bytes)
{
    if (!bytes)
        return;
    unfinished->address = use_address(key);
    unfinished->bytes = bytes;
    unfinished->address->bytes += bytes;
    all.total += bytes;
    link_newest(unfinished);
}

void unfinished_set(struct unfinished *unfinished, uint64_t key, size_t bytes)
{
    if (bytes == unfinished->bytes)
        return;
    bool more = bytes > unfinished->bytes;
    struct unfinished_address *before = take_out(unfinished);
    put_in(unfinished, key, bytes);
    if (before && !before->bytes)
        forget_address(before);
    metric_set(METRIC_UNFINISHED_BYTES, (int64_t)all.total);
    if (more && all.max && all.total > all.max && !all.relieving)
        relieve();
}
