#include "rest/calls/media.h"

#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/rate.h"
#include "common/store/store_keys.h"
#include "common/store/store_media.h"
#include "common/text.h"
#include "rest/calls/app_answers.h"
#include "rest/http/failure.h"
#include "rest/services/caller.h"
#include "rest/services/filetype.h"
#include "rest/services/mediafile.h"
#include "rest/services/moderate.h"
#include "rest/services/thumbnail.h"
#include "rest/http/multipart.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CHUNK_BYTES = 64 * 1024,
    SIDE_FIRST = 320, /* of the thumbnail that is made with an upload; others when they are asked for */
    FILE_NAME_MAX = 255,
    FORM_BYTES = 400 * 1024, /* that a body may have beside its file: nginx' client_max_body_size allows as much */
};

/* The extension that a file of a kind gets; nginx serves by it. Other kinds that are allowed get "bin", and nginx has
 * them downloaded. */
static const struct {
    const char *kind, *extension;
} extensions[] = {
    {"image/png", "png"},   {"image/jpeg", "jpg"},      {"image/gif", "gif"},       {"image/webp", "webp"},
    {"image/bmp", "bmp"},   {"image/heic", "heic"},     {"image/avif", "avif"},     {"video/mp4", "mp4"},
    {"video/x-m4v", "m4v"}, {"video/webm", "webm"},     {"video/quicktime", "mov"}, {"video/3gpp", "3gp"},
    {"video/3gpp2", "3gp"}, {"audio/mpeg", "mp3"},      {"audio/ogg", "ogg"},       {"audio/x-m4a", "m4a"},
    {"audio/x-wav", "wav"}, {"application/pdf", "pdf"}, {"text/plain", "txt"},      {"application/zip", "zip"},
};

static const char *extension_of(const char *kind)
{
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        if (!strcmp(kind, extensions[i].kind))
            return extensions[i].extension;
    return "bin";
}

/* Whether `kind` stands in the list, separated by commas and blanks. */
static bool is_listed(const char *list, const char *kind)
{
    size_t len = strlen(kind);
    for (list += strspn(list, ", "); *list; list += strspn(list, ", ")) {
        size_t item = strcspn(list, ", ");
        if (item == len && !memcmp(list, kind, len))
            return true;
        list += item;
    }
    return false;
}

/* ---- taking the body in ---- */

struct upload {
    const struct settings *settings;
    const char *field;  /* of the form; others are passed over */
    int status;         /* of the failure that ended the parsing; 0: the form's fault */
    bool found, inside; /* its part has begun; and not ended */
    struct mediafile file;
    struct buf head; /* the file's first bytes */
    char kind[FILETYPE_MAX];
    char given[FILE_NAME_MAX + 1];    /* what the client calls it, cleaned; may be empty */
    bool looked_at;                   /* a picture is to be looked at … */
    struct thumbnail_picture picture; /* … and is that large */
};

/* What a person may be shown of a file's name: its last part, without what does not show or turns the line around. */
static void clean_name(struct str given, char name[FILE_NAME_MAX + 1])
{
    size_t len = 0, point;
    *name = '\0';
    if (!given.ptr || !text_utf8_valid(given))
        return;
    for (size_t i = 0; i < given.len; i++)
        if (given.ptr[i] == '/' || given.ptr[i] == '\\') {
            given = (struct str){given.ptr + i + 1, given.len - i - 1};
            i = (size_t)-1;
        }
    for (size_t i = 0; i < given.len; i += point) {
        unsigned char lead = (unsigned char)given.ptr[i];
        point = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        bool shows = !text_check_label((struct str){given.ptr + i, point}, 1);
        bool fits = len + point <= FILE_NAME_MAX, begins = !len && (lead == '.' || lead == ' ');
        if (!fits)
            break;
        if ((shows || lead == ' ') && !begins) {
            memcpy(name + len, given.ptr + i, point);
            len += point;
        }
    }
    name[len] = '\0';
}

static enum err fail(struct upload *upload, enum err err)
{
    upload->status = err == ERR_TOO_BIG ? 507 : 503;
    return err;
}

static enum err on_begin(void *arg, const struct multipart_part *part)
{
    struct upload *upload = arg;
    upload->inside = str_eq(part->name, str_of(upload->field));
    if (!upload->inside)
        return ERR_OK;
    if (upload->found)
        return ERR_INVALID; /* two of them: which one is meant? */
    upload->found = true;
    clean_name(part->filename, upload->given);
    enum err err = mediafile_begin(&upload->file, upload->settings->media_dir);
    return err ? fail(upload, err) : ERR_OK;
}

static enum err on_data(void *arg, struct str bytes)
{
    struct upload *upload = arg;
    if (!upload->inside)
        return ERR_OK;
    if (bytes.len > (uint64_t)upload->settings->upload_max_bytes - upload->file.bytes) {
        upload->status = 413;
        return ERR_DENIED;
    }
    size_t wanted = FILETYPE_BYTES - upload->head.len;
    buf_add(&upload->head, bytes.ptr, bytes.len < wanted ? bytes.len : wanted);
    enum err err = mediafile_write(&upload->file, bytes);
    return err ? fail(upload, err) : ERR_OK;
}

static enum err on_end(void *arg)
{
    ((struct upload *)arg)->inside = false;
    return ERR_OK;
}

static const struct multipart_calls upload_calls = {on_begin, on_data, on_end};

/* Whether a body of `bytes` (0: nobody knows) is worth reading: what is certain before it has come. */
static int check_room(struct call *call, uint64_t bytes)
{
    const struct settings *settings = call->backends->settings;
    uint64_t used, least = bytes > FORM_BYTES ? bytes - FORM_BYTES : 1;
    if (least > (uint64_t)settings->upload_max_bytes)
        return 413;
    enum err err = store_media_sum(call->backends->store, &used);
    if (err)
        return failure_status(err, "upload");
    return used + least > (uint64_t)settings->media_quota_bytes ? 507 : 200;
}

/* Reads the body to its end even if it will be refused, as the router does for handlers that have not begun to
 * read. */
static int read_body(struct upload *upload, const struct http_request *request)
{
    struct multipart multipart;
    char *chunk = mem_zalloc(CHUNK_BYTES);
    size_t got = 0;
    enum err form = multipart_init(&multipart, request->content_type, &upload_calls, upload), err;
    while (!(err = request->read(request, chunk, CHUNK_BYTES, &got)) && got)
        if (!form)
            form = multipart_feed(&multipart, (struct str){chunk, got});
    free(chunk);
    if (err)
        return 400;
    if (!form)
        form = multipart_end(&multipart);
    if (form)
        return upload->status ? upload->status : 400;
    return upload->file.bytes ? 200 : 400;
}

/* ---- keeping it ---- */

/* The payer for slow work: the user, else the address. */
static uint64_t payer_of(const struct call *call)
{
    if (call->caller && call->caller->is_user)
        return ~call->caller->id; /* no address's key */
    return rate_address_key(call->request->remote);
}

/* Whose it is; 0: nobody knows. What a backend brings for its users is the application's. */
static uint64_t owner_of(const struct call *call)
{
    return call->caller && call->caller->is_user ? call->caller->id : 0;
}

/* A picture that would burst whoever opens it is not taken. One that only cannot be looked at now, or not here, is. */
static int look_at(struct upload *upload, const struct call *call)
{
    if (strncmp(upload->kind, "image/", 6) != 0)
        return 200;
    enum thumbnail end =
        thumbnail_make(upload->settings, payer_of(call), upload->file.name, SIDE_FIRST, &upload->picture);
    return end == THUMBNAIL_PIXELS ? 413 : 200;
}

static int keep(struct upload *upload, struct call *call, const char *family)
{
    struct store *store = call->backends->store;
    struct mediafile *file = &upload->file;
    const struct settings *settings = upload->settings;
    if (filetype_of(buf_str(&upload->head), upload->kind))
        return 503;
    if (!is_listed(settings->media_types, upload->kind) || strncmp(upload->kind, family, strlen(family)) != 0)
        return 415;
    enum err err = mediafile_keep(file, extension_of(upload->kind));
    if (err)
        return err == ERR_TOO_BIG ? 507 : 503;
    int status = upload->looked_at ? look_at(upload, call) : 200;
    if (status != 200)
        return call_refuse(call, status, "too_many_pixels", "the picture has more pixels than are taken");
    err = store_media_add(store, str_of(file->name), str_of(upload->kind), file->bytes,
                          (uint64_t)settings->media_quota_bytes, owner_of(call));
    if (err && err != ERR_TOO_BIG && err != ERR_DOWN && err != ERR_UNKNOWN)
        log_error("rest.store_failed", "call=upload err=%s", err_name(err));
    return !err ? 200 : err == ERR_TOO_BIG ? 507 : err == ERR_UNKNOWN ? 504 : 503;
}

static void add_url(struct buf *out, const char *key, const struct upload *upload)
{
    char url[256 + MEDIA_NAME_MAX];
    snprintf(url, sizeof url, "%s%s", upload->settings->media_url, upload->file.name);
    json_add_text(out, key, url);
}

typedef void add_answer(struct buf *out, const struct upload *upload);

/* Takes the file of `field`, whose kind must begin with `family`. */
static int receive_upload(struct call *call, const char *field, const char *family, bool looked_at, add_answer *answer)
{
    struct upload upload = {
        .settings = call->backends->settings,
        .field = field,
        .looked_at = looked_at,
        .file = {.directory = -1, .fd = -1},
    };
    uint64_t length = call->request->length;
    int status = check_room(call, length == HTTP_LENGTH_BAD ? 0 : length);
    if (status != 200)
        return status;
    buf_init(&upload.head, FILETYPE_BYTES);
    status = read_body(&upload, call->request);
    if (status == 200)
        status = keep(&upload, call, family);
    if (status == 200)
        answer(call->out, &upload);
    mediafile_end(&upload.file, status != 200);
    buf_fini(&upload.head);
    return status;
}

/* ---- the calls ---- */

static void answer_avatar(struct buf *out, const struct upload *upload)
{
    json_begin_object(out);
    json_add_int(out, "status", 200);
    json_add_object(out, "payload");
    add_url(out, "avatar_path", upload);
    json_end_object(out);
    json_end_object(out);
}

static void answer_video(struct buf *out, const struct upload *upload)
{
    json_begin_object(out);
    json_add_int(out, "status", 200);
    add_url(out, "payload", upload);
    json_end_object(out);
}

static void answer_file(struct buf *out, const struct upload *upload)
{
    json_begin_object(out);
    json_add_bool(out, "success", true);
    json_add_object(out, "data");
    add_url(out, "url", upload);
    json_add_text(out, "kind", upload->kind);
    json_add_u64(out, "bytes", upload->file.bytes);
    json_end_object(out);
    json_end_object(out);
}

static int upload_avatar(struct call *call)
{
    return receive_upload(call, "avatar", "image/", false, answer_avatar);
}

static int upload_video(struct call *call)
{
    return receive_upload(call, "mp4_url", "video/", false, answer_video);
}

static int upload_file(struct call *call)
{
    return receive_upload(call, "file", "", false, answer_file);
}

static void answer_api(struct buf *out, const struct upload *upload)
{
    json_begin_object(out);
    add_url(out, "url", upload);
    json_add_text(out, "kind", upload->kind);
    json_add_u64(out, "bytes", upload->file.bytes);
    json_add_text(out, "name", *upload->given ? upload->given : upload->file.name);
    if (upload->picture.width) {
        json_add_u64(out, "width", upload->picture.width);
        json_add_u64(out, "height", upload->picture.height);
    }
    json_end_object(out);
}

static int upload_api(struct call *call)
{
    int status = receive_upload(call, "file", "", true, answer_api);
    return status == 200 ? 201 : status;
}

/* ---- files of erased users ---- */

void media_remove_gone(const struct backends *backends)
{
    char name[MEDIA_NAME_MAX + 1], last[MEDIA_NAME_MAX + 1] = "";
    uint64_t left;
    int directory = open(backends->settings->media_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum err err = directory < 0 ? ERR_NOT_FOUND : store_media_gone(backends->store, STR(""), name);
    while (!err && *name) {
        if (!media_remove(directory, name)) /* else it is on another machine, or cannot be removed: media gc finds it */
            err = store_media_remove(backends->store, str_of(name));
        memcpy(last, name, sizeof last);
        if (!err)
            err = store_media_gone(backends->store, str_of(last), name);
    }
    if (*last && !err)
        err = store_media_recount(backends->store, &left);
    if (err && err != ERR_NOT_FOUND)
        log_warn("media.not_removed", "err=%s", err_name(err));
    if (directory >= 0)
        close(directory);
}

/* ---- thumbnails ---- */

static bool is_side(uint64_t side)
{
    const unsigned *one = media_sides;
    while (*one && *one != side)
        one++;
    return *one;
}

static int failed_thumbnail(struct call *call, enum thumbnail end)
{
    switch (end) {
    case THUMBNAIL_MADE: return 200;
    case THUMBNAIL_MISSING: return 404;
    case THUMBNAIL_NONE: return call_refuse(call, 415, "no_thumbnail", "of this file no thumbnail can be made");
    case THUMBNAIL_PIXELS: return call_refuse(call, 415, "too_many_pixels", "the picture has too many pixels");
    case THUMBNAIL_BUSY:
        call->retry_after_s = 1;
        return call_refuse(call, 503, "busy", "too many thumbnails are being made: try again later");
    case THUMBNAIL_FAILED: break;
    }
    call->retry_after_s = 60;
    return call_refuse(call, 503, "unavailable", "the thumbnail could not be made: try again later");
}

/* nginx asks this for a thumbnail that is not there yet. */
static int thumbnail(struct call *call)
{
    uint64_t side;
    const struct str name = call->params[0];
    char text[MEDIA_NAME_MAX + 1];
    if (!media_name_ok(name))
        return 404;
    if (!http_query_number(call->query, "size", 0, INT32_MAX, 0, &side) || !is_side(side))
        return call_refuse_field(call, STR("size"), "must be 128, 320, 640 or 1280");
    snprintf(text, sizeof text, "%.*s", (int)name.len, name.ptr);
    return failed_thumbnail(call,
                            thumbnail_read(call->backends->settings, payer_of(call), text, (unsigned)side, call->out));
}

/* nginx asks this before it reads the body of any of them. A server key pays with its own rate. */
static int tell_room(struct call *call)
{
    uint64_t bytes = 0;
    struct str text = STR(""); /* empty: a body that comes in chunks */
    if (http_query(call->query, "bytes", &text) && text.len &&
        !http_query_number(call->query, "bytes", 0, INT64_MAX, 0, &bytes))
        return 400;
    bool is_backend = call->caller && !call->caller->is_user;
    enum err err = is_backend ? ERR_OK : moderate_check_creation(call, call->caller ? call->caller->id : 0);
    int status = call_status(call, err, "creation");
    if (status == 200)
        status = check_room(call, bytes);
    if (status == 200) {
        json_begin_object(call->out);
        json_add_bool(call->out, "success", true);
        json_end_object(call->out);
    }
    return status;
}

static const struct route rows[] = {
    {.method = "GET",
     .path = "/api/upload/room",
     .takes_query = true,
     .handler = tell_room,
     .failed = failure_coded,
     .doc = "whether a body of so many `bytes` would be taken now by the uploads below"},
    {.method = "POST",
     .path = "/users/upload_avatar",
     .creates = true,
     .body = BODY_STREAM,
     .handler = upload_avatar,
     .failed = failure_upload,
     .doc = "an image, as the form's field `avatar`; answers its URL"},
    {.method = "POST",
     .path = "/users/upload_video",
     .creates = true,
     .body = BODY_STREAM,
     .handler = upload_video,
     .failed = failure_upload,
     .doc = "a video, as the form's field `mp4_url`; answers its URL"},
    {.method = "POST",
     .path = "/api/upload",
     .creates = true,
     .body = BODY_STREAM,
     .handler = upload_file,
     .failed = failure_coded,
     .doc = "a file of any allowed kind, as the form's field `file`; answers its URL"},
};

const struct route_table media_routes = ROUTE_TABLE_OF_FRONT_END(rows);

static const struct route api_rows[] = {
    {.method = "GET",
     .path = "/v1/uploads/room",
     .scope = SCOPE_WRITE,
     .users = true,
     .takes_query = true,
     .says_why = true,
     .handler = tell_room,
     .failed = failure_api,
     .doc = "whether a body of so many `bytes` would be taken now by the call below"},
    {.method = "POST",
     .path = "/v1/uploads",
     .scope = SCOPE_WRITE,
     .users = true,
     .creates = true,
     .body = BODY_STREAM,
     .answer = app_upload_answer,
     .statuses = "201",
     .handler = upload_api,
     .failed = failure_api,
     .doc = "a file of any allowed kind, as the form's field `file`"},
    {.method = "GET",
     .path = "/media/:name",
     .takes_query = true,
     .type = "image/webp",
     .handler = thumbnail,
     .failed = failure_coded,
     .doc = "the thumbnail of a picture, of one `size`"},
};

const struct route_table media_api_routes = ROUTE_TABLE(api_rows);
