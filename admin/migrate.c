#include "admin/commands.h"
#include "common/store/store.h"

#include <stdio.h>

static void say(void *arg, const char *line)
{
    (void)arg;
    puts(line);
}

enum status command_migrate(const struct settings *settings, bool dry)
{
    (void)dry;
    char why[256] = "";
    struct store *store = store_new(settings);
    enum err err = store_migrate(store, settings->sql_dir, say, NULL, why);
    store_free(store);
    if (err)
        return command_cannot(why);
    puts("the schema is up to date");
    return STATUS_FINE;
}
