#include "common/app_claims.h"

#include "common/json.h"
#include "common/text.h"

bool app_id_ok(struct str id)
{
    return id.len <= APP_ID_MAX && !text_check_label(id, APP_ID_MAX);
}

static const char *const roles[] = {
    [USER_PLAIN] = "user", [USER_MODERATOR] = "moderator", [USER_ADMINISTRATOR] = "administrator"};

bool app_role_of(struct str name, bool administrators, enum store_user_role *role)
{
    for (int i = USER_PLAIN; i <= (administrators ? USER_ADMINISTRATOR : USER_MODERATOR); i++)
        if (str_eq(name, str_of(roles[i]))) {
            *role = (enum store_user_role)i;
            return true;
        }
    return false;
}

const char *app_role_name(enum store_user_role role)
{
    return role <= USER_ADMINISTRATOR ? roles[role] : roles[USER_PLAIN];
}

static bool name_ok(struct str name)
{
    return !name.len || (name.len <= APP_NAME_MAX && !text_check_label(name, APP_NAME_MAX));
}

static bool face_ok(struct str face, const char *media_url)
{
    return !face.len || (face.len <= APP_FACE_MAX && !text_check_url(face, media_url));
}

static bool meta_ok(struct str meta)
{
    return !meta.len ||
           (meta.len <= APP_META_MAX && meta.ptr[0] == '{' && !json_vet(meta, JSON_MAX_DEPTH, JSON_MAX_VALUES));
}

const char *app_claims_wrong(const struct app_claims *claims, const char *media_url)
{
    if (!app_id_ok(claims->id))
        return "id";
    if (claims->has_name && !name_ok(claims->name))
        return "name";
    if (claims->has_face && !face_ok(claims->face, media_url))
        return "face";
    return claims->has_meta && !meta_ok(claims->meta) ? "meta" : NULL;
}
