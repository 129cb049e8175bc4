#include "relay/admission.h"

#include "relay/door.h"

static void look_up(struct job *job, struct store *store)
{
    struct admission *admission = (struct admission *)job;
    job->err = store_place(store, str_of(admission->room_id), str_of(admission->nick_id),
                           &admission->place, &admission->missing);
    if (!job->err && admission->place.is_member && admission->more)
        admission->more(admission, store);
}

static void on_looked_up(struct job *job)
{
    struct admission *admission = (struct admission *)job;
    enum admitted admitted = ADMITTED;
    if (job->err == ERR_NOT_FOUND)
        admitted = admission->missing & STORE_NO_ROOM ? ADMISSION_NO_ROOM : ADMISSION_NO_USER;
    else if (job->err)
        admitted = ADMISSION_DOWN;
    else if (!admission->place.is_member)
        admitted = ADMISSION_NOT_MEMBER;
    admission->done(admission, admitted);
}

enum admitted admission_name(struct admission *admission, struct str room_id, struct str nick_id)
{
    if (!id_is(room_id, STORE_ROOM_PREFIX))
        return ADMISSION_NO_ROOM;
    if (!id_is(nick_id, STORE_USER_PREFIX))
        return ADMISSION_NO_USER;
    memcpy(admission->room_id, room_id.ptr, room_id.len);
    memcpy(admission->nick_id, nick_id.ptr, nick_id.len);
    return ADMITTED;
}

enum err admission_ask(struct admission *admission)
{
    admission->job.work = look_up;
    admission->job.done = on_looked_up;
    return readers_try(door.readers, &admission->job);
}
