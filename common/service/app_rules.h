/* app_rules.h: the rules for who may do what in an application's conversations, with the codes of refusals, for the
 * server API and the native protocol. Knows no database, no HTTP and no frames. Any thread. */
#ifndef CG_COMMON_SERVICE_APP_RULES_H
#define CG_COMMON_SERVICE_APP_RULES_H

#include "common/buf.h"
#include "common/store/store_app_conversation.h"

struct json_object;

/* The user, or the application, that acts. */
struct app_actor {
    bool is_user; /* false: the application itself, which may do everything */
    uint64_t user;
    enum store_user_role role;
    struct str address; /* their address, to be checked for bans; empty: not checked */
};

/* An act in a conversation. docs/platform.md says what each role may do. */
enum app_act {
    APP_READ,     /* read it, its members and its messages */
    APP_SAY,      /* post */
    APP_MODERATE, /* recall others' messages; add, remove and change members and readers */
    APP_OWN,      /* change or delete it; change moderators */
    APP_COUNT
};

/* Whether the role allows the act. */
bool app_role_may(enum store_member_role role, enum app_act act);
/* The actor's role there: a moderator of the whole application is a moderator wherever they are a member. */
enum store_member_role app_acting_role(const struct app_actor *actor, const struct store_app_conversation *of);
/* Whether the actor may change a user's role (`is_self`: their own) from `from` to `to`; 0: no member. */
bool app_may_change(const struct app_actor *actor, const struct store_app_conversation *of, bool is_self,
                    enum store_member_role from, enum store_member_role to);

/* Why an act is refused. */
enum app_refusal {
    APP_ALLOWED,
    APP_NO_CONVERSATION, /* or it is not theirs */
    APP_NO_USER,
    APP_NO_MEMBER,  /* the other user is no member */
    APP_NOT_MEMBER, /* the actor is no member */
    APP_BANNED,
    APP_ROLE,
    APP_NOT_OURS, /* it belongs to a front end, and only that may change it */
    APP_FIXED,    /* a direct conversation, whose two members are fixed */
    APP_TWO,      /* a direct conversation needs exactly two users */
    APP_CREATE,   /* users may not create conversations */
    APP_CONFLICT, /* another conversation has that id */
    APP_REFUSALS
};
/* A stable code for programs, and a sentence; literals. */
const char *app_refusal_code(enum app_refusal why);
const char *app_refusal_text(enum app_refusal why);

/* Judges an act, apart from bans. */
enum app_refusal app_judge(const struct app_actor *actor, enum app_act act, const struct store_app_conversation *of);

/* ---- words ---- */

/* "group", "direct", "public", or for front ends' conversations: "chatroom", "friendship", "space". */
const char *app_type_name(enum store_kind kind, enum store_app_type type);

/* ---- a conversation to be created ---- */

enum { APP_MEMBERS_AT_ONCE = 1000 };

/* {id?, type, name?, meta?, members?}, copied; empty: not given. The id's field has the name passed as `id`. */
struct app_wish {
    struct str id, title, meta;
    enum store_app_type type;
    struct str *members; /* the application's ids */
    size_t count;
    char *text; /* holds all texts */
};
/* A field that breaks its rule; literals. */
struct app_wrong {
    const char *field, *rule;
};
/* Reads the fields; ignores others. False: *wrong is set. Always call app_wish_fini. */
bool app_wish_read(struct json_object *object, const char *id, struct app_wish *wish, struct app_wrong *wrong);
void app_wish_fini(struct app_wish *wish);

/* Whether it is a valid title. */
bool app_is_title(struct str title);

/* ---- as JSON ---- */

/* Appends the members of an object that the caller begins and ends. `meta` empty: none. */
void app_add_conversation(struct buf *out, const struct store_app_conversation *of, struct str meta);
/* The same for a conversation in a list. Its last member is the object `partner`, if there is one; app_begin_line
 * leaves that object open. */
void app_add_line(struct buf *out, const struct store_app_line *line);
void app_begin_line(struct buf *out, const struct store_app_line *line);

#endif
