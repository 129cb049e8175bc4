/* moderation.h: applies operators' mutes, bans and kicks, revocations (common/store/store_rights.h) and orders to drain
 * on this relay. They arrive at once through a Redis channel. Those that are stored are also read every
 * revocation_poll_ms, so that nothing depends on Redis. Loop thread only, except for moderation_load. */
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
    void (*drain)(void *arg); /* drains as on SIGTERM */
    void *arg;
};

/* Reads the sanctions in force into `hub->sanctions`, before the protocols open. Blocks. */
enum err moderation_load(const struct moderation_config *config, struct store *store) CG_MUST_CHECK;
/* Starts listening. Borrows what `config` points to. */
void moderation_init(const struct moderation_config *config);
void moderation_fini(void);
/* The bus came up or went down: reads what is stored. */
void moderation_bus_state(void);
/* Takes a WIRE_SANCTION or WIRE_DRAIN. */
void moderation_received(const struct wire_header *header, struct str payload);

#endif
