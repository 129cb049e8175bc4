#include "rest/http/gate.h"

void gate_init(struct gate *gate)
{
    *gate = (struct gate){.lock = PTHREAD_MUTEX_INITIALIZER, .room = PTHREAD_COND_INITIALIZER};
}

void gate_fini(struct gate *gate)
{
    pthread_cond_destroy(&gate->room);
    pthread_mutex_destroy(&gate->lock);
}

void gate_open(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->room);
    pthread_mutex_unlock(&gate->lock);
}

void gate_enter(struct gate_pass *pass)
{
    struct gate *gate = pass->of;
    if (pass->inside)
        return;
    pthread_mutex_lock(&gate->lock);
    gate->followers++;
    while (gate->leaders >= GATE_LEADERS && !gate->is_open)
        pthread_cond_wait(&gate->room, &gate->lock);
    gate->followers--;
    gate->leaders++;
    pass->inside = true;
    pthread_mutex_unlock(&gate->lock);
}

bool gate_try(struct gate_pass *pass)
{
    struct gate *gate = pass->of;
    if (pass->inside)
        return true;
    pthread_mutex_lock(&gate->lock);
    if (gate->leaders < GATE_LEADERS || gate->is_open) {
        gate->leaders++;
        pass->inside = true;
    }
    pthread_mutex_unlock(&gate->lock);
    return pass->inside;
}

/* Nobody is woken while another is inside: a thread that comes back from its work needs no waking to lead. */
void gate_leave(struct gate_pass *pass)
{
    if (!pass || !pass->inside)
        return;
    struct gate *gate = pass->of;
    pthread_mutex_lock(&gate->lock);
    pass->inside = false;
    if (!--gate->leaders && gate->followers)
        pthread_cond_signal(&gate->room);
    pthread_mutex_unlock(&gate->lock);
}
