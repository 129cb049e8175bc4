/* settings_renamed.h: names that settings had before: they are still taken, with a warning.
 * X(old, now), in the order of the renaming. */
#ifndef CG_COMMON_SETTINGS_RENAMED_H
#define CG_COMMON_SETTINGS_RENAMED_H

#define SETTINGS_RENAMED(X) \
    X(audit_ms, reconcile_ms) \
    X(audit_down_ms, reconcile_down_ms) \
    X(names_ms, name_cache_ms)

#endif
