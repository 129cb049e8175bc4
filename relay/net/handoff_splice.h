/* handoff_splice.h: the way to a relay that sockets cannot be passed to: the request goes there over TCP, and then bytes go
 * both ways until either side ends. Loop thread only.
 *
 * The request is marked with a header (HTTP_HANDED_HEADER). A client may write that header too: then its request is
 * refused by a relay that it is not for instead of being passed on, which harms nobody else. */
#ifndef CG_RELAY_NET_HANDOFF_SPLICE_H
#define CG_RELAY_NET_HANDOFF_SPLICE_H

#include "relay/net/http.h"

#include <netinet/in.h>

/* Answers a call that could not be handed over. */
typedef void handoff_refuse_fn(struct http_call *call);

struct handoff_splices;

struct handoff_splices *handoff_splices_new(uv_loop_t *loop, const struct settings *settings, struct wheel *wheel);
/* File descriptors in use. */
size_t handoff_splices_files(const struct handoff_splices *splices);
/* Ends them all. */
void handoff_splices_stop(struct handoff_splices *splices);
void handoff_splices_free(struct handoff_splices *splices);
/* The call is not the caller's any more. */
void handoff_splice(struct handoff_splices *splices, const struct sockaddr_in *to, struct http_call *call,
                    handoff_refuse_fn *refuse);

#endif
