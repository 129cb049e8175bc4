/* store_sanctions.h: stored mutes and bans, and the users and rooms that they name. */
#ifndef CG_COMMON_STORE_STORE_SANCTIONS_H
#define CG_COMMON_STORE_STORE_SANCTIONS_H

#include "common/sanction.h"
#include "common/store/store.h"

enum { STORE_SANCTIONS_OVERLAP_MS = 60000 }; /* of store_sanctions_changed */

typedef void store_sanction_fn(void *arg, const struct sanction *sanction);

/* The mutes and bans in force now; *now_ms is the database's clock before them, to ask for changes from. */
enum err store_sanctions_active(struct store *store, int64_t *now_ms, store_sanction_fn *fn, void *arg) CG_MUST_CHECK;
/* Mutes, bans and revocations made or lifted since `changed_ms` (sanction.changed_ms of one that is known) and shortly
 * before: which includes those that were committed a little after their `changed_ms`. */
enum err store_sanctions_changed(struct store *store, int64_t changed_ms, store_sanction_fn *fn,
                                 void *arg) CG_MUST_CHECK;

/* Whether any user was erased within the last minute, which is longer than a commit takes. For caches of users' data
 * that get no notice of each erasure. */
enum err store_erased_lately(struct store *store, bool *any) CG_MUST_CHECK;

/* Whether the user (0: nobody), or that address ("": none), is muted or banned in the conversation (0: any) or
 * everywhere. */
struct store_sanctioned {
    bool muted, banned;
};
enum err store_sanctioned(struct store *store, uint64_t user, struct str address, uint64_t conversation,
                          struct store_sanctioned *out) CG_MUST_CHECK;

/* Stores a mute or a ban: for `for_s` seconds, 0 for good. */
enum err store_sanction_add(struct store *store, const struct sanction *sanction, int64_t for_s,
                            struct str reason) CG_MUST_CHECK;
/* Lifts the sanctions of that kind on exactly that user, address or name, in exactly that conversation or
 * everywhere. */
enum err store_sanction_lift(struct store *store, const struct sanction *sanction, uint64_t *lifted) CG_MUST_CHECK;

/* ---- for operators ---- */

struct store_moderated {
    uint64_t user;
    enum store_realm realm;
    struct str name, created_at; /* valid until the callback returns */
};
typedef void store_moderated_fn(void *arg, const struct store_moderated *user);

/* Finds the users with that public id or exactly that name, in that realm (0: any). */
enum err store_moderated_find(struct store *store, enum store_realm realm, struct str name_or_id,
                              store_moderated_fn *fn, void *arg) CG_MUST_CHECK;
/* Up to `limit` users of a realm (0: all) after user `after`, in order of their numbers. */
enum err store_moderated_list(struct store *store, enum store_realm realm, uint64_t after, unsigned limit,
                              store_moderated_fn *fn, void *arg) CG_MUST_CHECK;
/* The conversation of that public id, or of that name among those of a kind. ERR_NOT_FOUND. */
enum err store_moderated_room(struct store *store, enum store_kind kind, struct str name_or_id,
                              uint64_t *conversation) CG_MUST_CHECK;

/* A sanction in words. Times are "YYYY-MM-DD HH:mm:ss", UTC. */
struct store_sanction_line {
    struct sanction sanction;
    enum store_realm realm;                                /* of the user */
    struct str user_name, room, reason, until, created_at; /* empty: none; valid until the callback returns */
};
typedef void store_sanction_line_fn(void *arg, const struct store_sanction_line *line);
/* Those in force, of one user (0: of all), oldest first. */
enum err store_sanction_lines(struct store *store, uint64_t user, store_sanction_line_fn *fn, void *arg) CG_MUST_CHECK;

#endif
