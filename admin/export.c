/* export.c: chaguan export: prints stored data as lines of JSON (docs/export.md), of one user or of all. */
#include "admin/commands.h"
#include "common/service/operator.h"
#include "common/store/store_export.h"

#include <stdio.h>

static enum status tell(struct store *store, struct store_export *export)
{
    struct buf out;
    enum err err = ERR_OK;
    bool written = true;
    buf_init(&out, 2 * EXPORT_LINE_MAX);
    while (!err && written && export->phase != EXPORT_END) {
        buf_clear(&out);
        err = store_export_next(store, export, &out);
        written = err || fwrite(out.data, 1, out.len, stdout) == out.len;
    }
    buf_fini(&out);
    if (!written || (!err && puts("{\"type\":\"end\"}") < 0))
        return command_cannot("cannot write to standard output");
    return err ? command_database_failed(store) : STATUS_FINE;
}

enum status command_export(const struct settings *settings, const struct operation *operation)
{
    struct store_export export;
    (void)operation;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    store_export_init(&export, NULL, settings->media_url);
    enum status status = tell(store, &export);
    store_free(store);
    return status;
}

enum status command_user_export(const struct settings *settings, const struct operation *operation)
{
    struct store_export export;
    struct store_app_user user;
    struct str id = str_of(operation->words[0]);
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    operator_app_id(&id);
    enum err err = store_app_user_find(store, id, &user);
    enum status status = STATUS_CANNOT;
    store_export_init(&export, &user, settings->media_url);
    if (!err)
        status = tell(store, &export);
    else if (err == ERR_NOT_FOUND)
        command_cannot("the application has no such user");
    else
        command_database_failed(store);
    store_free(store);
    return status;
}
