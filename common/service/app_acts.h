/* app_acts.h: what users and the application do in its conversations, by the rules of app_rules.h: the one way for the server
 * API's calls and the native protocol's commands. Any thread, with a store of its own.
 *
 * Each of these returns ERR_DENIED with *why set if it is not to be; any other failure is the store's. The caller sets *why to
 * APP_ALLOWED before. */
#ifndef CG_COMMON_SERVICE_APP_ACTS_H
#define CG_COMMON_SERVICE_APP_ACTS_H

#include "common/service/app_rules.h"
#include "common/settings.h"
#include "common/store/store_app_user.h"

/* A user of the application, by their id, if it still is the user of that number. ERR_NOT_FOUND. */
enum err app_actor_find(struct store *store, struct str id, uint64_t user, struct app_actor *actor) CG_MUST_CHECK;

/* The conversation of that id, the application's or a public one, if the actor may do that there. `meta` as in
 * store_app_conversation_find. */
enum err app_find(struct store *store, const struct app_actor *actor, struct str id, enum app_act act,
                  struct store_app_conversation *found, struct buf *meta, enum app_refusal *why) CG_MUST_CHECK;

/* Ends it for everybody, also one whose end was begun before. *revoked: as in struct app_change. */
enum err app_delete(struct store *store, const struct app_actor *actor, struct str id, bool *revoked,
                    enum app_refusal *why) CG_MUST_CHECK;

/* What a change of a membership has come to. */
struct app_change {
    struct store_app_conversation of;
    struct store_app_user user;
    enum store_member_role role; /* what they are now; 0: no member */
    bool made;                   /* they were none before */
    bool revoked;                /* the caller publishes a revocation, as of store_rights.h: also after a failure */
    struct message *told; /* the event that tells of it (store_app_event.h), to be published first, and freed; NULL:
                                  * nothing changed */
    uint64_t epoch;       /* that the event is of */
};
/* Makes somebody a member of one of the application's conversations, or one of another role. `role` 0: what they are, or a
 * member. The application's backend makes a user who is not there. */
enum err app_put_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                        enum store_member_role role, struct app_change *change, enum app_refusal *why) CG_MUST_CHECK;
/* Puts somebody out of it, or has them go. */
enum err app_remove_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                           struct app_change *change, enum app_refusal *why) CG_MUST_CHECK;

/* Changes what a conversation of the application's is called, and with it what else `change` gives. Of one that app_find has
 * found for APP_OWN. Of *told nothing but the event is set. */
enum err app_rename(struct store *store, const struct app_actor *actor, uint64_t conversation,
                    const struct store_app_change *change, struct app_change *told) CG_MUST_CHECK;

/* Whether the actor may make conversations at all: app_make sees to it, too. */
bool app_may_make(const struct settings *settings, const struct app_actor *actor);
/* Makes a conversation with who is named, and with the actor, or finds the one that is there: of that id, or of these two.
 * `public_id`: what it is to be (struct store_app_new). *made: it is new. `meta` as in store_app_conversation_find. */
enum err app_make(struct store *store, const struct settings *settings, const struct app_actor *actor,
                  const struct app_wish *wish, struct str public_id, struct store_app_conversation *found,
                  struct buf *meta, bool *made, enum app_refusal *why) CG_MUST_CHECK;

#endif
