/* app_news.h: namespaces that clients only listen to: events come from the admin calls. */
#ifndef CG_RELAY_SOCKETIO_APP_NEWS_H
#define CG_RELAY_SOCKETIO_APP_NEWS_H

#include "relay/socketio/app.h"

extern const struct app news_app;

#endif
