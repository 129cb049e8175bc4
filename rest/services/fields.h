/* fields.h: reading what a call of the server API was given, and answering lists, in one way for all of them. What is
 * wrong is said in `call`, and the status is 400. */
#ifndef CG_REST_SERVICES_FIELDS_H
#define CG_REST_SERVICES_FIELDS_H

#include "common/store/store_app_user.h"
#include "rest/http/call.h"

/* Whether the object has no members but these. */
bool fields_are(struct call *call, struct json_object *object, const struct field *fields);
/* A text of the object, borrowed. `has`: it is there; null is there, and empty. */
bool fields_text(struct call *call, struct json_object *object, const char *name, bool *has, struct str *text);
/* An object of at most `max` bytes as it is written, borrowed from the object; null is there, and empty. */
bool fields_object(struct call *call, struct json_object *object, const char *name, size_t max, bool *has,
                   struct str *json);

/* ?limit=&cursor= of a list: at most 100 rows, 50 if it is not said. The cursor is a number, of which the first page has
 * `first`. */
enum { FIELDS_LIMIT = 50, FIELDS_LIMIT_MAX = 100 };
struct list {
    struct buf *out;
    unsigned limit, count;
    uint64_t from, last; /* last: the cursor of the last row that was answered */
};
/* Reads the parameters and begins the answer. */
bool list_begin(struct call *call, uint64_t first, struct list *list);
/* A row begins; its object is to be ended. */
void list_row(struct list *list, uint64_t cursor);
/* A row that is not shown. */
void list_skip(struct list *list, uint64_t cursor);
/* Ends the answer: `next` is the cursor of the next page, or null if there were fewer rows than asked for. */
void list_end(struct list *list);

/* {"id":…,"uid":…,…}: a user, without the end of the object. */
void fields_begin_user(struct buf *out, const struct store_app_user *user, struct str meta);

#endif
