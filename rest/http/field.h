/* field.h: tables of the members of the server API's JSON objects. Calls refuse members that are not in their table,
 * and the API's description is generated from the same tables (openapi.c). */
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
    const char *words;      /* of a text: its allowed values, separated by blanks; NULL: the call checks it */
    const struct field *of; /* of an object or a list of them: its members; NULL: any, it is the application's own */
    bool nullable;
};

#define FIELD(called, is)              {.name = (called), .type = FIELD_##is}
#define FIELD_NEEDED(called, is)       {.name = (called), .type = FIELD_##is, .needed = true}
#define FIELD_WORD(called, must, some) {.name = (called), .type = FIELD_TEXT, .needed = (must), .words = (some)}
#define FIELD_OF(called, is, rows)     {.name = (called), .type = FIELD_##is, .needed = true, .of = (rows)}
#define FIELD_END                      {.name = NULL}

#endif
