/* store_revise.h: changing a message and taking it back: for the journal's transaction, whose conversation is
 * locked. */
#ifndef CG_COMMON_STORE_REVISE_H
#define CG_COMMON_STORE_REVISE_H

#include "common/store.h"

/* The number of the message that this edit or recall is about; 0 if its content is none. */
uint64_t store_revision_of(const struct message *revision);
/* *verdict: ERR_OK if it may be; ERR_NOT_FOUND if there is no such message or it is recalled; ERR_DENIED if it is not
 * the sender's own, or nothing that can be changed so: only texts and emoji are edited. */
enum err store_revision_check(struct store *store, const struct message *revision, enum err *verdict) CG_MUST_CHECK;
/* Changes the message; the revision has its number by now. Of earlier edits the text is dropped. */
enum err store_revision_apply(struct store *store, const struct message *revision) CG_MUST_CHECK;

#endif
