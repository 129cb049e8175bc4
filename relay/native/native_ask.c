#include "common/mem.h"
#include "common/store/page.h"
#include "common/store/store_life.h"
#include "common/store/store_reaction.h"
#include "relay/native/native.h"
#include "relay/native/native_client.h"
#include "relay/native/native_commands.h"
#include "relay/native/native_encode.h"
#include "relay/core/presence.h"

#include <stdlib.h>

enum {
    HISTORY_LIMIT = 50,
    HISTORY_MAX = 200,
    MEMBERS_BYTES = 256 * 1024,
    UNREAD_BYTES = 4096 + NATIVE_ROOMS_AT_ONCE * (6 * NATIVE_ID_MAX + 256),
};

/* ---- look-ups ---- */

void *native_asked_new(struct native *native, int64_t re, size_t size, void (*work)(struct job *, struct store *),
                       void (*done)(struct job *))
{
    struct native_asked *asked = mem_zalloc(size);
    asked->job.work = work;
    asked->job.done = done;
    asked->session_id = native->session->id;
    asked->user = native->user;
    asked->epoch = protocol_context.hub->epoch;
    asked->forgotten = protocol_context.hub->forgotten;
    asked->re = re;
    return asked;
}

void native_answered(struct native_asked *asked, struct native *native)
{
    if (asked->much)
        native_end_much(native);
}

bool native_look_up_much(struct native *native, struct native_asked *asked)
{
    if (!native_begin_much(native, asked->re)) {
        free(asked);
        return false;
    }
    asked->much = true;
    bool is_asked = native_look_up(native, asked->re, &asked->job);
    if (!is_asked)
        native_end_much(native);
    return is_asked;
}

struct native *native_asked_by(struct native_asked *asked)
{
    struct native *native = native_find(asked->session_id);
    if (!native)
        return NULL;
    native->asked--;
    if (!asked->job.err)
        return native;
    bool known = asked->job.err == ERR_NOT_FOUND || asked->job.err == ERR_UNKNOWN;
    native_fail(native, asked->re, known ? asked->job.err : ERR_DOWN);
    native_answered(asked, native);
    return NULL;
}

/* ---- history ---- */

struct history {
    struct native_asked asked;
    struct page page;
    struct store_reaction *reactions;
    size_t reaction_count;
    uint64_t reacted; /* the last number whose reaction is counted in */
    struct store_life life;
};

static void encode(void *arg, const struct message *message, struct buf *out)
{
    (void)arg;
    native_encode(message, out);
}

/* An event as native_encode begins it. */
static uint64_t seq_of(struct str row)
{
    static const char key[] = ",\"seq\":";
    const char *at = memmem(row.ptr, row.len, key, sizeof key - 1);
    CG_ASSERT(at);
    return strtoull(at + sizeof key - 1, NULL, 10);
}

/* A message as native_encode ends it. */
static bool is_recalled(struct str row)
{
    static const char end[] = ",\"recalled\":true}";
    return row.len >= sizeof end && !memcmp(row.ptr + row.len - (sizeof end - 1), end, sizeof end - 1);
}

static void encode_gone(void *arg, const struct page *page, uint64_t first, uint64_t last, struct buf *out)
{
    (void)arg;
    native_encode_gone(page->range.conversation, first, last, out);
}

static void read_history(struct job *job, struct store *store)
{
    struct history *history = (struct history *)job;
    job->err = page_read(&history->page, store);
    if (!job->err && history->page.count)
        job->err = store_reactions(store, history->page.range.conversation, seq_of(page_row(&history->page, 0)),
                                   seq_of(page_row(&history->page, history->page.count - 1)), history->asked.user,
                                   &history->reactions, &history->reaction_count, &history->reacted);
    if (!job->err) /* after it, so that messages removed meanwhile are included */
        job->err = store_life_get(store, history->page.range.conversation, &history->life);
    job->bytes = history->page.rows.cap + history->reaction_count * sizeof history->reactions[0];
}

/* With the reactions to its message, in front of the row's last brace. */
static void add_row(struct buf *out, const struct history *history, struct str row, size_t *at)
{
    struct store_reactions reactions = {history->reactions, history->reaction_count};
    json_add_raw(out, NULL, (struct str){row.ptr, row.len - 1});
    if (!is_recalled(row))
        store_reaction_add(out, &reactions, seq_of(row), at);
    json_end_object(out);
}

static void on_history(struct job *job)
{
    struct history *history = (struct history *)job;
    const struct page *page = &history->page;
    struct native *native = native_asked_by(&history->asked);
    if (native && history->asked.forgotten != protocol_context.hub->forgotten) {
        native_fail(native, history->asked.re, ERR_DOWN);
        native_answered(&history->asked, native);
    } else if (native) {
        struct buf out;
        size_t at = 0, more = history->reaction_count * (STORE_EMOJI_MAX + 64) + page->count * 20;
        native_begin(&out, page->rows.len + page->count + 512 + more, history->asked.re);
        json_add_u64(&out, "ch", page->range.conversation);
        json_add_u64(&out, "epoch", protocol_context.hub->epoch);
        json_add_array(&out, "events");
        for (size_t i = 0; i < page->count; i++)
            add_row(&out, history, page_row(page, i), &at);
        json_end_array(&out);
        if (history->reaction_count)
            json_add_u64(&out, "reacted", history->reacted);
        json_add_bool(&out, "more", page->more);
        if (history->life.trimmed)
            json_add_u64(&out, "trimmed", history->life.trimmed);
        native_end(native, &out);
        native_answered(&history->asked, native);
    }
    page_fini(&history->page);
    free(history->reactions);
    free(history);
}

/* What is wrong with the arguments, or NULL. */
static const char *read_range(struct json_object *object, struct store_range *range, int64_t *limit)
{
    int64_t number = 0;
    bool after = json_has(object, "after"), before = json_has(object, "before");
    *limit = HISTORY_LIMIT;
    *range = (struct store_range){.before = INT64_MAX, .latest = !after};
    if (after && before)
        return "either after or before";
    if (after && !json_get_int(object, "after", 0, INT64_MAX - 1, &number))
        return "after must be a number";
    range->after = (uint64_t)number;
    if (before && !json_get_int(object, "before", 0, INT64_MAX - 1, &number))
        return "before must be a number";
    if (before)
        range->before = (uint64_t)number;
    if (json_has(object, "limit") && !json_get_int(object, "limit", 1, HISTORY_MAX, limit))
        return "limit must be a number up to 200";
    return NULL;
}

void native_history(struct native_room *room, int64_t re, struct json_object *object)
{
    struct native *native = room->native;
    struct store_range range;
    int64_t limit;
    const char *wrong = read_range(object, &range, &limit);
    if (wrong) {
        native_refuse(native, re, "bad_argument", wrong);
        return;
    }
    range.conversation = room->membership.conversation;
    range.authors = true;
    range.limit = (unsigned)limit + 1; /* one more is read, to see whether there are more */
    struct history *history = native_asked_new(native, re, sizeof *history, read_history, on_history);
    page_init(&history->page, &range, (size_t)protocol_context.settings->history_bytes,
              12 * (size_t)protocol_context.settings->max_message_bytes + 24576);
    history->page.rows_max = (size_t)limit;
    history->page.encode = encode;
    history->page.gone = encode_gone;
    job_charge(&history->asked.job, JOB_ASK, native->user, 1 + (size_t)limit / 50);
    native_look_up_much(native, &history->asked);
}

/* ---- the read marker ---- */

struct reading {
    struct native_asked asked;
    char id[NATIVE_ID_MAX];
    uint64_t seq, unread;
    struct store_native_membership membership;
    bool moved;
};

static void move_marker(struct job *job, struct store *store)
{
    struct reading *reading = (struct reading *)job;
    struct store_native_membership *membership = &reading->membership;
    struct str id = str_of(reading->id);
    job->err = store_native_memberships(store, reading->asked.user, &id, 1, membership);
    if (!job->err && !membership->conversation)
        job->err = ERR_NOT_FOUND;
    uint64_t before = membership->read_seq;
    if (!job->err)
        job->err = store_native_read(store, reading->asked.user, reading->seq, membership);
    reading->moved = !job->err && membership->read_seq > before;
    if (!job->err)
        job->err = store_native_unread(store, membership->conversation, reading->asked.user, membership->read_seq,
                                       STORE_UNREAD_AMONG, &reading->unread);
    if (job->err && reading->moved)
        job->err = ERR_UNKNOWN; /* the marker is in place: the failure is not reported */
}

static void on_moved(struct job *job)
{
    struct reading *reading = (struct reading *)job;
    struct native *native = native_asked_by(&reading->asked);
    struct wire_mark mark = {reading->membership.conversation, reading->membership.read_seq};
    if (native) {
        struct buf out;
        native_begin(&out, 512, reading->asked.re);
        json_add_u64(&out, "seq", mark.seq);
        json_add_u64(&out, "unread", reading->unread);
        native_end(native, &out);
    }
    if (reading->moved && reading->asked.epoch == protocol_context.hub->epoch) { /* else it is of nobody's numbers */
        native_read_moved(reading->asked.user, &mark, native ? native->session : NULL);
        hub_notify_read(protocol_context.hub, reading->asked.user, &mark);
    }
    free(reading);
}

void native_read(struct native_room *room, int64_t re, struct json_object *object)
{
    int64_t seq;
    if (!json_get_int(object, "seq", 0, INT64_MAX - 1, &seq)) {
        native_refuse(room->native, re, "bad_argument", "seq must be a number");
        return;
    }
    struct reading *reading = native_asked_new(room->native, re, sizeof *reading, move_marker, on_moved);
    reading->seq = (uint64_t)seq;
    memcpy(reading->id, room->id, strlen(room->id));
    job_charge(&reading->asked.job, JOB_ASK, room->native->user, 3 + STORE_UNREAD_MAX / 200);
    native_look_up(room->native, re, &reading->asked.job);
}

/* ---- unread ---- */

struct counting {
    struct native_asked asked;
    size_t count;
    char ids[NATIVE_ROOMS_AT_ONCE][NATIVE_ID_MAX];
    uint64_t unread[NATIVE_ROOMS_AT_ONCE];
    struct store_native_membership memberships[NATIVE_ROOMS_AT_ONCE];
};

/* Events of each that are looked at: together no more than of four alone. */
static uint64_t among(size_t rooms)
{
    return rooms <= 4 ? STORE_UNREAD_AMONG : 4 * STORE_UNREAD_AMONG / rooms;
}

static void count_unread(struct job *job, struct store *store)
{
    struct counting *counting = (struct counting *)job;
    struct str ids[NATIVE_ROOMS_AT_ONCE];
    for (size_t i = 0; i < counting->count; i++)
        ids[i] = str_of(counting->ids[i]);
    job->err = store_native_memberships(store, counting->asked.user, ids, counting->count, counting->memberships);
    for (size_t i = 0; !job->err && i < counting->count; i++) {
        const struct store_native_membership *membership = &counting->memberships[i];
        if (membership->conversation && membership->seq > membership->read_seq)
            job->err = store_native_unread(store, membership->conversation, counting->asked.user, membership->read_seq,
                                           among(counting->count), &counting->unread[i]);
    }
}

static void add_counted(struct buf *out, const struct counting *counting, size_t i)
{
    const struct store_native_membership *membership = &counting->memberships[i];
    json_add_object(out, NULL);
    json_add_text(out, "room", counting->ids[i]);
    if (membership->conversation) {
        json_add_u64(out, "ch", membership->conversation);
        json_add_u64(out, "seq", membership->seq);
        json_add_u64(out, "read", membership->read_seq);
        json_add_u64(out, "unread", counting->unread[i]);
    } else {
        native_add_error(out, "not_found", "no such thing, or not one of yours", 0);
    }
    json_end_object(out);
}

static void on_counted(struct job *job)
{
    struct counting *counting = (struct counting *)job;
    struct native *native = native_asked_by(&counting->asked);
    if (native) {
        struct buf out;
        native_begin(&out, UNREAD_BYTES, counting->asked.re);
        json_add_array(&out, "rooms");
        for (size_t i = 0; i < counting->count; i++)
            add_counted(&out, counting, i);
        json_end_array(&out);
        native_end(native, &out);
        native_answered(&counting->asked, native);
    }
    free(counting);
}

/* What is wrong with the list, or NULL. Each is asked for once: the answer to it would be the same. */
static const char *read_ids(struct json_object *object, struct counting *counting)
{
    static const char wrong[] = "rooms is a list of at most 100 ids";
    struct json_object *list;
    if (!json_object_object_get_ex(object, "rooms", &list) || !json_object_is_type(list, json_type_array) ||
        json_object_array_length(list) > NATIVE_ROOMS_AT_ONCE)
        return wrong;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *id = json_object_array_get_idx(list, i);
        if (!json_object_is_type(id, json_type_string) || json_object_get_string_len(id) >= NATIVE_ID_MAX)
            return wrong;
        char *own = counting->ids[counting->count];
        memcpy(own, json_object_get_string(id), (size_t)json_object_get_string_len(id));
        for (size_t j = 0; j < counting->count; j++)
            if (!strcmp(counting->ids[j], own))
                return "rooms names a conversation twice";
        counting->count++;
    }
    return NULL;
}

void native_unread(struct native *native, int64_t re, struct json_object *object)
{
    struct counting *counting = native_asked_new(native, re, sizeof *counting, count_unread, on_counted);
    const char *wrong = read_ids(object, counting);
    if (!wrong) {
        job_charge(&counting->asked.job, JOB_ASK, native->user, 1 + 2 * counting->count);
        native_look_up_much(native, &counting->asked);
        return;
    }
    free(counting);
    native_refuse(native, re, "bad_argument", wrong);
}

/* ---- who is present ---- */

static void on_members(void *arg, const struct member *members, size_t count)
{
    struct native_asked *asked = arg;
    struct native *native = native_find(asked->session_id);
    if (native) {
        struct buf out;
        native->asked--;
        native_begin(&out, MEMBERS_BYTES, asked->re);
        native_add_members(&out, members, count);
        native_end(native, &out);
        native_end_much(native);
    }
    free(asked);
}

void native_members(struct native_room *room, int64_t re, struct json_object *object)
{
    struct native *native = room->native;
    (void)object;
    if (native->asked >= NATIVE_ASKED_MAX) {
        native_fail(native, re, ERR_BUSY);
        return;
    }
    if (!native_begin_much(native, re))
        return;
    native->asked++;
    struct native_asked *asked = native_asked_new(native, re, sizeof *asked, NULL, NULL);
    presence_ask(protocol_context.presence, room->membership.conversation, on_members, asked);
}
