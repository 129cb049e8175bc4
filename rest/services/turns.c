#include "rest/services/turns.h"

#include <errno.h>
#include <time.h>

static void put(struct turn **list, size_t *count, struct turn *turn)
{
    turn->next = *list;
    *list = turn;
    ++*count;
}

static void take(struct turn **list, size_t *count, struct turn *turn)
{
    while (*list != turn)
        list = &(*list)->next;
    *list = turn->next;
    --*count;
}

static size_t count_of(const struct turn *list, uint64_t payer)
{
    size_t count = 0;
    for (; list; list = list->next)
        count += list->payer == payer;
    return count;
}

/* The latest of the payer with most that wait, the newcomer among them. */
static struct turn *who_must_go(struct turns *turns)
{
    struct turn *found = NULL;
    size_t most = 0;
    for (struct turn *turn = turns->waiting; turn; turn = turn->next) {
        size_t count = count_of(turns->waiting, turn->payer);
        if (count > most) {
            most = count;
            found = turn;
        }
    }
    return found;
}

/* The longest waiting caller of the payer with the least under way. */
static struct turn *who_is_next(struct turns *turns)
{
    struct turn *found = NULL;
    size_t least = SIZE_MAX;
    for (struct turn *turn = turns->waiting; turn; turn = turn->next) {
        size_t count = count_of(turns->under_way, turn->payer);
        if (count <= least) {
            least = count;
            found = turn;
        }
    }
    return found;
}

static void go_on(struct turns *turns, size_t most)
{
    struct turn *turn;
    while (turns->under_way_count < most && (turn = who_is_next(turns))) {
        take(&turns->waiting, &turns->waiting_count, turn);
        turn->at_it = true;
        put(&turns->under_way, &turns->under_way_count, turn);
    }
}

bool turns_begin(struct turns *turns, struct turn *turn, uint64_t payer, size_t most, size_t most_waiting,
                 int64_t timeout_ms)
{
    struct timespec until;
    bool in_time = true;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    *turn = (struct turn){.payer = payer};
    pthread_mutex_lock(&turns->lock);
    put(&turns->waiting, &turns->waiting_count, turn);
    go_on(turns, most);
    if (turns->waiting_count > most_waiting) {
        struct turn *last = who_must_go(turns);
        take(&turns->waiting, &turns->waiting_count, last);
        last->turned_away = true;
        pthread_cond_broadcast(&turns->changed);
    }
    while (!turn->at_it && !turn->turned_away && in_time) {
        go_on(turns, most);
        if (!turn->at_it)
            in_time = pthread_cond_timedwait(&turns->changed, &turns->lock, &until) != ETIMEDOUT;
    }
    if (!turn->at_it && !turn->turned_away)
        take(&turns->waiting, &turns->waiting_count, turn);
    pthread_mutex_unlock(&turns->lock);
    return turn->at_it;
}

void turns_end(struct turns *turns, struct turn *turn)
{
    pthread_mutex_lock(&turns->lock);
    take(&turns->under_way, &turns->under_way_count, turn);
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->lock);
}
