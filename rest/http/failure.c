#include "rest/http/failure.h"

#include "common/json.h"
#include "common/log.h"

static const struct word {
    int status;
    const char *code, *error;
} words[] = {
    {400, "invalid", "the request breaks a rule"},
    {401, "unauthorized", "a valid token or password is needed"},
    {403, "forbidden", "not allowed"},
    {404, "not_found", "no such thing"},
    {405, "method_not_allowed", "method not allowed"},
    {409, "conflict", "it exists already, and is another"},
    {413, "too_big", "request body too large"},
    {415, "unsupported_type", "unsupported media type"},
    {429, "too_many", "too many attempts, try again later"},
    {501, "not_implemented", "not offered here"},
    {503, "unavailable", "service unavailable"},
    {504, "unknown", "it is not known whether it was done"},
    {507, "full", "no room is left"},
    {500, "internal", "internal error"}, /* and every other */
};

static const struct word *word_of(int status)
{
    const struct word *word = words;
    while (word->status != status && word->status != 500)
        word++;
    return word;
}

const char *failure_error(int status)
{
    return word_of(status)->error;
}

const char *failure_code(int status)
{
    return word_of(status)->code;
}

int failure_status(enum err err, const char *call)
{
    switch (err) {
    case ERR_OK: return 200;
    case ERR_INVALID: return 400;
    case ERR_DENIED: return 403;
    case ERR_NOT_FOUND: return 404;
    case ERR_DUPLICATE: return 409;
    case ERR_TOO_BIG: return 413;
    case ERR_RETRY:
    case ERR_BUSY:
    case ERR_DOWN: return 503;
    case ERR_UNKNOWN: return 504;
    case ERR_INTERNAL: break;
    }
    log_error("rest.store_failed", "call=%s err=%s", call, err_name(err));
    return 500;
}

void failure_coded(struct buf *out, const struct failure *failure)
{
    json_begin_object(out);
    json_add_text(out, "error", failure->error);
    json_add_text(out, "code", failure->code);
    json_end_object(out);
}

void failure_customer(struct buf *out, const struct failure *failure)
{
    json_begin_object(out);
    json_add_int(out, "code", 0);
    json_add_text(out, "msg", failure->error);
    if (!strcmp(failure->code, "unknown"))
        json_add_text(out, "reason", failure->code);
    json_end_object(out);
}

void failure_upload(struct buf *out, const struct failure *failure)
{
    json_begin_object(out);
    json_add_int(out, "status", failure->status);
    json_add_text(out, "err", failure->error);
    json_end_object(out);
}

void failure_api(struct buf *out, const struct failure *failure)
{
    json_begin_object(out);
    json_add_object(out, "error");
    json_add_text(out, "code", failure->code);
    json_add_text(out, "message", failure->error);
    if (failure->retry_after_s)
        json_add_int(out, "retry_after_ms", failure->retry_after_s * 1000);
    json_end_object(out);
    json_end_object(out);
}
