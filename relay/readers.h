/* readers.h: threads that ask the database, so that the loop never waits. Each has its own connection;
 * jobs are taken in order and may overtake each other while they run. */
#ifndef CG_RELAY_READERS_H
#define CG_RELAY_READERS_H

#include "common/settings.h"
#include "common/store.h"
#include "relay/offload.h"

/* First member of a job. */
struct job {
    struct parcel parcel;
    void (*work)(struct job *job, struct store *store); /* in a reader thread; touches only the job */
    void (*done)(struct job *job);                      /* in the loop thread; frees the job */
    enum err err;                                       /* ERR_OK until `work` sets it */
};

struct readers;

struct readers *readers_new(const struct settings *settings, struct offload *offload);
/* Ends the threads once every job has been worked on; what they return still has to be drained. Jobs that are added
 * from then on come back with ERR_DOWN. */
void readers_stop(struct readers *readers);
void readers_free(struct readers *readers);

/* For what clients ask for: ERR_BUSY if reader_queue jobs wait; the job is still the caller's. */
enum err readers_try(struct readers *readers, struct job *job) CG_MUST_CHECK;
/* For what the relay itself needs, which is bounded by its rooms: always taken. */
void readers_add(struct readers *readers, struct job *job);

#endif
