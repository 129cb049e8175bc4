/* store_authors.h: the application's ids and faces of messages' senders, for messages that the journal has stored and
 * for histories. */
#ifndef CG_COMMON_STORE_STORE_AUTHORS_H
#define CG_COMMON_STORE_STORE_AUTHORS_H

#include "common/store/db.h"
#include "common/store/store.h"

/* Sets author_id and author_face of posts that were just stored. Recent senders are cached; one statement reads all
 * others. On a failure they stay empty, as the messages are stored already. */
void store_authors_name(struct store *store, struct store_post *posts, size_t count);

/* From STORE_AUTHOR_COLUMNS. */
void store_author_of(const struct db_value *columns, struct str *id, struct str *face);

struct store_authors;
void store_authors_free(struct store_authors *authors);

#endif
