/* store_export.h: what is stored, as lines of JSON (docs/export.md): of one user of the application, or of all users and
 * conversations of it. In pieces, each of them a few statements and of a bounded size, so that nothing is held in between
 * but a cursor. */
#ifndef CG_COMMON_STORE_STORE_EXPORT_H
#define CG_COMMON_STORE_STORE_EXPORT_H

#include "common/store/store_app_user.h"

enum {
    EXPORT_BYTES = 1 << 20,     /* of one piece, and a line more */
    EXPORT_LINE_MAX = 20 << 20, /* of one line: more than the longest message */
    EXPORT_EMOJI_MAX = 64,      /* reaction.emoji */
    EXPORT_CURSOR_MAX = 200,
};

enum export_phase {
    EXPORT_HEAD,
    EXPORT_USERS,
    EXPORT_PLACES,
    EXPORT_SAID,
    EXPORT_REACTIONS,
    EXPORT_FILES, /* of one user: what they brought, whether they spoke of it or not */
    EXPORT_MEMBERS,
    EXPORT_END
};

struct store_export {
    /* given: store_export_init, and what the cursor says */
    const struct store_app_user *of; /* NULL: all */
    const char *media_url;           /* settings->media_url */

    /* the cursor: what was told last */
    enum export_phase phase;
    uint64_t conversation, seq, other;
    char emoji[EXPORT_EMOJI_MAX + 1]; /* in EXPORT_FILES a file's name */

    char place[STORE_NAME_MAX + 1]; /* of everything: what the conversation that is being told is called */
};

/* `of` NULL: everything. Both must outlive it. */
void store_export_init(struct store_export *export, const struct store_app_user *of, const char *media_url);
/* Appends some lines, or none, and moves on. ERR_INTERNAL: a line is too long. Until export->phase is EXPORT_END. */
enum err store_export_next(struct store *store, struct store_export *export, struct buf *out) CG_MUST_CHECK;

/* Of one user's. `cursor` as store_export_cursor wrote it. False: it is none. */
bool store_export_resume(struct store_export *export, struct str cursor);
void store_export_cursor(const struct store_export *export, char cursor[EXPORT_CURSOR_MAX]);

#endif
