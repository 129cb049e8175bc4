/* fields.h: reads the fields of a server API call and writes its lists. On failure these return false with the reason
 * in `call`; the status is 400. Any thread. */
#ifndef CG_REST_SERVICES_FIELDS_H
#define CG_REST_SERVICES_FIELDS_H

#include "common/store/store_app_user.h"
#include "rest/http/call.h"

/* Whether the object has no members other than these. */
bool fields_are(struct call *call, struct json_object *object, const struct field *fields);
/* Reads a text of the object, borrowed. *has: whether it is present; null counts as present and empty. */
bool fields_text(struct call *call, struct json_object *object, const char *name, bool *has, struct str *text);
/* Reads an object of at most `max` bytes as JSON, borrowed; null counts as present and empty. */
bool fields_object(struct call *call, struct json_object *object, const char *name, size_t max, bool *has,
                   struct str *json);

/* ?limit=&cursor= of a list: at most 100 rows, by default 50. The cursor is a number; the first page's is `first`. */
enum { FIELDS_LIMIT = 50, FIELDS_LIMIT_MAX = 100 };
struct list {
    struct buf *out;
    unsigned limit, count;
    uint64_t from, last; /* last: the cursor of the last row in the answer */
};
/* Reads the parameters and begins the answer. */
bool list_begin(struct call *call, uint64_t first, struct list *list);
/* Begins a row; the caller must end its object. */
void list_row(struct list *list, uint64_t cursor);
/* Passes over a row that is not shown. */
void list_skip(struct list *list, uint64_t cursor);
/* Ends the answer. `next` is the cursor of the next page, or null if there were fewer rows than the limit. */
void list_end(struct list *list);

/* {"id":…,"uid":…,…}: a user, without the end of the object. */
void fields_begin_user(struct buf *out, const struct store_app_user *user, struct str meta);

#endif
