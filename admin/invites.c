/* invites.c: chaguan invite: codes for creating accounts of Chaguan's own. */
#include "admin/commands.h"
#include "common/digest.h"
#include "common/store/store_accounts.h"

#include <stdio.h>

enum { INVITE_S = 7 * 24 * 3600, SETUP_S = 24 * 3600 };

static enum status add(const struct settings *settings, enum store_user_role role, int64_t for_s)
{
    char code[ID_MAX], digest[DIGEST_MAX];
    enum status status = STATUS_FINE;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    id_make(STORE_INVITE_PREFIX, code);
    struct str text = str_of(code);
    digest_make(&text, 1, digest);
    enum err err = store_invite_add(store, str_of(digest), role, 1, for_s);
    if (err == ERR_DENIED)
        status = command_cannot("there are accounts already: the first one alone is made with such a code");
    else if (err)
        status = command_database_failed(store);
    else
        puts(code);
    store_free(store);
    return status;
}

enum status command_invite_add(const struct settings *settings, const struct operation *operation)
{
    int64_t for_s = INVITE_S;
    if (operation->options[OPTION_FOR] && (for_s = command_seconds(str_of(operation->options[OPTION_FOR]))) <= 0)
        return command_cannot("--for takes a number of seconds, or with s, min, h, d");
    return add(settings, USER_PLAIN, for_s);
}

enum status command_setup_code(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    return add(settings, USER_ADMINISTRATOR, SETUP_S);
}
