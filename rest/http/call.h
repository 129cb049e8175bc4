/* call.h: one HTTP call on its way through a handler, and the rows that say which handler answers what. Any thread of
 * the pool; a call belongs to one of them. */
#ifndef CG_REST_HTTP_CALL_H
#define CG_REST_HTTP_CALL_H

#include "common/buf.h"
#include "common/settings.h"
#include "rest/http/field.h"
#include "rest/http/http.h"

struct json_object;
struct redis_sync;
struct store;
struct token_keys;
struct gate_pass;
struct caller;
struct search_index;
struct repeatable;

/* What a handler may use: the connections of the thread it runs on. */
struct backends {
    const struct settings *settings;
    const struct token_keys *tokens;
    struct store *store;
    struct redis_sync *redis;
    struct search_index **search; /* what it points to: NULL until one is opened */
    struct gate_pass *pass;       /* NULL: it never waits for requests */
};

enum { ROUTE_PARAMS = 4 };

/* One request on its way through a handler. Borrowed from the router, for that long. */
struct call {
    const struct backends *backends;
    const struct http_request *request;
    struct str
        params[ROUTE_PARAMS];       /* what stands for the path's :names, in their order; any bytes, below /v1/ UTF-8 */
    const struct http_query *query; /* with `takes_query`; else without parameters */
    struct json_object *object;     /* with BODY_JSON: the body */
    struct buf *out;                /* the success body */

    const struct caller *caller;   /* of a route with a `scope`: who calls (services/caller.h) */
    struct repeatable *repeatable; /* its Idempotency-Key (services/idempotency.h) */
    uint64_t writes;               /* store_writes before the handler: from then on a failure may have done something */

    /* A handler may set these before it returns a failure; literals, or in `said`. Else the status decides. */
    const char *error; /* a sentence for a person */
    const char *code;  /* a stable word for a program */
    int64_t retry_after_s;
    char said[160];
};

/* Says why a call fails; returns the status. The texts are literals. */
int call_refuse(struct call *call, int status, const char *code, const char *error);
/* 400 `bad_argument`: this field or parameter is wrong, as `rule` says. `name` may come from outside. */
int call_refuse_field(struct call *call, struct str name, const char *rule);

/* From here on the request may take long: other threads see to new ones, and the database's connection is looked after. */
void begin_slow(const struct backends *backends);

/* Appends {"success":true,"data": of an answer: the data and the end of the object follow. */
void call_begin_data(struct call *call);

/* Answers one request: appends the success body to call->out and returns the HTTP status. From 400 on
 * the router throws away what is in `out` and puts the route's failure there, so a handler only
 * returns. */
typedef int route_handler(struct call *call);

/* Why a call failed. */
struct failure {
    int status;
    const char *error; /* a sentence for a person */
    const char *code;  /* a stable word for a program */
    int64_t retry_after_s;
};
/* Appends the body of a failure, in the form of a protocol; see failure.h. */
typedef void failure_form(struct buf *out, const struct failure *failure);

enum body_rule {
    BODY_NONE,   /* not read */
    BODY_JSON,   /* one JSON object in call->object; over the bound: 413, anything else: 400 */
    BODY_STREAM, /* the handler pulls it through call->request->read and bounds it itself */
};

struct route {
    const char *method;
    const char *path; /* "/healthz"; a segment ":name" is any one segment that is not empty; without a
                       * leading '/': a call of the chatroom, below /mysql/ and /api/ */
    enum body_rule body;
    bool takes_query; /* a broken one is 400; else nobody looks at it */
    size_t max_body;  /* bytes, for BODY_JSON; 0: settings->max_body_bytes */
    const char *type; /* Content-Type of its answers; NULL: JSON */
    bool quick;       /* its handler says begin_slow before it uses the database or Redis; else it need not */
    bool says_why;    /* nginx asks it: why it fails stands in a header, too, as a code */
    bool operators;   /* tells operators on this machine about this process, not pages whose name leads to it */
    unsigned scope; /* of the server API: what a server key must have for it (enum store_scope); 0: anybody may call */
    bool users;     /* … and a user's own token will do, too: the handler sees to what is their own */
    bool creates;   /* it may make what stays for ever: charged to the caller's address (rate_creations),
                       * but not with a server key */
    bool secret;    /* its answer is a credential: not kept, and carried out again without harm */
    route_handler *handler;
    const struct field *query, *fields,
        *answer;          /* of the server API: parameters, body and answer; NULL: there are none */
    const char *statuses; /* of the server API: those of success, with blanks between; NULL: 200 */
    const char *failure;  /* the body of every answer from 400 on, whatever it is; or NULL and … */
    failure_form *failed; /* … what makes it; or both NULL: what the handler wrote */
    const char *doc;
};

/* A protocol's routes live in its own file; routes.c lists the tables. */
struct route_table {
    const struct route *rows;
    size_t count;
    bool
        door; /* they speak for people: with doors = token, each call needs a token of one of the application's users */
};
#define ROUTE_TABLE(rows)         {(rows), sizeof(rows) / sizeof(rows)[0], false}
#define ROUTE_TABLE_OF_DOOR(rows) {(rows), sizeof(rows) / sizeof(rows)[0], true}

#endif
