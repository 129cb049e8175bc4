/* store_app_event.h: who comes into a conversation of the application's, who goes, and what it is called: changed in the very
 * transaction that stores the event which tells of it (message_is_change), so neither is ever there without the other. The
 * one way for everything that changes one of these in a conversation that is there. */
#ifndef CG_COMMON_STORE_STORE_APP_EVENT_H
#define CG_COMMON_STORE_STORE_APP_EVENT_H

#include "common/store/store_app_conversation.h"

enum { STORE_APP_EVENT_MAX = 6 * APP_NAME_MAX + 128 };

struct store_app_event {
    /* given: */
    enum message_kind kind; /* MESSAGE_JOINED, also of another role; MESSAGE_REMOVED; MESSAGE_RENAMED */
    uint64_t conversation;
    uint64_t user;               /* whom it concerns; of a new name who gave it; 0: the application */
    uint64_t by;                 /* who brought them in or put them out: themselves, another user; 0: the application */
    enum store_member_role role; /* of MESSAGE_JOINED */
    bool keep_role;              /* of MESSAGE_JOINED: a member stays what they are */
    const struct store_app_change *change; /* of MESSAGE_RENAMED: the title, and what is to change with it */

    /* set: */
    bool made;                  /* they were no member */
    bool revoked;               /* a subscription of theirs ends: publish a revocation, as of store_rights.h */
    enum store_member_role now; /* what they are; 0: no member */
    struct message *told;       /* the event, to be published and freed by the caller; NULL: it was so already */
    uint64_t epoch;             /* that the event is of */

    char content[STORE_APP_EVENT_MAX]; /* the journal's: of the message */
};

/* Carries it out, or finds that it is so already. ERR_NOT_FOUND: there is no such conversation of the application's, or it was
 * deleted; no such user, or one who is erased; or whoever is to go is no member. Else as store_journal. */
enum err store_app_event(struct store *store, struct store_app_event *event, int64_t patience_ms) CG_MUST_CHECK;

/* For the journal's transaction, which holds the conversation's row. What it returns ends the transaction; *verdict is the
 * event's own answer, and then, as without *changes, nothing was written. */
enum err store_app_event_within(struct store *store, struct store_app_event *event, bool *changes,
                                enum err *verdict) CG_MUST_CHECK;

/* What the event says, as its message's content: `was`: what they were before, 0: no member; `name` NULL: it is not known any
 * more. */
void store_app_event_write(struct buf *out, enum message_kind kind, uint64_t by, enum store_member_role role,
                           enum store_member_role was, const struct str *name);

#endif
