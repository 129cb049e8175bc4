/* store_app_event.h: changes of an application's conversation: joining, leaving, roles and names. The change and the
 * event about it (message_is_change) are stored in one transaction. Every such change of an existing conversation uses
 * these functions. */
#ifndef CG_COMMON_STORE_STORE_APP_EVENT_H
#define CG_COMMON_STORE_STORE_APP_EVENT_H

#include "common/store/store_app_conversation.h"

enum { STORE_APP_EVENT_MAX = 6 * APP_NAME_MAX + 128 };

struct store_app_event {
    /* given: */
    enum message_kind kind; /* MESSAGE_JOINED, also of another role; MESSAGE_REMOVED; MESSAGE_RENAMED */
    uint64_t conversation;
    uint64_t user;               /* the user it is about; of a new name, the user who set it; 0: the application */
    uint64_t by;                 /* the user who did it, perhaps the same; 0: the application */
    enum store_member_role role; /* of MESSAGE_JOINED */
    bool keep_role;              /* of MESSAGE_JOINED: a member keeps their role */
    const struct store_app_change *change; /* of MESSAGE_RENAMED: the title, and other changes with it */

    /* set: */
    bool made;                  /* the user was no member before */
    bool revoked;               /* a subscription ends: publish a revocation (store_rights.h) */
    enum store_member_role now; /* the user's role now; 0: no member */
    struct message *told;       /* the event, which the caller publishes and frees; NULL: nothing changed */
    uint64_t epoch;             /* that the event is of */

    char content[STORE_APP_EVENT_MAX]; /* the journal's: the message's content */
};

/* Carries out the change, unless nothing changes. ERR_NOT_FOUND: there is no such conversation of the application's,
 * or it was deleted; no such user, or an erased one; or the user to be removed is no member. Otherwise as
 * store_journal. */
enum err store_app_event(struct store *store, struct store_app_event *event, int64_t patience_ms) CG_MUST_CHECK;

/* For the journal's transaction, which has locked the conversation's row. An error returned ends the transaction;
 * *verdict is the event's own error. With a verdict, or without *changes, nothing was written. */
enum err store_app_event_within(struct store *store, struct store_app_event *event, bool *changes,
                                enum err *verdict) CG_MUST_CHECK;

/* Appends the content of the event's message. `was`: the former role, 0: no member; `name` NULL: no longer known. */
void store_app_event_write(struct buf *out, enum message_kind kind, uint64_t by, enum store_member_role role,
                           enum store_member_role was, const struct str *name);

#endif
