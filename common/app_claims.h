/* app_claims.h: what an application says of one of its users, by a token or by its backend, and the rules for it. */
#ifndef CG_COMMON_APP_CLAIMS_H
#define CG_COMMON_APP_CLAIMS_H

#include "common/str.h"

#include <stdbool.h>

enum {
    APP_ID_MAX = 128,    /* bytes of the application's id of a user or of a conversation */
    APP_NAME_MAX = 256,  /* bytes of what is shown: a user's name, a conversation's title */
    APP_FACE_MAX = 2048, /* bytes of a URL */
    APP_META_MAX = 4096, /* bytes of an object of the application's */
};

/* app_user.role. Stored: never renumber. */
enum store_user_role { USER_PLAIN = 0, USER_MODERATOR = 1, USER_ADMINISTRATOR = 2 };

/* What was not said stays as it is; of a new user it is empty. */
struct app_claims {
    struct str id;
    bool has_name, has_face, has_meta, has_role;
    struct str name, face; /* empty: none; others are shown the id */
    struct str meta;       /* a JSON object, or empty: none */
    enum store_user_role role;
};

/* 1 to APP_ID_MAX bytes of UTF-8 without controls (text_check_label). */
bool app_id_ok(struct str id);
/* "user", "moderator" or, if `administrators` are made here, "administrator". */
bool app_role_of(struct str name, bool administrators, enum store_user_role *role);
const char *app_role_name(enum store_user_role role);
/* NULL, or which of them breaks its rule: "id", "name", "face" or "meta". `media_url`: what a face of our own begins
 * with. */
const char *app_claims_wrong(const struct app_claims *claims, const char *media_url);

#endif
