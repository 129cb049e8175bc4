#include "rest/services/fields.h"

#include "common/json.h"

bool fields_are(struct call *call, struct json_object *object, const struct field *fields)
{
    json_object_object_foreach(object, key, value)
    {
        (void)value;
        const struct field *field = fields;
        while (field->name && strcmp(field->name, key) != 0)
            field++;
        if (!field->name) {
            call_refuse_field(call, str_of(key), "there is no such field");
            return false;
        }
    }
    return true;
}

bool fields_text(struct call *call, struct json_object *object, const char *name, bool *has, struct str *text)
{
    *text = STR("");
    *has = json_object_object_get_ex(object, name, NULL);
    if (!json_has(object, name) || json_get_string(object, name, text))
        return true;
    call_refuse_field(call, str_of(name), "must be a text");
    return false;
}

bool fields_object(struct call *call, struct json_object *object, const char *name, size_t max, bool *has,
                   struct str *json)
{
    struct json_object *value;
    *json = STR("");
    *has = json_object_object_get_ex(object, name, &value);
    if (!*has || !value)
        return true;
    if (!json_object_is_type(value, json_type_object)) {
        call_refuse_field(call, str_of(name), "must be an object");
        return false;
    }
    *json = str_of(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    if (json->len <= max)
        return true;
    call_refuse_field(call, str_of(name), "is too long");
    return false;
}

/* ---- lists ---- */

bool list_begin(struct call *call, uint64_t first, struct list *list)
{
    uint64_t limit;
    *list = (struct list){.out = call->out};
    if (!http_query_number(call->query, "limit", 1, FIELDS_LIMIT_MAX, FIELDS_LIMIT, &limit)) {
        call_refuse_field(call, STR("limit"), "must be a number from 1 to 100");
        return false;
    }
    if (!http_query_number(call->query, "cursor", 0, INT64_MAX, first, &list->from)) {
        call_refuse_field(call, STR("cursor"), "must be what `next` said");
        return false;
    }
    list->limit = (unsigned)limit;
    json_begin_object(call->out);
    json_add_array(call->out, "items");
    return true;
}

void list_skip(struct list *list, uint64_t cursor)
{
    list->count++;
    list->last = cursor;
}

void list_row(struct list *list, uint64_t cursor)
{
    list_skip(list, cursor);
    json_add_object(list->out, NULL);
}

void list_end(struct list *list)
{
    json_end_array(list->out);
    if (list->count < list->limit) {
        json_add_null(list->out, "next");
    } else {
        json_add_key(list->out, "next");
        buf_addf(list->out, "\"%llu\"", (unsigned long long)list->last);
    }
    json_end_object(list->out);
}

/* ---- things ---- */

void fields_begin_user(struct buf *out, const struct store_app_user *user, struct str meta)
{
    json_begin_object(out);
    json_add_text(out, "id", user->id);
    json_add_u64(out, "uid", user->user);
    json_add_text(out, "name", user->name);
    json_add_text(out, "face", user->face);
    json_add_text(out, "role", app_role_name(user->role));
    json_add_raw(out, "meta", meta.len ? meta : STR("{}"));
}
