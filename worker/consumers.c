#include "worker/consumers.h"

const struct consumer consumers[] = {
    {"count", "counts messages by kind, for /metrics", count_take, count_print, NULL},
};

const size_t consumer_count = sizeof consumers / sizeof consumers[0];
