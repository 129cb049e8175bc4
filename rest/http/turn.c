#include "rest/http/turn.h"

void turns_init(struct turns *turns)
{
    *turns = (struct turns){.lock = PTHREAD_MUTEX_INITIALIZER, .free = PTHREAD_COND_INITIALIZER};
}

void turns_fini(struct turns *turns)
{
    pthread_cond_destroy(&turns->free);
    pthread_mutex_destroy(&turns->lock);
}

void turns_end(struct turns *turns)
{
    pthread_mutex_lock(&turns->lock);
    turns->ended = true;
    pthread_cond_broadcast(&turns->free);
    pthread_mutex_unlock(&turns->lock);
}

void turn_take(struct turn *turn)
{
    struct turns *turns = turn->of;
    if (turn->held)
        return;
    pthread_mutex_lock(&turns->lock);
    turns->wanted++;
    while (turns->taken >= TURNS && !turns->ended)
        pthread_cond_wait(&turns->free, &turns->lock);
    turns->wanted--;
    turns->taken++;
    turn->held = true;
    pthread_mutex_unlock(&turns->lock);
}

bool turn_try(struct turn *turn)
{
    struct turns *turns = turn->of;
    if (turn->held)
        return true;
    pthread_mutex_lock(&turns->lock);
    if (turns->taken < TURNS || turns->ended) {
        turns->taken++;
        turn->held = true;
    }
    pthread_mutex_unlock(&turns->lock);
    return turn->held;
}

/* Nobody is woken while another has a turn: a thread that comes back from its work takes the free one for nothing. */
void turn_leave(struct turn *turn)
{
    if (!turn || !turn->held)
        return;
    struct turns *turns = turn->of;
    pthread_mutex_lock(&turns->lock);
    turn->held = false;
    if (!--turns->taken && turns->wanted)
        pthread_cond_signal(&turns->free);
    pthread_mutex_unlock(&turns->lock);
}
