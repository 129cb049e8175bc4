/* store_again.c: the end of a transaction, retries, and the result to report afterwards. */
#include "common/store/store_sql.h"

bool store_again(struct store_tries *tries, enum err *err)
{
    enum { TRIES = 8 };
    tries->perhaps |= *err == ERR_UNKNOWN;
    if ((*err == ERR_RETRY || *err == ERR_UNKNOWN) && ++tries->count < TRIES)
        return true;
    if (tries->perhaps && (*err == ERR_DOWN || *err == ERR_RETRY || *err == ERR_BUSY || *err == ERR_INTERNAL))
        *err = ERR_UNKNOWN;
    return false;
}

enum err store_end(struct store *store, enum err err)
{
    if (!err)
        return db_commit(store->db);
    db_rollback(store->db);
    return err;
}
