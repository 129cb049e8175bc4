/* media.h: uploads. A file is streamed to the disk, its type is detected from its bytes, and its name is generated;
 * nginx serves it under settings->media_url.
 *
 *   POST /users/upload_avatar  field `avatar`, an image: {"status":200,"payload":{"avatar_path":URL}}
 *   POST /users/upload_video   field `mp4_url`, a video: {"status":200,"payload":URL}
 *   POST /api/upload           field `file`, any allowed kind: {"success":true,"data":{"url":URL,"kind":…,"bytes":N}}
 *   POST /v1/uploads           field `file`, any allowed kind: 201 {"url":…,"kind":…,"bytes":N,"name":…}, of a picture that
 *                              can be decoded "width" and "height"; with a server key or a user's token
 *   GET /media/NAME?size=N a thumbnail of it; nginx asks only for those that do not exist yet
 *
 * Failures: 400 the body is no such form or is truncated, or the file is empty; 413 it is longer than
 * upload_max_bytes; 415 its type is not in media_types or not what the call takes; 507 media_quota_bytes or the disk
 * is full; 503 the database or the disk cannot be used. After any of them no file is left. */
#ifndef CG_REST_CALLS_MEDIA_H
#define CG_REST_CALLS_MEDIA_H

#include "rest/http/call.h"

extern const struct route_table media_routes, media_api_routes;

/* Removes erased users' files that are on this machine; `chaguan media gc` removes the rest. */
void media_remove_gone(const struct backends *backends);

#endif
