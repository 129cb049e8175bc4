/* app_presence.c: who is present or online. 503 while the Redis server that knows it is down. */
#include "common/json.h"
#include "common/mem.h"
#include "common/message.h"
#include "common/text.h"
#include "rest/calls/app_answers.h"
#include "rest/calls/app_conversations.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/fields.h"
#include "rest/services/redis_client.h"

#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)FIELDS_LIMIT_MAX <= (int)REDIS_CLIENT_ASKED, "a page is one question");

/* ---- in a conversation ---- */

struct ids {
    const struct redis_asked *present;
    size_t count;
    char (*texts)[APP_ID_MAX + 1];
};

static void on_id(void *arg, uint64_t user, struct str id)
{
    struct ids *ids = arg;
    for (size_t i = 0; i < ids->count; i++)
        if (ids->present[i].user == user)
            snprintf(ids->texts[i], APP_ID_MAX + 1, "%.*s", (int)id.len, id.ptr);
}

static int list_present(struct call *call)
{
    struct store_app_conversation of;
    struct list list;
    struct redis_asked present[FIELDS_LIMIT_MAX];
    char texts[FIELDS_LIMIT_MAX][APP_ID_MAX + 1] = {""};
    uint64_t users[FIELDS_LIMIT_MAX];
    size_t count;
    int status = app_conversation(call, APP_READ, &of, NULL);
    if (status != 200)
        return status;
    if (!list_begin(call, 0, &list))
        return 400;
    enum err err = redis_client_present(call->backends->redis, of.conversation, list.from, list.limit, present, &count);
    for (size_t i = 0; !err && i < count; i++)
        users[i] = present[i].user;
    struct ids ids = {present, count, texts};
    if (!err)
        err = store_app_ids(call->backends->store, users, count, on_id, &ids);
    for (size_t i = 0; !err && i < count; i++) {
        if (!present[i].online) {
            list_skip(&list, users[i]);
            continue;
        }
        list_row(&list, users[i]);
        if (*texts[i]) /* those of other front ends are credentials */
            json_add_text(call->out, "id", texts[i]);
        json_add_u64(call->out, "uid", users[i]);
        json_end_object(call->out);
    }
    list_end(&list);
    return failure_status(err, "presence");
}

/* ---- of users ---- */

/* Ids stand between commas, each as encodeURIComponent writes it: so a comma of its own is none of these. */
struct named {
    size_t count;
    struct str ids[REDIS_CLIENT_ASKED];
    struct redis_asked asked[REDIS_CLIENT_ASKED];
    char text[HTTP_QUERY_BYTES];
};

static int take_names(struct call *call, struct named *named)
{
    struct str given;
    char *at = named->text;
    if (!http_query(call->query, "users", &given))
        return call_refuse_field(call, STR("users"), "must be ids of users, with commas between them");
    for (named->count = 0; given.len || !named->count;) {
        const char *comma = given.len ? memchr(given.ptr, ',', given.len) : NULL;
        struct str part = {given.ptr, comma ? (size_t)(comma - given.ptr) : given.len};
        struct str *id = &named->ids[named->count];
        size_t gone = part.len + (comma != NULL);
        if (named->count++ == REDIS_CLIENT_ASKED)
            return call_refuse_field(call, STR("users"), "must be at most 100");
        id->ptr = at;
        if (text_decode_url(part, false, at, (size_t)(named->text + sizeof named->text - at), &id->len) ||
            !app_id_ok(*id))
            return call_refuse_field(call, STR("users"), "must be ids of users, with commas between them");
        at += id->len;
        given = (struct str){given.ptr + gone, given.len - gone};
    }
    return 200;
}

static void on_user(void *arg, uint64_t user, struct str id)
{
    struct named *named = arg;
    for (size_t i = 0; i < named->count; i++)
        if (str_eq(named->ids[i], id))
            named->asked[i] = (struct redis_asked){.conversation = WIRE_INBOX(user), .user = user};
}

/* Unknown users are not online; Redis is not asked about them. */
static enum err ask(struct call *call, struct named *named)
{
    struct redis_asked known[REDIS_CLIENT_ASKED];
    size_t count = 0;
    for (size_t i = 0; i < named->count; i++)
        if (named->asked[i].user)
            known[count++] = named->asked[i];
    enum err err = redis_client_ask(call->backends->redis, known, count);
    for (size_t i = named->count; i-- && !err;)
        if (named->asked[i].user)
            named->asked[i].online = known[--count].online;
    return err;
}

static int list_users(struct call *call)
{
    struct named *named = mem_zalloc(sizeof *named);
    int status = take_names(call, named);
    enum err err = ERR_OK;
    if (status == 200)
        err = store_app_numbers(call->backends->store, named->ids, named->count, on_user, named);
    if (status == 200 && !err)
        err = ask(call, named);
    json_begin_object(call->out);
    json_add_array(call->out, "items");
    for (size_t i = 0; status == 200 && i < named->count; i++) {
        json_add_object(call->out, NULL);
        json_add_string(call->out, "id", named->ids[i]);
        if (named->asked[i].user)
            json_add_u64(call->out, "uid", named->asked[i].user);
        json_add_bool(call->out, "online", named->asked[i].online);
        json_end_object(call->out);
    }
    json_end_array(call->out);
    json_end_object(call->out);
    free(named);
    return err ? failure_status(err, "presence") : status;
}

static const struct field users_query[] = {FIELD_NEEDED("users", TEXT), FIELD_END};

static const struct route rows[] = {
    {.method = "GET",
     .path = "/v1/conversations/:c/presence",
     .scope = SCOPE_READ,
     .users = true,
     .takes_query = true,
     .query = app_page_query,
     .answer = app_present_answer,
     .handler = list_present,
     .failed = failure_api,
     .doc = "who is present in it now"},
    {.method = "GET",
     .path = "/v1/presence",
     .scope = SCOPE_READ,
     .takes_query = true,
     .query = users_query,
     .answer = app_online_answer,
     .handler = list_users,
     .failed = failure_api,
     .doc = "which of these users are online"},
};

const struct route_table app_presence_routes = ROUTE_TABLE(rows);
