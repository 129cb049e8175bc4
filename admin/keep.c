/* keep.c: sets how long a conversation's messages are kept. */
#include "admin/commands.h"
#include "common/store/store_life.h"
#include "common/store/store_sanctions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* "30", or "default". `given` NULL: it stays. */
static bool read_days(const char *given, bool *change, bool *has, uint64_t *days)
{
    *change = given;
    *has = false;
    *days = 0;
    if (!given || !strcmp(given, "default"))
        return true;
    size_t len = strlen(given);
    *has = true;
    *days = strtoull(given, NULL, 10);
    return len && len <= 5 && strspn(given, "0123456789") == len && *days <= STORE_KEEP_DAYS_MAX;
}

static void print_days(const char *name, bool has, uint64_t days)
{
    if (has)
        printf("%s=%" PRIu64 "\n", name, days);
    else
        printf("%s=default\n", name);
}

static enum err keep(struct store *store, struct str id, const struct store_life_change *change,
                     struct store_life *life)
{
    uint64_t conversation;
    enum err err = store_moderated_room(store, KIND_APP, id, &conversation);
    if (!err && (change->change_days || change->change_presence_days))
        err = store_life_set(store, conversation, change);
    return err ? err : store_life_get(store, conversation, life);
}

enum status command_conversation_keep(const struct settings *settings, const struct operation *operation)
{
    struct store_life_change change = {.change_days = false};
    struct store_life *to = &change.to, life;
    if (!read_days(operation->options[OPTION_DAYS], &change.change_days, &to->has_days, &to->days) ||
        !read_days(operation->options[OPTION_LINES_DAYS], &change.change_presence_days, &to->has_presence_days,
                   &to->presence_days))
        return command_cannot("days are a number up to 36500 (0: for ever), or default");
    struct store *store = command_open_store(settings);
    if (!store)
        return STATUS_CANNOT;
    enum err err = keep(store, str_of(operation->words[0]), &change, &life);
    enum status status = STATUS_FINE;
    if (err == ERR_NOT_FOUND) {
        status = command_cannot("there is no such conversation");
    } else if (err) {
        status = command_database_failed(store);
    } else {
        print_days("keep_days", life.has_days, life.days);
        print_days("keep_presence_lines_days", life.has_presence_days, life.presence_days);
        printf("trimmed=%" PRIu64 "\n", life.trimmed);
    }
    store_free(store);
    return status;
}
