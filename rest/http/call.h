/* call.h: one HTTP call as its handler sees it, and the rows of the route tables. A call belongs to one thread. */
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

/* Why a service (rest/services) refuses a call: a row of the table in call.c, which has its HTTP status, code and
 * sentence. */
enum refusal {
    REFUSAL_NONE,
    REFUSAL_UNAUTHORIZED,  /* a valid token or password is needed */
    REFUSAL_TOKEN,         /* the token is invalid; enum token_refusal says why */
    REFUSAL_TOKEN_MISSING, /* neither a server key nor a token was given */
    REFUSAL_TOKEN_REVOKED,
    REFUSAL_KEY_UNKNOWN,
    REFUSAL_KEY_SCOPE,
    REFUSAL_KEY_NEEDED, /* users may not make this call */
    REFUSAL_KEY_RATE,
    REFUSAL_PASSWORD_FORM,
    REFUSAL_PASSWORDS_OFF, /* no tokens can be issued, so no password may be set */
    REFUSAL_ATTEMPTS,      /* too many wrong passwords */
    REFUSAL_MESSAGE_RATE,
    REFUSAL_CREATION_RATE,
    REFUSAL_BANNED,
    REFUSAL_MUTED,
    REFUSAL_CALLS_A_DAY,    /* of one caller with Idempotency-Keys */
    REFUSAL_CALL_REUSED,    /* the Idempotency-Key belongs to another request */
    REFUSAL_CALL_UNDER_WAY, /* the same call is being carried out */
};

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
    struct str params[ROUTE_PARAMS]; /* values of the path's :names, in order; any bytes, below /v1/ UTF-8 */
    const struct http_query *query;  /* with `takes_query`; otherwise it has no parameters */
    struct json_object *object;      /* with BODY_JSON: the body */
    struct buf *out;                 /* the success body */

    const struct caller *caller;   /* of a route with a `scope`: the caller (services/caller.h) */
    struct repeatable *repeatable; /* its Idempotency-Key (services/idempotency.h) */
    uint64_t writes; /* store_writes before the handler; if it has grown, a failed call may have had an effect */

    /* A handler may set these before it returns a failure; they are literals or point into `said`. By default the
     * status decides. */
    const char *error; /* a sentence for a person */
    const char *code;  /* a stable word for a program */
    int64_t retry_after_s;
    char said[160];
    enum refusal refusal; /* of the service that returned ERR_DENIED: call_deny */
};

/* There is one form for failures below the handlers: services return an `enum err`, and ERR_DENIED after call_deny. Only
 * handlers and the router turn it into an HTTP status, with call_status. */

/* For a service: records why the call is refused, and returns ERR_DENIED. */
enum err call_deny(struct call *call, enum refusal refusal);
/* The HTTP status of what a service or the store returned: 200, the refusal's, or failure_status, for which `what` names
 * the step. */
int call_status(const struct call *call, enum err err, const char *what);
/* For a handler: sets why a call fails; returns the status. The texts must be literals. */
int call_refuse(struct call *call, int status, const char *code, const char *error);
/* 400 `bad_argument`: this field or parameter is wrong, as `rule` says. `name` may come from outside. */
int call_refuse_field(struct call *call, struct str name, const char *rule);

/* The request may take long from here on: lets another thread wait for new requests, and renews a lost database
 * connection. */
void begin_slow(const struct backends *backends);

/* Appends {"success":true,"data": to the answer; the data and the end of the object must follow. */
void call_begin_data(struct call *call);

/* Answers one request: appends the success body to call->out and returns the HTTP status. From 400 on the router
 * replaces what is in `out` with the route's failure body, so a handler only returns. */
typedef int route_handler(struct call *call);

/* Why a call failed. */
struct failure {
    int status;
    const char *error; /* a sentence for a person */
    const char *code;  /* a stable word for a program */
    int64_t retry_after_s;
};
/* Appends the body of a failure in a protocol's form; see failure.h. */
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
    bool takes_query; /* a malformed query gets 400; without this the query is ignored */
    size_t max_body;  /* bytes, for BODY_JSON; 0: settings->max_body_bytes */
    const char *type; /* Content-Type of its answers; NULL: JSON */
    bool quick;       /* its handler calls begin_slow before it uses the database or Redis; otherwise the router does */
    bool says_why;    /* called by nginx: a failure's code is also in a header */
    bool operators;   /* for operators on this machine; refused under any host name but the loopback's */
    unsigned scope;   /* of the server API: the scope that a server key needs (enum store_scope); 0: anybody may call */
    bool users;       /* … and users may call with their own token; the handler limits them to their own data */
    /* May create something permanent: charged to the caller's address (rate_creations), but not with a server key. */
    bool creates;
    bool secret; /* its answer is a credential: never kept, and repeating the call is harmless */
    route_handler *handler;
    const struct field *query, *fields,
        *answer;          /* of the server API: parameters, body and answer; NULL: there are none */
    const char *statuses; /* of the server API: statuses of success, separated by blanks; NULL: 200 */
    const char *failure;  /* the body of all answers from 400 on; or NULL and … */
    failure_form *failed; /* … the function that writes it; both NULL: the handler's own body */
    const char *doc;
};

/* A protocol's routes live in its own file; routes.c lists the tables. */
struct route_table {
    const struct route *rows;
    size_t count;
    bool of_front_end; /* with doors = token, calls need a token of one of the application's users */
};
#define ROUTE_TABLE(rows)              {(rows), sizeof(rows) / sizeof(rows)[0], false}
#define ROUTE_TABLE_OF_FRONT_END(rows) {(rows), sizeof(rows) / sizeof(rows)[0], true}

#endif
