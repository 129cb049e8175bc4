/* app_rules.h: who may do what in the application's conversations, why not, and what it is called there: for the server API's
 * calls and the native protocol's commands alike. Knows no database, no HTTP and no frames. */
#ifndef CG_COMMON_SERVICE_APP_RULES_H
#define CG_COMMON_SERVICE_APP_RULES_H

#include "common/buf.h"
#include "common/store/store_app_conversation.h"

struct json_object;

/* Who does something. */
struct app_actor {
    bool is_user; /* else the application itself, which may do everything */
    uint64_t user;
    enum store_user_role role;
    struct str address; /* where they come from, which may be banned; empty: it is not asked */
};

/* What somebody wants to do in a conversation. What each role may: docs/platform.md. */
enum app_act {
    APP_READ,     /* see it, its members and its messages */
    APP_SAY,      /* say something */
    APP_MODERATE, /* recall what others said; members and readers come, go and change */
    APP_OWN,      /* change it, delete it, and who moderates it */
    APP_COUNT
};

/* Whether that role may. */
bool app_role_may(enum store_member_role role, enum app_act act);
/* What the actor is there: a moderator of the whole application is a moderator wherever they are a member. */
enum store_member_role app_acting_role(const struct app_actor *actor, const struct store_app_conversation *of);
/* Whether the actor may turn somebody (`is_self`: themselves) of role `from` into one of `to`; 0: no member. */
bool app_may_change(const struct app_actor *actor, const struct store_app_conversation *of, bool is_self,
                    enum store_member_role from, enum store_member_role to);

/* Why something is not done. */
enum app_refusal {
    APP_ALLOWED,
    APP_NO_CONVERSATION, /* also one that is not theirs */
    APP_NO_USER,
    APP_NO_MEMBER,  /* whom it is about */
    APP_NOT_MEMBER, /* who does it */
    APP_BANNED,
    APP_ROLE,
    APP_NOT_OURS, /* of a front end, which alone changes it */
    APP_FIXED,    /* of two users, who never change */
    APP_TWO,      /* a direct one has other than two */
    APP_CREATE,   /* users make none */
    APP_CONFLICT, /* there is another one of that id */
    APP_REFUSALS
};
/* A stable word for programs, and a sentence; literals. */
const char *app_refusal_code(enum app_refusal why);
const char *app_refusal_text(enum app_refusal why);

/* Whether the actor may do that there, bans aside. */
enum app_refusal app_judge(const struct app_actor *actor, enum app_act act, const struct store_app_conversation *of);

/* ---- words ---- */

/* "group", "direct", "public", or what belongs to a front end: "chatroom", "friendship", "space". */
const char *app_type_name(enum store_kind kind, enum store_app_type type);

/* ---- a conversation that is wanted ---- */

enum { APP_MEMBERS_AT_ONCE = 1000 };

/* {id?, type, name?, meta?, members?}, copied; empty: not given. The id stands in the field `id` says. */
struct app_wish {
    struct str id, title, meta;
    enum store_app_type type;
    struct str *members; /* the application's ids */
    size_t count;
    char *text; /* where all of them stand */
};
/* A field that breaks its rule; literals. */
struct app_wrong {
    const char *field, *rule;
};
/* Fields of other names are not looked at. To be ended in any case. */
bool app_wish_read(struct json_object *object, const char *id, struct app_wish *wish, struct app_wrong *wrong);
void app_wish_fini(struct app_wish *wish);

/* Whether a conversation may be called so. */
bool app_is_title(struct str title);

/* ---- as JSON ---- */

/* The members of an object; the object is the caller's. `meta` empty: none. */
void app_add_conversation(struct buf *out, const struct store_app_conversation *of, struct str meta);
/* The same of one in a list. Its last member is the object `partner`, if there is one: app_begin_line leaves that open. */
void app_add_line(struct buf *out, const struct store_app_line *line);
void app_begin_line(struct buf *out, const struct store_app_line *line);

#endif
