#include "common/store/store_words.h"

static const char *const kinds[MESSAGE_KIND_MAX + 1] = {
    [MESSAGE_TEXT] = "text",         [MESSAGE_JOIN] = "join",       [MESSAGE_LEAVE] = "leave",
    [MESSAGE_EMOJI] = "emoji",       [MESSAGE_FILE] = "file",       [MESSAGE_IMAGE] = "image",
    [MESSAGE_VIDEO] = "video",       [MESSAGE_EVENT] = "emit",      [MESSAGE_EDIT] = "edit",
    [MESSAGE_TRANSFER] = "transfer", [MESSAGE_RECALL] = "recall",   [MESSAGE_REACTION] = "react",
    [MESSAGE_JOINED] = "joined",     [MESSAGE_REMOVED] = "removed", [MESSAGE_RENAMED] = "renamed",
};

const char *kind_word(enum message_kind kind)
{
    return (unsigned)kind <= MESSAGE_KIND_MAX ? kinds[kind] : NULL;
}

enum message_kind kind_of_word(struct str name)
{
    for (int i = 1; i <= MESSAGE_KIND_MAX; i++)
        if (kinds[i] && str_eq(name, str_of(kinds[i])))
            return (enum message_kind)i;
    return (enum message_kind)0;
}

const char *message_word(enum message_kind kind)
{
    bool is_shown = message_is_said(kind) || message_is_presence(kind) || kind == MESSAGE_TRANSFER;
    return is_shown ? kinds[kind] : "other";
}

static const char *const types[] = {[APP_GROUP] = "group", [APP_DIRECT] = "direct", [APP_PUBLIC] = "public"};

const char *conversation_word(enum store_kind kind, enum store_app_type type)
{
    switch (kind) {
    case KIND_CHATROOM: return "chatroom";
    case KIND_FRIENDS: return "friendship";
    case KIND_CUSTOMERS: return "customers";
    case KIND_SPACE: return "space";
    case KIND_SOCKETIO: return "namespace";
    case KIND_APP: break;
    }
    return type >= APP_GROUP && type <= APP_PUBLIC ? types[type] : "group";
}

bool type_of_word(struct str name, enum store_app_type *type)
{
    for (int i = APP_GROUP; i <= APP_PUBLIC; i++)
        if (str_eq(name, str_of(types[i]))) {
            *type = (enum store_app_type)i;
            return true;
        }
    return false;
}

static const char *const roles[] = {
    [ROLE_OWNER] = "owner", [ROLE_MODERATOR] = "moderator", [ROLE_MEMBER] = "member", [ROLE_READER] = "reader"};

const char *role_word(enum store_member_role role)
{
    return role >= ROLE_OWNER && role <= ROLE_READER ? roles[role] : roles[ROLE_MEMBER];
}

bool role_of_word(struct str name, enum store_member_role *role)
{
    for (int i = ROLE_OWNER; i <= ROLE_READER; i++)
        if (str_eq(name, str_of(roles[i]))) {
            *role = (enum store_member_role)i;
            return true;
        }
    return false;
}
