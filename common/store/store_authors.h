/* store_authors.h: who the senders of messages are to the application: its ids of them, and their faces. For the
 * journal, which names them to whoever is told of a message, and for histories. */
#ifndef CG_COMMON_STORE_STORE_AUTHORS_H
#define CG_COMMON_STORE_STORE_AUTHORS_H

#include "common/store/db.h"
#include "common/store/store.h"

/* Sets author_id and author_face of those posts that were stored just now. Most of their senders have been asked for a
 * moment ago; all others are in one statement. One that cannot be asked for is not named: the messages are stored. */
void store_authors_name(struct store *store, struct store_post *posts, size_t count);

/* From STORE_AUTHOR_COLUMNS. */
void store_author_of(const struct db_value *columns, struct str *id, struct str *face);

struct store_authors;
void store_authors_free(struct store_authors *authors);

#endif
