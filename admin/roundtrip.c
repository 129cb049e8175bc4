/* roundtrip.c: chaguan roundtrip: posts a message through nginx and receives it on every relay, as clients would.
 *
 * Servers may be up and still misconfigured. So the message, its room and its user have names outside ASCII, and the
 * message goes through nginx, the REST process, the database, Redis and each relay. The room and user are reused, so a
 * round trip leaves one message, a join and a leave. */
#include "admin/commands.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/json.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROOM "试茶"
#define NICK "掌柜"

enum { RELAYS_MAX = 64, DEADLINE_MS = 15000, OUTPUT_MAX = 1 << 20 };

/* What one request has brought so far. */
struct heard {
    CURL *easy;
    struct buf bytes;
    const char *relay; /* whose stream it is; NULL: the front's answer */
};

struct trip {
    const char *url; /* of the front, without a slash at its end */
    size_t url_len;
    char room[64], said[64];
    char nicks[RELAYS_MAX][64]; /* one for each relay: a user may be allowed one connection only */
    char why[256];
    CURLM *multi;
    struct heard streams[RELAYS_MAX];
    size_t count;
    char relays[1024]; /* the list of them, cut into pieces */
};

static bool fails(struct trip *trip, const char *what, const char *detail)
{
    snprintf(trip->why, sizeof trip->why, "no round trip: %s%s%.150s", what, *detail ? ": " : "", detail);
    return false;
}

static size_t take(char *bytes, size_t size, size_t count, void *arg)
{
    struct heard *heard = arg;
    if (heard->bytes.len + size * count > OUTPUT_MAX)
        return 0;
    buf_add(&heard->bytes, bytes, size * count);
    return size * count;
}

/* A request of `path` at the front or, with `relay`, at a relay's own listen_socket or address. */
static CURL *request(struct heard *heard, const struct trip *trip, const char *path, const char *relay)
{
    char url[512];
    bool is_path = relay && strchr(relay, '/');
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    if (relay)
        snprintf(url, sizeof url, "http://%s%s", is_path ? "localhost" : relay, path);
    else
        snprintf(url, sizeof url, "%.*s%s", (int)trip->url_len, trip->url, path);
    buf_init(&heard->bytes, OUTPUT_MAX);
    heard->easy = easy;
    heard->relay = relay;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)DEADLINE_MS);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, heard);
    if (is_path)
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, relay);
    return easy;
}

static void forget(struct heard *heard)
{
    if (heard->easy)
        curl_easy_cleanup(heard->easy);
    buf_fini(&heard->bytes);
    memset(heard, 0, sizeof *heard);
}

/* POSTs a JSON text to nginx; *answer is the answer's object, or NULL if it is no object. */
static bool post(struct trip *trip, const char *path, struct str body, struct json_object **answer)
{
    struct heard heard = {0};
    long status = 0;
    CURL *easy = request(&heard, trip, path, NULL);
    if (!easy)
        return fails(trip, "curl cannot be used", "");
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json; charset=utf-8");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)body.len);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.ptr);
    CURLcode code = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    *answer = NULL;
    bool well = code == CURLE_OK && status == 200 && json_parse_object(buf_str(&heard.bytes), answer) == ERR_OK;
    if (!well) {
        char detail[160];
        snprintf(detail, sizeof detail, "%ld %.*s", status, (int)(heard.bytes.len < 120 ? heard.bytes.len : 120),
                 heard.bytes.len ? heard.bytes.data : "");
        fails(trip, path, code ? curl_easy_strerror(code) : detail);
    }
    curl_slist_free_all(headers);
    forget(&heard);
    return well;
}

/* The text `key` of the answer, without anything that would not stand in a URL. */
static bool text_of(struct json_object *object, const char *key, char *out, size_t size)
{
    struct str text;
    if (!json_get_string(object, key, &text) || !text.len || text.len >= size)
        return false;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    return strspn(out, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == text.len;
}

/* The `nth` user comes into the room. */
static bool enter(struct trip *trip, size_t nth)
{
    struct json_object *answer, *data;
    char number[8] = "";
    struct buf body;
    if (nth)
        snprintf(number, sizeof number, "%zu", nth + 1);
    buf_init(&body, 256);
    json_begin_object(&body);
    json_add_text(&body, "chatroomName", ROOM);
    json_add_joined(&body, "nickName", STR(NICK), str_of(number));
    json_add_int(&body, "headNum", 1);
    json_end_object(&body);
    bool answered = post(trip, "/api/createChatroom", buf_str(&body), &answer);
    buf_fini(&body);
    if (!answered)
        return false;
    bool well = json_object_object_get_ex(answer, "data", &data) && json_object_is_type(data, json_type_object) &&
                text_of(data, "chatroomId", trip->room, sizeof trip->room) &&
                text_of(data, "nickId", trip->nicks[nth], sizeof trip->nicks[nth]);
    if (!well)
        fails(trip, "the answer to createChatroom is not understood", json_object_to_json_string(answer));
    json_object_put(answer);
    return well;
}

static bool has(const struct heard *heard, const char *text)
{
    return heard->bytes.len && memmem(heard->bytes.data, heard->bytes.len, text, strlen(text));
}

/* Goes on until every stream has brought `text`. */
static bool hear(struct trip *trip, const char *text)
{
    int running = 0, left = 0;
    int64_t deadline = clock_mono_ms() + DEADLINE_MS;
    for (;;) {
        const struct heard *silent = NULL;
        const CURLMsg *ended;
        if (curl_multi_perform(trip->multi, &running))
            return fails(trip, "curl cannot go on", "");
        while ((ended = curl_multi_info_read(trip->multi, &left)))
            for (size_t i = 0; i < trip->count; i++)
                if (trip->streams[i].easy == ended->easy_handle)
                    silent = &trip->streams[i]; /* a stream has no end */
        for (size_t i = 0; i < trip->count && !silent; i++)
            if (!has(&trip->streams[i], text))
                silent = &trip->streams[i];
        if (!silent)
            return true;
        if ((size_t)running < trip->count || clock_mono_ms() > deadline)
            return fails(trip, "nothing heard at", silent->relay ? silent->relay : trip->url);
        curl_multi_poll(trip->multi, NULL, 0, 50, NULL);
    }
}

/* A stream of the room's events at each relay named in `relays` (parted by commas), or one through the front. */
static bool listen_at(struct trip *trip, const char *relays)
{
    char path[256], *rest = NULL;
    if (relays && strlen(relays) >= sizeof trip->relays)
        return fails(trip, "too long a list of relays", "");
    if (relays)
        memcpy(trip->relays, relays, strlen(relays) + 1);
    char *relay = relays ? strtok_r(trip->relays, ",", &rest) : NULL;
    do {
        if (trip->count == RELAYS_MAX)
            return fails(trip, "too many relays", "");
        if (!enter(trip, trip->count))
            return false;
        snprintf(path, sizeof path, "/rooms/%s/events?nickId=%s", trip->room, trip->nicks[trip->count]);
        CURL *easy = request(&trip->streams[trip->count++], trip, path, relay);
        if (!easy)
            return fails(trip, "curl cannot be used", "");
        curl_easy_setopt(easy, CURLOPT_HEADER, 1L); /* so that it is seen to be open before anything is said */
        curl_multi_add_handle(trip->multi, easy);
    } while (relay && (relay = strtok_r(NULL, ",", &rest)));
    return hear(trip, " 200 ");
}

static bool say(struct trip *trip)
{
    char path[128];
    struct buf body;
    struct json_object *answer;
    snprintf(trip->said, sizeof trip->said, "一杯茶 %016" PRIx64, id_random());
    snprintf(path, sizeof path, "/rooms/%s/send", trip->room);
    buf_init(&body, 512);
    json_begin_object(&body);
    json_add_text(&body, "nickId", trip->nicks[0]);
    json_add_text(&body, "content", trip->said);
    json_end_object(&body);
    bool answered = post(trip, path, buf_str(&body), &answer);
    buf_fini(&body);
    if (!answered)
        return false;
    json_object_put(answer);
    return true;
}

enum status command_roundtrip(const struct settings *settings, const struct operation *operation)
{
    (void)settings;
    struct trip trip = {.url = operation->words[0], .url_len = strlen(operation->words[0])};
    while (trip.url_len && trip.url[trip.url_len - 1] == '/')
        trip.url_len--;
    bool usable = !curl_global_init(CURL_GLOBAL_DEFAULT) && (trip.multi = curl_multi_init());
    if (!usable)
        fails(&trip, "curl cannot be used", "");
    bool well = usable && listen_at(&trip, operation->options[OPTION_RELAYS]) && say(&trip) && hear(&trip, trip.said);
    for (size_t i = 0; i < trip.count; i++) {
        if (trip.streams[i].easy)
            curl_multi_remove_handle(trip.multi, trip.streams[i].easy);
        if (well)
            printf("heard=%s\n", trip.streams[i].relay ? trip.streams[i].relay : "front");
        forget(&trip.streams[i]);
    }
    if (trip.multi)
        curl_multi_cleanup(trip.multi);
    curl_global_cleanup();
    return well ? STATUS_FINE : command_cannot(trip.why);
}
