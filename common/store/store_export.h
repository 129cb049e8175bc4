/* store_export.h: exports stored data as lines of JSON (docs/export.md), of one of the application's users, or of all
 * its users and conversations. Works in pieces of a few statements and bounded size; between them only a cursor is
 * kept. */
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
    EXPORT_FILES, /* of one user: their uploads, whether or not a message refers to them */
    EXPORT_MEMBERS,
    EXPORT_END
};

struct store_export {
    /* given: store_export_init, and what the cursor says */
    const struct store_app_user *of; /* NULL: all */
    const char *media_url;           /* settings->media_url */

    /* the cursor: what was exported last */
    enum export_phase phase;
    uint64_t conversation, seq, other;
    char emoji[EXPORT_EMOJI_MAX + 1]; /* in EXPORT_FILES a file's name */

    char place[STORE_NAME_MAX + 1]; /* of a full export: the present conversation's name */
};

/* `of` NULL: everything. Both must outlive it. */
void store_export_init(struct store_export *export, const struct store_app_user *of, const char *media_url);
/* Appends the next lines, perhaps none. Call it until export->phase is EXPORT_END. ERR_INTERNAL: a line is too
 * long. */
enum err store_export_next(struct store *store, struct store_export *export, struct buf *out) CG_MUST_CHECK;

/* Resumes an export of one user at a cursor that store_export_cursor wrote. False: it is malformed. */
bool store_export_resume(struct store_export *export, struct str cursor);
void store_export_cursor(const struct store_export *export, char cursor[EXPORT_CURSOR_MAX]);

#endif
