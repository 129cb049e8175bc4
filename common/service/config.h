/* config.h: loads a program's settings and validates the addresses of servers in them. */
#ifndef CG_COMMON_SERVICE_CONFIG_H
#define CG_COMMON_SERVICE_CONFIG_H

#include "common/settings.h"

/* As settings_load, and also checks the addresses of databases and Redis servers. On failure `settings` need not be
 * freed. */
enum err config_load(struct settings *settings, const char *file, char *const *sets, int count,
                     char why[256]) CG_MUST_CHECK;

#endif
