#include "rest/routes.h"

#include "rest/asyncapi.h"
#include "rest/calls/admin.h"
#include "rest/calls/app_conversations.h"
#include "rest/calls/app_search.h"
#include "rest/calls/app_users.h"
#include "rest/calls/chatroom.h"
#include "rest/calls/customer.h"
#include "rest/calls/friends.h"
#include "rest/calls/health.h"
#include "rest/calls/io.h"
#include "rest/calls/media.h"
#include "rest/calls/spaces.h"
#include "rest/calls/unread.h"
#include "rest/calls/v1_accounts.h"
#include "rest/openapi.h"

const struct route_table *const routes[] = {
    &chatroom_routes,
    &friends_routes,
    &spaces_routes,
    &unread_routes,
    &customer_routes,
    &media_routes,
    &media_api_routes,
    &io_routes,
    &admin_routes,
    &health_routes,
    &app_users_routes,
    &app_conversations_routes,
    &app_messages_routes,
    &app_presence_routes,
    &app_search_routes,
    &openapi_routes,
    &asyncapi_routes,
    &v1_accounts_routes,
    NULL,
};
