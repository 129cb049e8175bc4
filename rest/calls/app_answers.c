#include "rest/calls/app_answers.h"

#include <stddef.h>

#define TEXT(called)   FIELD_NEEDED(called, TEXT)
#define NUMBER(called) FIELD_NEEDED(called, NUMBER)
#define OWN(called)    FIELD_NEEDED(called, OBJECT)
#define NEXT           {.name = "next", .type = FIELD_TEXT, .needed = true, .nullable = true}
#define ITEMS(rows)    FIELD_OF("items", LIST, rows)
#define END            FIELD_END

const struct field app_page_query[] = {FIELD("limit", NUMBER), FIELD("cursor", TEXT), END};

const struct field app_user_answer[] = {
    TEXT("id"),  NUMBER("uid"), TEXT("name"), TEXT("face"), FIELD_WORD("role", true, "user moderator administrator"),
    OWN("meta"), END,
};

const struct field app_token_answer[] = {TEXT("user"), TEXT("token"), NUMBER("expires"), END};

/* ---- conversations ---- */

#define CONVERSATION \
    TEXT("id"), TEXT("public_id"), NUMBER("ch"), FIELD_WORD("type", true, APP_TYPES " chatroom friendship space"), \
        TEXT("name"), OWN("meta"), NUMBER("seq"), FIELD_WORD("role", false, APP_ROLES)

const struct field app_conversation_answer[] = {
    CONVERSATION,
    NUMBER("created"),
    {.name = "keep_days", .type = FIELD_NUMBER, .needed = true, .nullable = true},
    {.name = "keep_presence_lines_days", .type = FIELD_NUMBER, .needed = true, .nullable = true},
    NUMBER("trimmed"),
    END,
};

static const struct field last[] = {NUMBER("seq"), NUMBER("ts"), TEXT("name"), TEXT("content"), END};

static const struct field partner[] = {NUMBER("uid"), TEXT("id"), TEXT("name"), FIELD("face", TEXT), END};

static const struct field lines[] = {
    CONVERSATION,
    FIELD("muted", BOOL),
    FIELD("unread", NUMBER),
    {.name = "last", .type = FIELD_OBJECT, .of = last, .nullable = true},
    {.name = "partner", .type = FIELD_OBJECT, .of = partner},
    END,
};

const struct field app_conversations_answer[] = {ITEMS(lines), NEXT, END};

const struct field app_member_answer[] = {TEXT("id"), NUMBER("uid"), FIELD_WORD("role", true, APP_ROLES), END};

static const struct field members[] = {
    FIELD("id", TEXT), NUMBER("uid"), TEXT("name"), TEXT("face"), FIELD_WORD("role", true, APP_ROLES),
    NUMBER("joined"),  END,
};

const struct field app_members_answer[] = {ITEMS(members), NEXT, END};

/* ---- messages ---- */

const struct field app_stored_answer[] = {NUMBER("epoch"), NUMBER("seq"), NUMBER("ts"), END};

static const struct field from[] = {FIELD_NEEDED("uid", NUMBER), FIELD("id", TEXT), TEXT("name"), END};

static const struct field messages[] = {
    FIELD_OF("from", OBJECT, from),
    NUMBER("seq"),
    NUMBER("ts"),
    TEXT("kind"),
    FIELD("content", ANY),
    FIELD("recalled", BOOL),
    FIELD("edited", NUMBER),
    FIELD("meta", OBJECT),
    FIELD("reply_to", NUMBER),
    FIELD("mentions", ANY),
    FIELD("reactions", OBJECT),
    END,
};

const struct field app_messages_answer[] = {ITEMS(messages), NUMBER("seq"), NUMBER("trimmed"), FIELD("reacted", NUMBER),
                                            END};

static const struct field found[] = {
    TEXT("conversation"),
    NUMBER("ch"),
    NUMBER("seq"),
    NUMBER("ts"),
    FIELD_OF("from", OBJECT, from),
    TEXT("kind"),
    TEXT("content"),
    FIELD("edited", NUMBER),
    FIELD("meta", OBJECT),
    FIELD("reply_to", NUMBER),
    FIELD("mentions", ANY),
    FIELD_NEEDED("highlights", ANY),
    END,
};

const struct field app_search_answer[] = {ITEMS(found), NEXT, FIELD_NEEDED("complete", BOOL), END};

static const struct field error[] = {TEXT("code"), TEXT("message"), END};

static const struct field said[] = {
    TEXT("conversation"),
    FIELD("epoch", NUMBER),
    FIELD("seq", NUMBER),
    FIELD("ts", NUMBER),
    {.name = "error", .type = FIELD_OBJECT, .of = error},
    END,
};

const struct field app_broadcast_answer[] = {ITEMS(said), END};

/* ---- who is there; files ---- */

static const struct field present[] = {FIELD("id", TEXT), NUMBER("uid"), END};

const struct field app_present_answer[] = {ITEMS(present), NEXT, END};

static const struct field online[] = {TEXT("id"), FIELD("uid", NUMBER), FIELD_NEEDED("online", BOOL), END};

const struct field app_online_answer[] = {ITEMS(online), END};

const struct field app_upload_answer[] = {
    TEXT("url"), TEXT("kind"), NUMBER("bytes"), TEXT("name"), FIELD("width", NUMBER), FIELD("height", NUMBER), END,
};
