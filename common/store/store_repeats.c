#include "common/store/store_repeats.h"

#include "common/mem.h"
#include "common/store/store_sql.h"

#include <stdio.h>

static const char head[] = "SELECT conversation, sender, client_id, seq, CAST(ROUND(UNIX_TIMESTAMP(created_at) * 1000) "
                           "AS UNSIGNED), kind, content,"
                           " revised_by, extra FROM message FORCE INDEX (message_client) WHERE ";

/* A post with a client_id, and its place in the batch. */
struct keyed {
    struct store_post *post;
    size_t at;
};

static int by_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int by_text(struct str a, struct str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int by_sender(const struct message *a, const struct message *b)
{
    int order = by_number(a->conversation, b->conversation);
    return order ? order : by_number(a->sender, b->sender);
}

static int by_key(const struct message *a, const struct message *b)
{
    int order = by_sender(a, b);
    return order ? order : by_text(a->client_id, b->client_id);
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct keyed *left = a, *right = b;
    int order = by_key(&left->post->message, &right->post->message);
    return order ? order : by_number(left->at, right->at);
}

/* Whether a post says what is stored under its client_id already. A message that was changed since has not its text any
 * more, nor has an edit that a later one took the place of: of those the rest decides. */
static bool says_the_same(const struct store_post *post, enum message_kind kind, struct str content, struct str extra,
                          bool changed)
{
    char emptied[48];
    if (kind != post->message.kind)
        return false;
    if (changed || (str_eq(content, post->message.content) && str_eq(extra, post->message.extra)))
        return true;
    snprintf(emptied, sizeof emptied, "{\"of\":%llu}", (unsigned long long)post->of);
    return kind == MESSAGE_EDIT && str_eq(content, str_of(emptied));
}

struct asked {
    const struct keyed *keyed;
    size_t count;
};

static const struct keyed *first_of(const struct asked *asked, const struct message *key)
{
    size_t low = 0, high = asked->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_key(&asked->keyed[middle].post->message, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return asked->keyed + low;
}

/* Sets the result of all posts with this client_id. */
static void on_earlier(void *arg, const struct db_value *c)
{
    const struct asked *asked = arg;
    const struct message key = {.conversation = c[0].number, .sender = c[1].number, .client_id = c[2].text};
    const struct keyed *end = asked->keyed + asked->count;
    for (const struct keyed *at = first_of(asked, &key); at < end && !by_key(&at->post->message, &key); at++) {
        at->post->earlier.seq = c[3].number;
        at->post->earlier.at_ms = (int64_t)c[4].number;
        at->post->earlier.same =
            says_the_same(at->post, (enum message_kind)c[5].number, c[6].text, c[8].text, !c[7].is_null);
    }
}

static void add_range(struct buf *sql, const char *between, const struct message *message)
{
    buf_addf(sql, "%s(conversation = %llu AND sender ", between, (unsigned long long)message->conversation);
    if (message->sender)
        buf_addf(sql, "= %llu", (unsigned long long)message->sender);
    else
        buf_add_text(sql, "IS NULL");
    buf_add_text(sql, " AND client_id IN (");
}

/* What one sender said in one conversation is one range of the key each: the server looks for nothing else. */
static enum err ask(struct store *store, struct asked *asked)
{
    const struct message *last = NULL;
    struct buf sql;
    buf_init(&sql, sizeof head + asked->count * (STORE_HEX_LEN(256) + 128));
    buf_add_text(&sql, head);
    for (size_t i = 0; i < asked->count; i++) {
        const struct message *message = &asked->keyed[i].post->message;
        if (last && !by_key(last, message))
            continue;
        if (last && !by_sender(last, message))
            buf_add_char(&sql, ',');
        else
            add_range(&sql, last ? ")) OR " : "", message);
        store_add_hex(&sql, message->client_id);
        last = message;
    }
    buf_add_text(&sql, "))");
    buf_add_char(&sql, '\0');
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, on_earlier, asked);
    buf_fini(&sql);
    return err;
}

enum err store_repeats_find(struct store *store, struct store_post *const *posts, size_t count)
{
    struct keyed *keyed = mem_zalloc(count * sizeof *keyed);
    size_t keyed_count = 0;
    enum err err = ERR_OK;
    for (size_t i = 0; i < count; i++) {
        posts[i]->earlier.seq = 0;
        posts[i]->twin = false;
        if (posts[i]->message.client_id.len)
            keyed[keyed_count++] = (struct keyed){posts[i], i};
    }
    qsort(keyed, keyed_count, sizeof *keyed, by_key_and_place);
    for (size_t i = 1; i < keyed_count; i++)
        keyed[i].post->twin = !by_key(&keyed[i - 1].post->message, &keyed[i].post->message);
    for (size_t at = 0, some; !err && at < keyed_count; at += some) {
        for (some = 0; at + some < keyed_count && some < STORE_KEYS_AT_ONCE;)
            some++;
        while (at + some < keyed_count && keyed[at + some].post->twin)
            some++; /* those alike are asked for once */
        err = ask(store, &(struct asked){keyed + at, some});
    }
    free(keyed);
    return err;
}
