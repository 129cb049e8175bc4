/* field.h: what the JSON objects of the server API hold, as tables: calls take no member that their table does not name, and
 * the description of the API is made from the same ones (openapi.c). */
#ifndef CG_REST_HTTP_FIELD_H
#define CG_REST_HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>

enum field_type {
    FIELD_TEXT,
    FIELD_NUMBER, /* whole */
    FIELD_BOOL,
    FIELD_OBJECT,
    FIELD_LIST,  /* of objects */
    FIELD_TEXTS, /* a list */
    FIELD_ANY,
};

/* A member of an object, or a parameter of a query. A table ends with a row without a name. */
struct field {
    const char *name;
    enum field_type type;
    bool needed;
    const char *words;      /* of a text: what it may be, with blanks between; NULL: whatever the call allows */
    const struct field *of; /* of an object or a list of them: its members; NULL: the application's own */
    bool nullable;
};

#define FIELD(called, is)              {.name = (called), .type = FIELD_##is}
#define FIELD_NEEDED(called, is)       {.name = (called), .type = FIELD_##is, .needed = true}
#define FIELD_WORD(called, must, some) {.name = (called), .type = FIELD_TEXT, .needed = (must), .words = (some)}
#define FIELD_OF(called, is, rows)     {.name = (called), .type = FIELD_##is, .needed = true, .of = (rows)}
#define FIELD_END                      {.name = NULL}

#endif
