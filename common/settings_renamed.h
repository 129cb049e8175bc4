/* settings_renamed.h: former names of settings, still accepted with a warning. X(old, now), in the order of the
 * renaming. */
#ifndef CG_COMMON_SETTINGS_RENAMED_H
#define CG_COMMON_SETTINGS_RENAMED_H

#define SETTINGS_RENAMED(X) \
    X(audit_ms, reconcile_ms) \
    X(audit_down_ms, reconcile_down_ms) \
    X(names_ms, name_cache_ms) \
    X(readers, db_pool_threads) \
    X(reader_queue, db_pool_queue) \
    X(reader_queue_user, db_pool_queue_user) \
    X(reader_queue_address, db_pool_queue_address)

#endif
