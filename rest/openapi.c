#include "rest/openapi.h"

#include "common/json.h"
#include "common/store/store.h"
#include "rest/http/failure.h"
#include "rest/routes.h"

#include <stdlib.h>

static const char prefix[] = "/v1/";

static bool is_described(const struct route *route)
{
    return !strncmp(route->path, prefix, sizeof prefix - 1);
}

/* ---- schemas ---- */

static void add_object(struct buf *out, const char *key, const struct field *fields);

static void add_words(struct buf *out, const char *words)
{
    json_add_array(out, "enum");
    for (size_t len; *words; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        json_add_string(out, NULL, (struct str){words, len});
    }
    json_end_array(out);
}

static void add_type(struct buf *out, const char *type, bool nullable)
{
    if (!nullable) {
        json_add_text(out, "type", type);
        return;
    }
    json_add_array(out, "type");
    json_add_text(out, NULL, type);
    json_add_text(out, NULL, "null");
    json_end_array(out);
}

static void add_members(struct buf *out, const struct field *fields, bool nullable)
{
    add_type(out, "object", nullable);
    json_add_object(out, "properties");
    for (const struct field *field = fields; field->name; field++) {
        static const char *const types[] = {
            [FIELD_TEXT] = "string",   [FIELD_NUMBER] = "integer", [FIELD_BOOL] = "boolean",
            [FIELD_OBJECT] = "object", [FIELD_LIST] = "array",     [FIELD_TEXTS] = "array"};
        json_add_object(out, field->name);
        if (field->type == FIELD_OBJECT && field->of)
            add_members(out, field->of, field->nullable);
        else if (field->type != FIELD_ANY)
            add_type(out, types[field->type], field->nullable);
        if (field->words)
            add_words(out, field->words);
        if (field->type == FIELD_LIST)
            add_object(out, "items", field->of);
        if (field->type == FIELD_TEXTS) {
            json_add_object(out, "items");
            json_add_text(out, "type", "string");
            json_end_object(out);
        }
        json_end_object(out);
    }
    json_end_object(out);
    json_add_array(out, "required");
    for (const struct field *field = fields; field->name; field++)
        if (field->needed)
            json_add_text(out, NULL, field->name);
    json_end_array(out);
    json_add_bool(out, "additionalProperties", false);
}

static void add_object(struct buf *out, const char *key, const struct field *fields)
{
    json_add_object(out, key);
    add_members(out, fields, false);
    json_end_object(out);
}

static void begin_content(struct buf *out, const char *type)
{
    json_add_object(out, "content");
    json_add_object(out, type);
}

static void end_content(struct buf *out)
{
    json_end_object(out);
    json_end_object(out);
}

/* ---- a call ---- */

static void add_parameter(struct buf *out, const char *in, struct str name, const struct field *field)
{
    json_add_object(out, NULL);
    json_add_text(out, "in", in);
    json_add_string(out, "name", name);
    json_add_bool(out, "required", field ? field->needed : !strcmp(in, "path"));
    json_add_object(out, "schema");
    json_add_text(out, "type", field && field->type == FIELD_NUMBER ? "integer" : "string");
    json_end_object(out);
    json_end_object(out);
}

static void add_parameters(struct buf *out, const struct route *route)
{
    json_add_array(out, "parameters");
    for (const char *at = route->path; (at = strchr(at, ':')); at++)
        add_parameter(out, "path", (struct str){at + 1, strcspn(at + 1, "/")}, NULL);
    for (const struct field *field = route->query; field && field->name; field++)
        add_parameter(out, "query", str_of(field->name), field);
    if (route->scope && !strcmp(route->method, "POST"))
        add_parameter(out, "header", STR("Idempotency-Key"), NULL);
    json_end_array(out);
}

static void add_body(struct buf *out, const struct route *route)
{
    if (route->body == BODY_NONE)
        return;
    json_add_object(out, "requestBody");
    json_add_bool(out, "required", true);
    begin_content(out, route->body == BODY_JSON ? "application/json" : "multipart/form-data");
    if (route->fields) {
        add_object(out, "schema", route->fields);
    } else {
        json_add_object(out, "schema");
        json_add_text(out, "type", "object");
        json_end_object(out);
    }
    end_content(out);
    json_end_object(out);
}

static void add_success(struct buf *out, const struct route *route, int status)
{
    char type[64];
    const char *whole = route->type ? route->type : "application/json";
    snprintf(type, sizeof type, "%.*s", (int)strcspn(whole, ";"), whole);
    json_add_text(out, "description", route->doc);
    if (status == 204)
        return;
    begin_content(out, type);
    if (route->answer)
        add_object(out, "schema", route->answer);
    end_content(out);
}

static void add_answers(struct buf *out, const struct route *route)
{
    json_add_object(out, "responses");
    for (const char *at = route->statuses ? route->statuses : "200"; *at; at += 3 + (at[3] == ' ')) {
        char status[4];
        snprintf(status, sizeof status, "%.3s", at);
        json_add_object(out, status);
        add_success(out, route, atoi(status));
        json_end_object(out);
    }
    json_add_object(out, "default");
    json_add_text(out, "$ref", "#/components/responses/failure");
    json_end_object(out);
    json_end_object(out);
}

static const char *scope_name(unsigned scope)
{
    return scope == SCOPE_READ ? "read" : scope == SCOPE_WRITE ? "write" : "admin";
}

/* Authorisation: a key's scope; with `x-users` a user's token, too, for their own data. */
static void add_security(struct buf *out, const struct route *route)
{
    json_add_array(out, "security");
    if (route->scope) {
        json_add_object(out, NULL);
        json_add_array(out, "bearer");
        json_end_array(out);
        json_end_object(out);
    }
    json_end_array(out);
    if (!route->scope)
        return;
    json_add_text(out, "x-scope", scope_name(route->scope));
    json_add_bool(out, "x-users", route->users);
}

static void add_call(struct buf *out, const struct route *route)
{
    char verb[8] = "";
    for (size_t i = 0; route->method[i] && i + 1 < sizeof verb; i++)
        verb[i] = (char)(route->method[i] | 0x20);
    json_add_object(out, verb);
    json_add_text(out, "summary", route->doc);
    add_security(out, route);
    add_parameters(out, route);
    add_body(out, route);
    add_answers(out, route);
    json_end_object(out);
}

/* ---- all ---- */

/* The first row of its path says what all of them may be asked. */
static bool is_first(const struct route *route)
{
    for (size_t table = 0; routes[table]; table++)
        for (size_t row = 0; row < routes[table]->count; row++) {
            const struct route *other = &routes[table]->rows[row];
            if (!strcmp(other->path, route->path))
                return other == route;
        }
    return false;
}

static void add_path(struct buf *out, const struct route *route)
{
    char path[128];
    size_t len = 0;
    for (const char *at = route->path; *at && len + 3 < sizeof path; at++) {
        bool is_name = at[0] == ':';
        if (is_name)
            at++;
        size_t part = is_name ? strcspn(at, "/") : 1;
        len += (size_t)snprintf(path + len, sizeof path - len, is_name ? "{%.*s}" : "%.*s", (int)part, at);
        at += part - 1;
    }
    CG_ASSERT(len + 3 < sizeof path);
    json_add_object(out, path);
    for (size_t table = 0; routes[table]; table++)
        for (size_t row = 0; row < routes[table]->count; row++)
            if (!strcmp(routes[table]->rows[row].path, route->path))
                add_call(out, &routes[table]->rows[row]);
    json_end_object(out);
}

static void add_components(struct buf *out)
{
    static const struct field reason[] = {FIELD_NEEDED("code", TEXT), FIELD_NEEDED("message", TEXT),
                                          FIELD("retry_after_ms", NUMBER), FIELD_END};
    static const struct field failure[] = {FIELD_OF("error", OBJECT, reason), FIELD_END};
    json_add_object(out, "components");
    json_add_object(out, "securitySchemes");
    json_add_object(out, "bearer");
    json_add_text(out, "type", "http");
    json_add_text(out, "scheme", "bearer");
    json_end_object(out);
    json_end_object(out);
    json_add_object(out, "responses");
    json_add_object(out, "failure");
    json_add_text(out, "description", "why not");
    begin_content(out, "application/json");
    add_object(out, "schema", failure);
    end_content(out);
    json_end_object(out);
    json_end_object(out);
    json_end_object(out);
}

static int describe(struct call *call)
{
    struct buf *out = call->out;
    json_begin_object(out);
    json_add_text(out, "openapi", "3.1.0");
    json_add_object(out, "info");
    json_add_text(out, "title", "Chaguan, the server API");
    json_add_text(out, "version", CHAGUAN_VERSION);
    json_end_object(out);
    json_add_object(out, "paths");
    for (size_t table = 0; routes[table]; table++)
        for (size_t row = 0; row < routes[table]->count; row++) {
            const struct route *route = &routes[table]->rows[row];
            if (is_described(route) && is_first(route))
                add_path(out, route);
        }
    json_end_object(out);
    add_components(out);
    json_end_object(out);
    return 200;
}

static const struct route rows[] = {
    {.method = "GET",
     .path = "/v1/openapi.json",
     .quick = true,
     .handler = describe,
     .failed = failure_api,
     .doc = "this description, by the rules of OpenAPI 3.1"},
};

const struct route_table openapi_routes = ROUTE_TABLE(rows);
