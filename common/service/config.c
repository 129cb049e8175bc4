#include "common/service/config.h"

#include "common/redis/redis_servers.h"
#include "common/store/db_address.h"

static enum err check_servers(const struct settings *settings, char why[256])
{
    struct redis_servers servers;
    struct endpoint addresses[DB_ADDRESSES_MAX];
    size_t count;
    if (redis_servers_read(settings, &servers, why) || db_addresses_parse(settings, addresses, &count, why))
        return ERR_INVALID;
    return ERR_OK;
}

enum err config_load(struct settings *settings, const char *file, char *const *sets, int count, char why[256])
{
    enum err err = settings_load(settings, file, sets, count, why);
    if (!err && (err = check_servers(settings, why)))
        settings_fini(settings);
    return err;
}
