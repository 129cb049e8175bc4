/* handoff_splice.h: forwards a request over TCP to a relay that sockets cannot be passed to, then copies bytes both
 * ways until either side ends. Loop thread only.
 *
 * The request is marked with a header (HTTP_HANDED_HEADER). A client may send that header, too; its request is then
 * refused, instead of forwarded, by a relay that it is not for, which affects no other client. */
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
/* Ends all of them. */
void handoff_splices_stop(struct handoff_splices *splices);
void handoff_splices_free(struct handoff_splices *splices);
/* The caller gives up the call. `refuse` answers it if the other relay cannot be reached. */
void handoff_splice(struct handoff_splices *splices, const struct sockaddr_in *to, struct http_call *call,
                    handoff_refuse_fn *refuse);

#endif
