/* app_acts.h: what users and the application do in the application's conversations, by the rules of app_rules.h. The
 * server API's calls and the native protocol's commands both use these functions. Any thread, with a store of its own.
 *
 * Each of these returns ERR_DENIED with *why set if the rules do not allow it; other errors are the store's. The
 * caller must set *why to APP_ALLOWED before. */
#ifndef CG_COMMON_SERVICE_APP_ACTS_H
#define CG_COMMON_SERVICE_APP_ACTS_H

#include "common/service/app_rules.h"
#include "common/settings.h"
#include "common/store/store_app_user.h"

/* Finds an application's user by id, if the id still belongs to that number. ERR_NOT_FOUND. */
enum err app_actor_find(struct store *store, struct str id, uint64_t user, struct app_actor *actor) CG_MUST_CHECK;

/* Finds a conversation by the application's or the public id, if the actor may do `act` there. `meta` as in
 * store_app_conversation_find. */
enum err app_find(struct store *store, const struct app_actor *actor, struct str id, enum app_act act,
                  struct store_app_conversation *found, struct buf *meta, enum app_refusal *why) CG_MUST_CHECK;

/* Deletes it; continues a deletion that was begun. *revoked: as in struct app_change. */
enum err app_delete(struct store *store, const struct app_actor *actor, struct str id, bool *revoked,
                    enum app_refusal *why) CG_MUST_CHECK;

/* The result of a change. */
struct app_change {
    struct store_app_conversation of;
    struct store_app_user user;
    enum store_member_role role; /* the user's present role; 0: no member */
    bool made;                   /* the user was no member before */
    bool revoked;                /* the caller must publish a revocation (store_rights.h), even after a failure */
    /* The event of the change (store_app_event.h), which the caller publishes first, and frees; NULL: nothing changed. */
    struct message *told;
    uint64_t epoch; /* of the event */
};
/* Adds a member to an application's conversation, or changes their role. `role` 0: keeps the role; a new one becomes a
 * member. For the application's backend, creates a user who does not exist. */
enum err app_put_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                        enum store_member_role role, struct app_change *change, enum app_refusal *why) CG_MUST_CHECK;
/* Removes a member, or lets one leave. */
enum err app_remove_member(struct store *store, const struct app_actor *actor, struct str id, struct str user,
                           struct app_change *change, enum app_refusal *why) CG_MUST_CHECK;

/* Renames an application's conversation, and applies the rest of `change`. app_find must have allowed APP_OWN. In
 * *told only the event is set. */
enum err app_rename(struct store *store, const struct app_actor *actor, uint64_t conversation,
                    const struct store_app_change *change, struct app_change *told) CG_MUST_CHECK;

/* Whether the actor may create conversations at all; app_make checks this, too. */
bool app_may_make(const struct settings *settings, const struct app_actor *actor);
/* Creates a conversation with the members named and the actor, or finds the existing one with that id or of these two
 * users. `public_id`: as in struct store_app_new. *made: it is new. `meta` as in store_app_conversation_find. */
enum err app_make(struct store *store, const struct settings *settings, const struct app_actor *actor,
                  const struct app_wish *wish, struct str public_id, struct store_app_conversation *found,
                  struct buf *meta, bool *made, enum app_refusal *why) CG_MUST_CHECK;

#endif
