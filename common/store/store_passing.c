#include "common/store/store_passing.h"

#include "common/store/store_sql.h"

enum err store_passing_add(struct store *store, const struct store_run *runs, size_t count)
{
    static const char begin[] = "INSERT INTO passing_run (conversation, first, last) SELECT n.conversation,"
                                " COALESCE(r.first, n.first), n.last FROM (",
                      end[] = ") n LEFT JOIN passing_run r ON r.conversation = n.conversation AND"
                              " r.last = n.first - 1 ON DUPLICATE KEY UPDATE last = VALUES(last)";
    struct buf sql;
    buf_init(&sql, sizeof begin + sizeof end + count * 128);
    buf_add_text(&sql, begin);
    for (size_t i = 0; i < count; i++)
        buf_addf(&sql,
                 i ? " UNION ALL SELECT %llu, %llu, %llu" : "SELECT %llu AS conversation, %llu AS first, %llu AS last",
                 (unsigned long long)runs[i].conversation, (unsigned long long)runs[i].first,
                 (unsigned long long)runs[i].last);
    buf_add(&sql, end, sizeof end); /* with its NUL */
    CG_ASSERT(!sql.failed);
    enum err err = db_run(store->db, sql.data, NULL, NULL);
    buf_fini(&sql);
    return err;
}
