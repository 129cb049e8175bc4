/* app_claims.h: what an application claims about one of its users, in a token or through its backend, and the rules
 * for it. Any thread. */
#ifndef CG_COMMON_APP_CLAIMS_H
#define CG_COMMON_APP_CLAIMS_H

#include "common/str.h"

#include <stdbool.h>

enum {
    APP_ID_MAX = 128,    /* bytes of the application's id of a user or of a conversation */
    APP_NAME_MAX = 256,  /* bytes of a displayed text: a user's name, a conversation's title */
    APP_FACE_MAX = 2048, /* bytes of a URL */
    APP_META_MAX = 4096, /* bytes of the application's own JSON object */
};

/* app_user.role. Stored: never renumber. */
enum store_user_role { USER_PLAIN = 0, USER_MODERATOR = 1, USER_ADMINISTRATOR = 2 };

/* Claims that are not given leave a user unchanged; a new user's are then empty. */
struct app_claims {
    struct str id;
    bool has_name, has_face, has_meta, has_role;
    struct str name, face; /* empty: none; the id is displayed instead of a name */
    struct str meta;       /* a JSON object, or empty: none */
    enum store_user_role role;
};

/* 1 to APP_ID_MAX bytes of UTF-8 without controls (text_check_label). */
bool app_id_ok(struct str id);
/* "user", "moderator" or, if `administrators` are made here, "administrator". */
bool app_role_of(struct str name, bool administrators, enum store_user_role *role);
const char *app_role_name(enum store_user_role role);
/* NULL, or the claim that breaks its rule: "id", "name", "face" or "meta". `media_url` is the prefix of our own
 * faces. */
const char *app_claims_wrong(const struct app_claims *claims, const char *media_url);

#endif
