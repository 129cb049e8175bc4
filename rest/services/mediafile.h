/* mediafile.h: one uploaded file on its way to the disk: written under a temporary name, given its own once it is
 * whole and on the disk. Knows files, not what is in them. What a crash leaves behind, `chaguan media gc` removes. */
#ifndef CG_REST_SERVICES_MEDIAFILE_H
#define CG_REST_SERVICES_MEDIAFILE_H

#include "common/err.h"
#include "common/media_name.h"

#include <stdint.h>

struct mediafile {
    int directory, fd;                       /* -1: none */
    char name[MEDIA_THUMBNAIL_NAME_MAX + 1]; /* what it is called now; empty: it has no name */
    uint64_t bytes;
};

/* Begins a file in that directory, which is made (0750) if it is missing. Call mediafile_end in any case.
 * ERR_TOO_BIG, here and below: the disk is full; ERR_INTERNAL: anything else, logged. */
enum err mediafile_begin(struct mediafile *file, const char *directory) CG_MUST_CHECK;
enum err mediafile_write(struct mediafile *file, struct str bytes) CG_MUST_CHECK;
/* Gives it a random name with that extension, once its bytes are on the disk; when it returns, the name is too. */
enum err mediafile_keep(struct mediafile *file, const char *extension) CG_MUST_CHECK;
/* The same under a name of the caller's, in the place of what is there by that name. */
enum err mediafile_keep_as(struct mediafile *file, const char *name) CG_MUST_CHECK;
/* Closes it; `drop` removes it under whatever name it has. */
void mediafile_end(struct mediafile *file, bool drop);

#endif
