/* mediafile.h: writes an uploaded file to the disk under a temporary name, and renames it once it is complete and
 * synced. Knows nothing of its contents. `chaguan media gc` removes what a crash leaves. A file belongs to one
 * thread. */
#ifndef CG_REST_SERVICES_MEDIAFILE_H
#define CG_REST_SERVICES_MEDIAFILE_H

#include "common/err.h"
#include "common/media_name.h"

#include <stdint.h>

struct mediafile {
    int directory, fd;                       /* -1: none */
    char name[MEDIA_THUMBNAIL_NAME_MAX + 1]; /* its present name; empty: none yet */
    uint64_t bytes;
};

/* Creates a file in `directory`, which is created (0750) if missing. Always call mediafile_end. Here and below,
 * ERR_TOO_BIG: the disk is full; ERR_INTERNAL: any other failure, logged. */
enum err mediafile_begin(struct mediafile *file, const char *directory) CG_MUST_CHECK;
enum err mediafile_write(struct mediafile *file, struct str bytes) CG_MUST_CHECK;
/* Syncs the file and gives it a random name with that extension; the name is synced, too, when this returns. */
enum err mediafile_keep(struct mediafile *file, const char *extension) CG_MUST_CHECK;
/* The same under the caller's name, replacing a file of that name. */
enum err mediafile_keep_as(struct mediafile *file, const char *name) CG_MUST_CHECK;
/* Closes the file; `drop` also removes it. */
void mediafile_end(struct mediafile *file, bool drop);

#endif
