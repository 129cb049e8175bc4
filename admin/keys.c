/* keys.c: chaguan key: server keys for an application's backend. */
#include "admin/commands.h"
#include "common/id.h"
#include "common/store/store_keys.h"
#include "common/text.h"

#include <stdio.h>

static const struct {
    const char *name;
    enum store_scope scope;
} scopes[] = {{"read", SCOPE_READ}, {"write", SCOPE_WRITE}, {"admin", SCOPE_ADMIN}};
enum { SCOPES = sizeof scopes / sizeof scopes[0] };

/* Reads "read,write"; 0 if a word is unknown. */
static unsigned scopes_of(struct str list)
{
    unsigned sum = 0;
    while (list.len) {
        const char *comma = memchr(list.ptr, ',', list.len);
        struct str word = {list.ptr, comma ? (size_t)(comma - list.ptr) : list.len};
        unsigned one = 0;
        for (size_t i = 0; i < SCOPES; i++)
            if (str_eq(word, str_of(scopes[i].name)))
                one = scopes[i].scope;
        if (!one)
            return 0;
        sum |= one;
        size_t gone = word.len + (comma ? 1 : 0);
        list = (struct str){list.ptr + gone, list.len - gone};
        if (comma && !list.len)
            return 0;
    }
    return sum;
}

static enum status ended(struct store *store, enum err err, const char *otherwise)
{
    enum status status = STATUS_FINE;
    if (err == ERR_NOT_FOUND || err == ERR_DUPLICATE) {
        status = command_cannot(otherwise);
    } else if (err == ERR_UNKNOWN) {
        status = command_cannot("the connection broke: see chaguan key list what became of it");
    } else if (err) {
        status = command_database_failed(store);
    }
    store_free(store);
    return status;
}

enum status command_key_add(const struct settings *settings, const struct operation *operation)
{
    struct str name = str_of(operation->words[0]);
    unsigned sum = scopes_of(str_of(operation->options[OPTION_SCOPE]));
    char key[ID_MAX];
    if (!name.len || text_check_label(name, STORE_KEY_NAME_MAX))
        return command_cannot("a key's name has 1 to 64 bytes of UTF-8 without controls");
    if (!sum)
        return command_cannot("--scope is one or more of read, write, admin, parted by commas");
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    id_make(STORE_KEY_PREFIX, key);
    enum err err = store_key_add(store, name, sum, str_of(key));
    if (!err)
        puts(key);
    return ended(store, err, "a key of that name is in force: revoke it first, or choose another name");
}

enum status command_key_revoke(const struct settings *settings, const struct operation *operation)
{
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    return ended(store, store_key_revoke(store, str_of(operation->words[0])), "no key of that name is in force");
}

static void print(void *arg, const struct store_key_line *line)
{
    (void)arg;
    char list[32] = "";
    size_t len = 0;
    for (size_t i = 0; i < SCOPES; i++)
        if (line->scopes & scopes[i].scope)
            len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", len ? "," : "", scopes[i].name);
    printf("%.*s scope=%s made=\"%.*s\" used=\"%.*s\" %s%.*s%s\n", (int)line->name.len, line->name.ptr, list,
           (int)line->created_at.len, line->created_at.ptr, (int)line->last_used_at.len, line->last_used_at.ptr,
           line->revoked_at.len ? "revoked=\"" : "in force", (int)line->revoked_at.len, line->revoked_at.ptr,
           line->revoked_at.len ? "\"" : "");
}

enum status command_key_list(const struct settings *settings, const struct operation *operation)
{
    (void)operation;
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    return ended(store, store_key_list(store, print, NULL), "");
}
