/* debts.h: bytes that wait for clients, of whatever kind, and their bound for the process (outboxes_bytes). Loop thread
 * only.
 *
 * Whoever holds bytes that a client has to take has a struct debt and says how large it is whenever that changes: what
 * the memory is, not what of it is used. Past the bound the largest debtors are ended, whoever it was that asked for
 * more. Before that, at three quarters, requests for much are refused: what waits already comes first. */
#ifndef CG_RELAY_CORE_DEBTS_H
#define CG_RELAY_CORE_DEBTS_H

#include <stdbool.h>
#include <stddef.h>

/* A zeroed one, with `end`, owes nothing. */
struct debt {
    struct debt *before, *behind; /* of all that are not 0 */
    size_t bytes;
    /* It is too large: frees the bytes now and says so with debt_set, or finds that the client takes them. Must not
     * free the debt. */
    void (*end)(struct debt *debt);
};

/* 0: no bound, as before this is called. */
void debts_limit(size_t bytes);
/* May end others, and this one, before it returns. */
void debt_set(struct debt *debt, size_t bytes);
size_t debts_total(void);
/* So much waits that none is to be asked for beyond what must be. */
bool debts_are_high(void);
/* Whether a request for much is to be answered with `busy` for that: counted. */
bool debts_refuse(void);

#endif
