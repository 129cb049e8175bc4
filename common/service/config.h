/* config.h: the settings of a program, and whether what they say of servers can be understood. */
#ifndef CG_COMMON_SERVICE_CONFIG_H
#define CG_COMMON_SERVICE_CONFIG_H

#include "common/settings.h"

/* settings_load, and then the addresses of databases and Redis servers are looked at, too. On failure `settings` need
 * not be freed. */
enum err config_load(struct settings *settings, const char *file, char *const *sets, int count,
                     char why[256]) CG_MUST_CHECK;

#endif
