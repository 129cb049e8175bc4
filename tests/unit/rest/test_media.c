/* Uploads: which are kept, under what names, and that of the others nothing is left. With real files and real
 * libmagic; only the database is a fake. */
#include "rest_fakes.h"

#include "common/media_name.h"
#include "common/store/store_media.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE "multipart/form-data; boundary=xyz"
#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde"
#define MP4 \
    "\0\0\0\x18" \
    "ftypisom\0\0\x02\0isommp42"
#define BREAK "\r\n--xyz--\r\n"
#define OPEN(field) \
    "--xyz\r\nContent-Disposition: form-data; name=\"" field "\"; filename=\"../../x.php\"\r\n" \
    "Content-Type: text/html\r\n\r\n"

static char directory[] = "/tmp/chaguan-media-XXXXXX", media[64];
static struct {
    enum err err;
    int added;
    char name[80], kind[80];
    uint64_t bytes, quota, sum;
} db;

enum err store_media_sum(struct store *store, uint64_t *bytes)
{
    (void)store;
    *bytes = db.sum;
    return db.err == ERR_DOWN ? ERR_DOWN : ERR_OK;
}

enum err store_media_add(struct store *store, struct str name, struct str kind, uint64_t bytes, uint64_t quota,
                         uint64_t owner)
{
    (void)store;
    (void)owner;
    char path[256];
    db.added++;
    keep(db.name, sizeof db.name, name);
    keep(db.kind, sizeof db.kind, kind);
    db.bytes = bytes;
    db.quota = quota;
    snprintf(path, sizeof path, "%s/%s", media, db.name);
    assert_int_equal(access(path, R_OK), 0); /* it is there before its row is */
    return db.err;
}

enum err store_media_gone(struct store *store, struct str after, char name[MEDIA_NAME_MAX + 1])
{
    (void)store, (void)after;
    *name = '\0';
    return ERR_OK;
}

enum err store_media_remove(struct store *store, struct str name)
{
    (void)store, (void)name;
    return ERR_OK;
}

enum err store_media_recount(struct store *store, uint64_t *bytes)
{
    (void)store, (void)bytes;
    return ERR_OK;
}

static size_t count_files(void)
{
    size_t count = 0;
    DIR *open = opendir(media);
    for (struct dirent *entry; open && (entry = readdir(open));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (open)
        closedir(open);
    return count;
}

static void remove_files(void)
{
    DIR *open = opendir(media);
    for (struct dirent *entry; open && (entry = readdir(open));)
        unlinkat(dirfd(open), entry->d_name, 0);
    if (open)
        closedir(open);
    rmdir(media);
}

static int reset_all(void **state)
{
    reset(state);
    memset(&db, 0, sizeof db);
    snprintf(media, sizeof media, "%s/media", directory);
    remove_files();
    settings.media_dir = media;
    settings.media_url = "/media/";
    settings.media_types = "image/png, video/mp4,text/plain";
    settings.upload_max_bytes = 1 << 20;
    settings.media_quota_bytes = 12345;
    return 0;
}

static int upload(const char *path, struct str body)
{
    struct sent sent = {.body = body, .content_type = STR(TYPE)};
    ask("POST", path, &sent);
    return response.status;
}

static struct str body_text(void)
{
    return buf_str(&response.body);
}

/* The answer is the literal with the file's URL in the place of %s. */
static void assert_url(const char *format)
{
    char want[512];
    snprintf(want, sizeof want, format, db.name);
    assert_str(body_text(), str_of(want));
    assert_true(media_name_ok(str_of(db.name)));
}

#define assert_kept(path, body, format, want_kind, extension) \
    do { \
        assert_int_equal(upload(path, body), 200); \
        assert_url(format); \
        assert_string_equal(db.kind, want_kind); \
        assert_string_equal(strchr(db.name, '.'), extension); \
    } while (0)

#define assert_refused(path, body, status) \
    do { \
        assert_int_equal(upload(path, body), status); \
        assert_int_equal(count_files(), 0); \
    } while (0)

static void a_file_is_kept_under_a_name_of_ours(void **state)
{
    (void)state;
    assert_kept("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK),
                "{\"status\":200,\"payload\":{\"avatar_path\":\"/media/%s\"}}", "image/png", ".png");
    assert_int_equal(db.bytes, sizeof PNG - 1);
    assert_int_equal(db.quota, 12345);
    char path[256], bytes[256];
    snprintf(path, sizeof path, "%s/%s", media, db.name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_bytes(((struct str){bytes, len}), PNG);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0137, 0); /* nothing for others, nothing to be run */
    assert_int_equal(stat(media, &info), 0);
    assert_int_equal(info.st_mode & 0027, 0);
    assert_kept("/users/upload_video", BYTES(OPEN("mp4_url") MP4 BREAK), "{\"status\":200,\"payload\":\"/media/%s\"}",
                "video/mp4", ".mp4");
    assert_kept("/api/upload", BYTES(OPEN("file") "plain, text\nx, y\n" BREAK),
                "{\"success\":true,\"data\":{\"url\":\"/media/%s\",\"kind\":\"text/plain\",\"bytes\":17}}",
                "text/plain", ".txt");
    assert_int_equal(count_files(), 3);
}

static void other_fields_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(upload("/api/upload", BYTES("--xyz\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" OPEN(
                                               "file") PNG "\r\n" OPEN("b") MP4 BREAK)),
                     200);
    assert_int_equal(db.bytes, sizeof PNG - 1);
    assert_int_equal(count_files(), 1);
}

static void a_kind_is_told_from_the_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        struct str body;
    } rows[] = {
        {"/users/upload_avatar", BYTES(OPEN("avatar") "#!/bin/sh\necho\n" BREAK)},
        {"/users/upload_avatar", BYTES(OPEN("avatar") "<html><script>alert(1)</script></html>" BREAK)},
        {"/users/upload_avatar", BYTES(OPEN("avatar") "<svg xmlns=\"http://www.w3.org/2000/svg\"/>" BREAK)},
        {"/users/upload_avatar", BYTES(OPEN("avatar") "<?php system('x');" BREAK)},
        {"/users/upload_avatar", BYTES(OPEN("avatar") "plain" BREAK)}, /* allowed, but no image */
        {"/users/upload_avatar", BYTES(OPEN("avatar") MP4 BREAK)},
        {"/users/upload_avatar", BYTES(OPEN("avatar") "GIF89a\1\0\1\0" BREAK)}, /* image, not allowed */
        {"/users/upload_avatar", BYTES(OPEN("avatar") "\0\0\0\0" BREAK)},
        {"/users/upload_video", BYTES(OPEN("mp4_url") PNG BREAK)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_refused(rows[i].path, rows[i].body, 415);
        assert_bytes(body_text(), "{\"status\":415,\"err\":\"unsupported media type\"}");
    }
    assert_refused("/api/upload",
                   BYTES(OPEN("file") "\x7f"
                                      "ELF\2\1\1\0" BREAK),
                   415);
    assert_bytes(body_text(), "{\"error\":\"unsupported media type\",\"code\":\"unsupported_type\"}");
    assert_int_equal(db.added, 0);
}

static void a_kind_must_be_listed_whole(void **state)
{
    (void)state;
    static const char *const lists[] = {"", "image/pn", "image/pngx", "image", "png", "image/*", "x,image/pn g"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        settings.media_types = (char *)(uintptr_t)lists[i];
        assert_refused("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK), 415);
    }
    settings.media_types = "x, ,image/png";
    assert_int_equal(upload("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK)), 200);
}

static void what_is_no_form_with_that_file_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES("{}"),
        BYTES(OPEN("avatar") "\r\n--xyz--"), /* empty */
        BYTES(OPEN("avatar") PNG),           /* cut short */
        BYTES(OPEN("avatar") PNG "\r\n--xyz"),
        BYTES(OPEN("avatar") PNG "\r\n--xyz-"),
        BYTES(OPEN("Avatar") PNG BREAK),
        BYTES(OPEN("mp4_url") PNG BREAK),
        BYTES(OPEN("avatar") PNG "\r\n" OPEN("avatar") PNG BREAK),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_refused("/users/upload_avatar", bad[i], 400);
        assert_bytes(body_text(), "{\"status\":400,\"err\":\"the request breaks a rule\"}");
    }
    assert_int_equal(call("POST", "/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK)), 400);
    assert_int_equal(call("PUT", "/users/upload_avatar", BYTES("")), 405);
    struct sent other = {.body = BYTES(OPEN("avatar") PNG BREAK), .content_type = STR("image/png")};
    ask("POST", "/users/upload_avatar", &other);
    assert_int_equal(response.status, 400);
    struct sent broken = {.body = BYTES(OPEN("avatar") PNG BREAK), .err = ERR_INVALID, .content_type = STR(TYPE)};
    ask("POST", "/users/upload_avatar", &broken);
    assert_int_equal(response.status, 400);
    assert_int_equal(count_files() + (size_t)db.added, 0);
}

/* A body that breaks off after so many bytes, as fcgi.c tells it. */
static size_t cut_at;

static enum err read_cut(const struct http_request *request, char *room, size_t cap, size_t *got)
{
    struct sent *sent = request->source;
    if (sent->at >= cut_at)
        return ERR_INVALID;
    enum err err = read_sent(request, room, cap < 16 ? cap : 16, got);
    return err;
}

static void a_body_that_breaks_off_leaves_nothing(void **state)
{
    (void)state;
    struct str body = BYTES(OPEN("avatar") PNG BREAK);
    for (cut_at = 0; cut_at <= body.len; cut_at += 16) {
        struct sent sent = {.body = body};
        struct backends backends = {.settings = &settings};
        struct http_request request = {.method = STR("POST"),
                                       .path = STR("/users/upload_avatar"),
                                       .content_type = STR(TYPE),
                                       .length = body.len,
                                       .read = read_cut,
                                       .source = &sent};
        http_response_fini(&response);
        http_response_init(&response);
        router_init(routes);
        router_serve(&backends, &request, &response);
        assert_int_equal(response.status, 400);
        assert_int_equal(count_files(), 0);
    }
    assert_int_equal(db.added, 0);
}

static void the_largest_file_is_taken_and_one_byte_more_is_not(void **state)
{
    (void)state;
    struct buf body;
    settings.media_quota_bytes = 4 << 20;
    buf_init(&body, 2 << 20);
    for (size_t extra = 0; extra < 2; extra++) {
        buf_clear(&body);
        buf_add(&body, OPEN("avatar") PNG, sizeof OPEN("avatar") PNG - 1);
        size_t pad = (size_t)settings.upload_max_bytes - (sizeof PNG - 1) + extra;
        memset(buf_reserve(&body, pad), 'x', pad);
        body.len += pad;
        buf_add_text(&body, BREAK);
        if (!extra) {
            assert_int_equal(upload("/users/upload_avatar", buf_str(&body)), 200);
            assert_int_equal(db.bytes, settings.upload_max_bytes);
            remove_files();
            continue;
        }
        struct sent sent = {.body = buf_str(&body), .content_type = STR(TYPE)};
        ask("POST", "/users/upload_avatar", &sent);
        assert_int_equal(response.status, 413);
        assert_bytes(body_text(), "{\"status\":413,\"err\":\"request body too large\"}");
        assert_int_equal(sent.at, body.len); /* read to its end */
        assert_int_equal(count_files(), 0);
    }
    buf_fini(&body);
}

/* Before the body has come: by its length, and what there is. */
static void whether_a_body_would_be_taken_can_be_asked(void **state)
{
    (void)state;
    enum { KIB = 1024 };
    settings.media_quota_bytes = 10000 * KIB;
    settings.upload_max_bytes = 900 * KIB;
    settings.rate_creations = 1;
    settings.rate_creations_burst = 2;
    static const struct {
        uint64_t sum_kib;
        const char *query;
        int status;
    } rows[] = {
        {0, "", 200},
        {0, "bytes=", 200},
        {0, "bytes=1000", 200},
        {0, "bytes=1331200", 200}, /* 1300 KiB: a file of 900 KiB in a form */
        {0, "bytes=1331201", 413},
        {9999, "bytes=1000", 200},
        {10000, "bytes=1000", 507},
        {10000, "bytes=", 507},
        {9500, "bytes=1331200", 507},
        {9100, "bytes=1331200", 200},
        {0, "bytes=x", 400},
        {0, "bytes=-1", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sent sent = {.query = str_of(rows[i].query)};
        db.sum = rows[i].sum_kib * KIB;
        ask("GET", "/api/upload/room", &sent);
        if (response.status != rows[i].status)
            fail_msg("%s with %llu KiB: %d", rows[i].query, (unsigned long long)rows[i].sum_kib, response.status);
    }
    /* who has made too much is told, and asking makes nothing */
    db.sum = 10000 * KIB;
    struct sent sent = {.body = BYTES(OPEN("avatar") PNG BREAK), .content_type = STR(TYPE)};
    for (int i = 0; i < 2; i++) {
        sent.at = 0;
        ask("POST", "/users/upload_avatar", &sent);
        assert_int_equal(response.status, 507);
        assert_int_equal(sent.at, sent.body.len); /* read to its end, for nothing */
    }
    assert_int_equal(count_files() + (size_t)db.added, 0);
    struct sent question = {.query = STR("bytes=10")};
    ask("GET", "/api/upload/room", &question);
    assert_int_equal(response.status, 429);
    assert_true(response.retry_after_s > 0);
    db.err = ERR_DOWN;
    settings.rate_creations = 0;
    ask("GET", "/api/upload/room", &question);
    assert_int_equal(response.status, 503);
}

static void without_room_or_database_nothing_is_left(void **state)
{
    (void)state;
    db.err = ERR_TOO_BIG;
    assert_refused("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK), 507);
    assert_bytes(body_text(), "{\"status\":507,\"err\":\"no room is left\"}");
    static const enum err errs[] = {ERR_DOWN, ERR_UNKNOWN, ERR_RETRY, ERR_INTERNAL};
    for (size_t i = 0; i < sizeof errs / sizeof errs[0]; i++) {
        db.err = errs[i];
        assert_refused("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK), errs[i] == ERR_UNKNOWN ? 504 : 503);
    }
    settings.media_dir = "/proc/nowhere";
    assert_int_equal(upload("/users/upload_avatar", BYTES(OPEN("avatar") PNG BREAK)), 503);
}

static void only_our_names_are_names(void **state)
{
    (void)state;
#define DIGITS "0123456789abcdef0123456789abcdef"
    static const char *const bad[] = {
        "",
        ".",
        "..",
        DIGITS,
        DIGITS ".",
        DIGITS ".PNG",
        DIGITS ".p/g",
        DIGITS "..png",
        DIGITS ".p.g",
        DIGITS ".123456789",
        "0123456789ABCDEF0123456789abcdef.png",
        "g123456789abcdef0123456789abcdef.png",
        "123456789abcdef0123456789abcdef.png",
        "0" DIGITS ".png",
        MEDIA_TEMPORARY DIGITS,
        "/" DIGITS ".png",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(media_name_ok(str_of(bad[i])));
    assert_true(media_name_ok(STR(DIGITS ".png")));
    assert_true(media_name_ok(STR(DIGITS ".3")));
    assert_true(media_name_ok(STR(DIGITS ".12345678")));
}

static int begin(void **state)
{
    (void)state;
    return !mkdtemp(directory);
}

static int end(void **state)
{
    remove_files();
    rmdir(directory);
    return free_response(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_file_is_kept_under_a_name_of_ours, reset_all),
        cmocka_unit_test_setup(other_fields_are_passed_over, reset_all),
        cmocka_unit_test_setup(a_kind_is_told_from_the_bytes, reset_all),
        cmocka_unit_test_setup(a_kind_must_be_listed_whole, reset_all),
        cmocka_unit_test_setup(what_is_no_form_with_that_file_is_refused, reset_all),
        cmocka_unit_test_setup(a_body_that_breaks_off_leaves_nothing, reset_all),
        cmocka_unit_test_setup(the_largest_file_is_taken_and_one_byte_more_is_not, reset_all),
        cmocka_unit_test_setup(whether_a_body_would_be_taken_can_be_asked, reset_all),
        cmocka_unit_test_setup(without_room_or_database_nothing_is_left, reset_all),
        cmocka_unit_test_setup(only_our_names_are_names, reset_all),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
