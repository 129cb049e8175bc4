#include "rest/routes.h"

#include "rest/admin.h"
#include "rest/chatroom.h"
#include "rest/customer.h"
#include "rest/friends.h"
#include "rest/health.h"
#include "rest/io.h"
#include "rest/media.h"
#include "rest/spaces.h"
#include "rest/unread.h"

const struct route_table *const routes[] = {
    &chatroom_routes,
    &friends_routes,
    &spaces_routes,
    &unread_routes,
    &customer_routes,
    &media_routes,
    &io_routes,
    &admin_routes,
    &health_routes,
    NULL,
};
