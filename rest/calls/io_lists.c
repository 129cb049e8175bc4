/* io_lists.c: the admin calls of Socket.IO that only ask: which rooms and sockets there are, and how many. */
#include "common/json.h"
#include "common/redis/io_scripts.h"
#include "common/mem.h"
#include "common/text.h"
#include "rest/calls/admin.h"
#include "rest/http/failure.h"
#include "rest/calls/io_parts.h"
#include "rest/services/redis_client.h"

#include <stdlib.h>

enum {
    LIST_LIMIT = 10000, /* sids or rooms in one answer, unless less are asked for */
    PAGES_MAX = 32,     /* of Redis for one answer: a page may have next to nothing in it */
};

/* What pages of IO_SCRIPT_LIST gave, on its way into the body. */
struct listing {
    struct str *texts; /* owned, as is what they point to */
    size_t count, cap;
    char next[IO_CURSOR_MAX + 1];
};

static void on_listed(void *arg, size_t index, struct str text)
{
    struct listing *listing = arg;
    if (!index) {
        snprintf(listing->next, sizeof listing->next, "%.*s", (int)text.len, text.ptr);
        return;
    }
    if (listing->count == listing->cap) {
        listing->cap = listing->cap ? listing->cap * 2 : 64;
        listing->texts = mem_realloc(listing->texts, listing->cap * sizeof listing->texts[0]);
    }
    listing->texts[listing->count++] = (struct str){mem_strndup(text.ptr, text.len), text.len};
}

static int by_text(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    size_t least = left->len < right->len ? left->len : right->len;
    int order = memcmp(left->ptr, right->ptr, least);
    return order ? order : left->len < right->len ? -1 : left->len > right->len;
}

/* Sorted; each once, though one may have been in two pages. */
static void listing_write(struct listing *listing, struct buf *out)
{
    if (listing->count)
        qsort(listing->texts, listing->count, sizeof listing->texts[0], by_text);
    for (size_t i = 0; i < listing->count; i++)
        if (!i || !str_eq(listing->texts[i], listing->texts[i - 1]))
            json_add_string(out, NULL, listing->texts[i]);
}

static void listing_fini(struct listing *listing)
{
    for (size_t i = 0; i < listing->count; i++)
        free((void *)(uintptr_t)listing->texts[i].ptr);
    free(listing->texts);
}

static bool is_cursor(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    return text.len && text.len <= IO_CURSOR_MAX;
}

/* The namespace that a query names. 0 or the status to return. */
static int take_query(struct call *call, struct str *nsp)
{
    uint64_t conversation;
    int status = admin_check(call);
    if (status)
        return status;
    if (!http_query(call->query, "ns", nsp))
        *nsp = STR("/");
    return io_find_namespace(call, *nsp, &conversation);
}

static int list(struct call *call, struct str kind, struct str name)
{
    struct str nsp, cursor = STR("0");
    uint64_t limit;
    int status = take_query(call, &nsp);
    if (status)
        return status;
    http_query(call->query, "cursor", &cursor);
    if (!http_query_number(call->query, "limit", 1, LIST_LIMIT, LIST_LIMIT, &limit) || !is_cursor(cursor) ||
        !text_utf8_valid(name) || memchr(name.ptr, '\0', name.len))
        return 400;
    char number[24], at[IO_CURSOR_MAX + 1];
    struct listing listing = {.texts = NULL};
    enum err err;
    int pages = PAGES_MAX;
    snprintf(number, sizeof number, "%llu", (unsigned long long)(limit < IO_LIST_PAGE ? limit : IO_LIST_PAGE));
    snprintf(listing.next, sizeof listing.next, "%.*s", (int)cursor.len, cursor.ptr);
    do { /* page by page, so that no other waits long */
        memcpy(at, listing.next, sizeof at);
        struct str args[] = {nsp, kind, name, str_of(at), str_of(number)};
        err = redis_client_eval(call->backends->redis, IO_SCRIPT_LIST, args, 5, on_listed, &listing);
    } while (!err && --pages && listing.count < limit && strcmp(listing.next, "0") != 0);
    call_begin_data(call);
    json_add_array(call->out, NULL);
    listing_write(&listing, call->out);
    listing_fini(&listing);
    json_end_array(call->out);
    if (strcmp(listing.next, "0") != 0)
        json_add_text(call->out, "next", listing.next);
    json_end_object(call->out);
    return failure_status(err, "io");
}

int io_list_rooms(struct call *call)
{
    return list(call, STR("rooms"), STR(""));
}

int io_list_room_sockets(struct call *call)
{
    return list(call, STR("room"), call->params[0]);
}

int io_list_sockets(struct call *call)
{
    struct str room;
    if (http_query(call->query, "room", &room)) /* for names that no path can hold */
        return list(call, STR("room"), room);
    return list(call, STR("all"), STR(""));
}

static void on_counts(void *arg, size_t index, struct str text)
{
    json_add_raw(arg, index ? "rooms" : "sockets", text);
}

int io_count(struct call *call)
{
    struct str nsp;
    int status = take_query(call, &nsp);
    if (status)
        return status;
    call_begin_data(call);
    json_add_object(call->out, NULL);
    enum err err = redis_client_eval(call->backends->redis, IO_SCRIPT_COUNT, &nsp, 1, on_counts, call->out);
    json_end_object(call->out);
    json_end_object(call->out);
    return failure_status(err, "io");
}
