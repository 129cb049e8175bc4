#include "relay/protocols/admission.h"

#include "common/mem.h"
#include "common/store/store_app_user.h"
#include "relay/core/protocol.h"
#include "relay/core/hub.h"

/* Which user of the application it is. */
static enum err name_by_token(struct admission *admission, struct store *store)
{
    struct store_app_user *user = mem_zalloc(sizeof *user);
    enum err err = store_app_user_come(store, &admission->token, user);
    if (!err)
        memcpy(admission->nick_id, user->public_id, ID_MAX);
    free(user);
    return err;
}

static void look_up(struct job *const *jobs, size_t count, struct store *store)
{
    struct store_membership_asked asked[DB_POOL_TOGETHER] = {0};
    for (size_t i = 0; i < count; i++) {
        struct admission *admission = (struct admission *)jobs[i];
        admission->stranger = admission->by_token ? name_by_token(admission, store) : ERR_OK;
        asked[i].room_id = str_of(admission->room_id);
        asked[i].user_id = str_of(admission->nick_id);
        asked[i].membership = &admission->membership;
    }
    enum err err = store_memberships(store, asked, count);
    for (size_t i = 0; i < count; i++) {
        struct admission *admission = (struct admission *)jobs[i];
        jobs[i]->err = err ? err : admission->stranger ? admission->stranger : asked[i].err;
        admission->missing = asked[i].missing;
        if (!jobs[i]->err && (admission->membership.realm == REALM_APP) != admission->by_token) {
            jobs[i]->err = ERR_NOT_FOUND; /* its users come with tokens, and nobody else does */
            admission->missing = STORE_NO_USER;
        }
        if (!jobs[i]->err && admission->membership.is_member && admission->more)
            admission->more(admission, store);
    }
}

static void on_looked_up(struct job *job)
{
    struct admission *admission = (struct admission *)job;
    enum admission_refusal refusal = ADMISSION_GRANTED;
    const struct hub *hub = protocol_context.hub;
    bool other_epoch = admission->epoch != hub->epoch || admission->forgotten != hub->forgotten;
    token_fini(&admission->token);
    if (admission->stranger == ERR_NOT_FOUND)
        refusal = ADMISSION_STRANGER;
    else if (admission->stranger == ERR_DENIED)
        refusal = ADMISSION_REVOKED;
    else if (other_epoch || (job->err && job->err != ERR_NOT_FOUND))
        refusal = ADMISSION_DOWN;
    else if (job->err)
        refusal = admission->missing & STORE_NO_ROOM ? ADMISSION_NO_ROOM : ADMISSION_NO_USER;
    else if (!admission->membership.is_member)
        refusal = ADMISSION_NOT_MEMBER;
    admission->done(admission, refusal);
}

enum token_refusal admission_read_token(struct admission *admission, const struct request *request)
{
    admission->by_token = protocol_doors_closed();
    return admission->by_token ? protocol_read_token(request, &admission->token) : TOKEN_GOOD;
}

enum admission_refusal admission_name(struct admission *admission, struct str room_id, struct str nick_id)
{
    if (!id_is(room_id, STORE_ROOM_PREFIX))
        return ADMISSION_NO_ROOM;
    if (!admission->by_token && !id_is(nick_id, STORE_USER_PREFIX))
        return ADMISSION_NO_USER;
    memcpy(admission->room_id, room_id.ptr, room_id.len);
    if (admission->by_token)
        return ADMISSION_GRANTED;
    memcpy(admission->nick_id, nick_id.ptr, nick_id.len);
    return ADMISSION_GRANTED;
}

enum err admission_ask(struct admission *admission, enum job_class class, uint64_t payer)
{
    admission->job.work_all = look_up;
    admission->job.done = on_looked_up;
    admission->epoch = protocol_context.hub->epoch;
    admission->forgotten = protocol_context.hub->forgotten;
    admission->moment = protocol_moment();
    job_charge(&admission->job, class, payer, admission->more ? 5 : 1);
    enum err err = db_pool_try(protocol_context.db_pool, &admission->job);
    if (err)
        token_fini(&admission->token);
    return err;
}
