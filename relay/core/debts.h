/* debts.h: counts the bytes that wait for clients, of every kind, and bounds them for the process (outboxes_bytes).
 * Loop thread only.
 *
 * Each buffer that waits for a client has a struct debt and reports its size whenever that changes: the memory
 * allocated, not the part in use. Past the bound the largest debtors are ended, whichever of them grew last. From three
 * quarters of the bound on, requests for large answers are refused, so that what already waits can drain. */
#ifndef CG_RELAY_CORE_DEBTS_H
#define CG_RELAY_CORE_DEBTS_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed but for `end`: a debt of 0 bytes. */
struct debt {
    struct debt *before, *behind; /* in the list of debts that are not 0 */
    size_t bytes;
    /* The debt is too large. Must free the bytes now and report that with debt_set, unless the client turns out to be
     * taking them. Must not free the struct debt. */
    void (*end)(struct debt *debt);
};

/* Sets the bound. 0, the default: no bound. */
void debts_limit(size_t bytes);
/* Reports a debt's size. May call `end` of any debt, this one included, before it returns. */
void debt_set(struct debt *debt, size_t bytes);
size_t debts_total(void);
/* At least three quarters of the bound are used: start nothing large that can wait. */
bool debts_are_high(void);
/* Whether a request for a large answer must be refused with `busy` for that reason. Counts the refusal. */
bool debts_refuse(void);

#endif
