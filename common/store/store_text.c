/* store_text.c: helpers to build statements as text and to read rows. */
#include "common/hex.h"
#include "common/json.h"
#include "common/metrics.h"
#include "common/store/store_sql.h"

#include <limits.h>

void store_on_number(void *arg, const struct db_value *columns)
{
    *(uint64_t *)arg = columns[0].is_null ? 0 : columns[0].number;
}

void store_copy(char *out, size_t size, struct str text)
{
    size_t len = text.len;
    if (len >= size) {
        metric_inc(METRIC_DB_ODD_ROWS);
        for (len = size - 1; len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80; len--)
            continue;
    }
    if (len)
        memcpy(out, text.ptr, len);
    out[len] = '\0';
}

struct str store_json(struct str text, const char *instead)
{
    if (!json_vet(text, JSON_VET_MAX_DEPTH, UINT_MAX))
        return text;
    metric_inc(METRIC_DB_ODD_ROWS);
    return str_of(instead);
}

bool store_is_asked(uint64_t at, size_t count)
{
    if (at < count)
        return true;
    metric_inc(METRIC_DB_ODD_ROWS);
    return false;
}

void store_add_hex(struct buf *sql, struct str bytes)
{
    char *out = buf_reserve(sql, STORE_HEX_LEN(bytes.len));
    CG_ASSERT(out);
    *out++ = 'x';
    *out++ = '\'';
    hex_write(out, bytes.ptr, bytes.len);
    out[2 * bytes.len] = '\'';
    sql->len += STORE_HEX_LEN(bytes.len);
}

static void add_id(struct buf *sql, struct str id)
{
    buf_add_text(sql, "_ascii ");
    store_add_hex(sql, id);
    buf_add_text(sql, " COLLATE ascii_bin");
}

void store_add_asked(struct buf *sql, size_t at, struct str user_id, struct str room_id)
{
    buf_addf(sql, "%sSELECT %zu AS at, ", at ? " UNION ALL " : "", at);
    add_id(sql, user_id);
    buf_add_text(sql, " AS user, ");
    add_id(sql, room_id);
    buf_add_text(sql, " AS room");
}
