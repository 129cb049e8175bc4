/* The multipart parser. The first byte says how the rest is cut; however it is, the same must be heard. */
#include "rest/http/multipart.h"

#include "common/buf.h"

#include <stdint.h>

enum { HEARD_MAX = 1 << 22 };

static enum err on_begin(void *arg, const struct multipart_part *part)
{
    struct buf *heard = arg;
    buf_add_char(heard, '{');
    buf_add_str(heard, part->name);
    buf_add_str(heard, part->filename);
    buf_add_str(heard, part->type);
    buf_add_char(heard, '}');
    return ERR_OK;
}

static enum err on_data(void *arg, struct str bytes)
{
    CG_ASSERT(bytes.len);
    buf_add_str(arg, bytes);
    return ERR_OK;
}

static enum err on_end(void *arg)
{
    buf_add_char(arg, '.');
    return ERR_OK;
}

static enum err parse(struct str type, struct str body, size_t step, struct buf *heard)
{
    static const struct multipart_calls calls = {on_begin, on_data, on_end};
    struct multipart multipart;
    enum err err = multipart_init(&multipart, type, &calls, heard);
    for (size_t at = 0; !err && at < body.len; at += step) {
        size_t len = body.len - at < step ? body.len - at : step;
        err = multipart_feed(&multipart, (struct str){body.ptr + at, len});
    }
    return err ? err : multipart_end(&multipart);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole, cut;
    if (!size)
        return 0;
    struct str body = {(const char *)data + 1, size - 1}, type = STR("multipart/form-data; boundary=xyz");
    buf_init(&whole, HEARD_MAX);
    buf_init(&cut, HEARD_MAX);
    if (data[0] == '!') { /* the Content-Type itself */
        enum err err = parse(body, STR(""), 1, &cut);
        CG_ASSERT(err);
    } else {
        enum err one = parse(type, body, body.len + 1, &whole), other = parse(type, body, data[0] % 32 + 1, &cut);
        CG_ASSERT(one == other && (one || str_eq(buf_str(&whole), buf_str(&cut))));
    }
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
