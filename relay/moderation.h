/* moderation.h: what this relay hears of who may be where: operators' mutes, bans and kicks, and rights that were taken away
 * (common/store/store_rights.h); and operators' word to drain. It comes over a channel of its own at once; what is stored is
 * looked at every revocation_poll_ms besides, so that nothing depends on Redis. Loop thread only, but for moderation_load. */
#ifndef CG_RELAY_MODERATION_H
#define CG_RELAY_MODERATION_H

#include "common/settings.h"
#include "relay/core/sanctions.h"

struct bus;
struct hub;
struct db_pool;
struct store;
struct wheel;
struct wire_header;

struct moderation_config {
    const struct settings *settings;
    struct wheel *wheel;
    struct hub *hub;
    struct bus *bus;
    struct db_pool *db_pool;
    void (*drain)(void *arg); /* as SIGTERM */
    void *arg;
};

/* Reads what is in force into `hub->sanctions`, before the protocols open. Blocks. */
enum err moderation_load(const struct moderation_config *config, struct store *store) CG_MUST_CHECK;
/* Begins to listen. Borrows what is in `config`. */
void moderation_init(const struct moderation_config *config);
void moderation_fini(void);
/* The bus came up or went down: looks at what is stored. */
void moderation_bus_state(void);
/* WIRE_SANCTION and WIRE_DRAIN. */
void moderation_received(const struct wire_header *header, struct str payload);

#endif
