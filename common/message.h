/* message.h: a stored event of a conversation, and the wire format in which relays publish it through Redis. Any
 * thread.
 *
 * Conversations and users are named by their internal numbers; public ids are credentials and are left out. */
#ifndef CG_COMMON_MESSAGE_H
#define CG_COMMON_MESSAGE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Values are stored: never renumber. */
enum message_kind {
    MESSAGE_TEXT = 1,
    MESSAGE_JOIN = 2,
    MESSAGE_LEAVE = 3,
    MESSAGE_EMOJI = 4,
    MESSAGE_FILE = 5, /* content: the URL of an upload; IMAGE and VIDEO likewise */
    MESSAGE_IMAGE = 6,
    MESSAGE_VIDEO = 7,
    MESSAGE_TRANSFER = 8,  /* content: {"fromId":…,"toId":…,"score":n}, public ids */
    MESSAGE_EVENT = 9,     /* Socket.IO; content: a JSON array, the event's name and its arguments */
    MESSAGE_EDIT = 10,     /* content: {"of":SEQ,"content":…}; without content if a later edit replaced it */
    MESSAGE_RECALL = 11,   /* content: {"of":SEQ} */
    MESSAGE_REACTION = 12, /* content: {"of":SEQ,"emoji":…,"on":BOOL}; without the rest if its user is erased */
    /* In an application's conversations. The sender is the user it is about, `by` the user who did it (a number; 0:
     * the application). store_app_event.h stores them together with the change itself. */
    MESSAGE_JOINED = 13,  /* content: {"by":USER,"role":ROLE}, and ,"was":ROLE of one who was a member already */
    MESSAGE_REMOVED = 14, /* content: {"by":USER} */
    MESSAGE_RENAMED = 15, /* content: {"name":TEXT}, its sender called it so; {} once they are erased */
    MESSAGE_KIND_MAX = MESSAGE_RENAMED,
};

/* An event about another message or about the conversation, which only some protocols show. */
static inline bool message_is_aside(enum message_kind kind)
{
    return kind >= MESSAGE_EDIT;
}

/* An event about another message, which its `of` names. */
static inline bool message_has_of(enum message_kind kind)
{
    return kind >= MESSAGE_EDIT && kind <= MESSAGE_REACTION;
}

/* A change of another message. */
static inline bool message_is_revision(enum message_kind kind)
{
    return kind == MESSAGE_EDIT || kind == MESSAGE_RECALL;
}

/* A change of the conversation itself, or of who is a member of it. */
static inline bool message_is_change(enum message_kind kind)
{
    return kind >= MESSAGE_JOINED && kind <= MESSAGE_RENAMED;
}

/* A join or leave by presence, as the older front ends show it. */
static inline bool message_is_presence(enum message_kind kind)
{
    return kind == MESSAGE_JOIN || kind == MESSAGE_LEAVE;
}

/* A join or leave by presence or by membership. Histories of messages skip these, and they are not kept as long. */
static inline bool message_is_passing(enum message_kind kind)
{
    return message_is_presence(kind) || kind == MESSAGE_JOINED || kind == MESSAGE_REMOVED;
}

/* What a user wrote: counts as unread and can be recalled. The same kinds as STORE_KINDS_SAID in store_sql.h. */
static inline bool message_is_said(enum message_kind kind)
{
    return kind == MESSAGE_TEXT || (kind >= MESSAGE_EMOJI && kind <= MESSAGE_VIDEO);
}

/* The content that every protocol shows for a recalled message. */
#define MESSAGE_RECALLED_TEXT "消息已撤回"

enum { MESSAGE_CLIENT_ID_MAX = 64, MESSAGE_EXTRA_MAX = 4096, MESSAGE_META_MAX = 4096 };
/* The sender's name of an application's own messages, which no user can have (name.h). */
#define MESSAGE_SYSTEM_NAME "system"
/* The first character of a client_id that is not from a client; clients' ids cannot contain it. */
#define MESSAGE_ID_TRANSFER "\x01"
#define MESSAGE_ID_RECORD   "\x02"
#define MESSAGE_ID_CALL     "\x03" /* of a call with an Idempotency-Key that named no message */

/* A view: the texts are borrowed. */
struct message {
    uint64_t conversation; /* conversation.id */
    uint64_t seq;          /* 1, 2, 3 … in the conversation; 0 before the commit */
    uint64_t sender;       /* user.id; 0: nobody */
    /* Random number of the transaction that stored it: distinguishes it from another message that gets the same seq
     * after the database was put back to an older state. */
    uint64_t batch;
    int64_t at_ms; /* when it was stored, Unix time */
    enum message_kind kind;
    struct str sender_name; /* as it was then */
    /* Of a stored message whose sender is an application's user: the application's id and face of the user. Else
     * empty. */
    struct str author_id, author_face;
    struct str content;
    struct str client_id; /* the sender's own id for it, for idempotence; may be empty */
    struct str sent_at;   /* by the sender's clock, in the sender's form (text_is_sent_at); may be empty */
    uint64_t revised_by;  /* when read from the database: the edit or recall that set its present content; 0: none */
    bool recalled;        /* likewise: it is a MESSAGE_TEXT that says MESSAGE_RECALLED_TEXT now, whatever it was */
    struct str audience;  /* in a Socket.IO namespace: its audience (common/audience.h); empty: everybody */
    struct str extra;     /* further fields: message_about and message_frame; may be empty */
    uint64_t reply_to;    /* before it is stored: the message that it answers, which the journal checks */
};

/* The mark in `extra` before the members of common/about.h. */
#define MESSAGE_ABOUT_MARK '\x01'

/* The fields meta, reply_to and mentions, as members of a JSON object without the braces. */
static inline struct str message_about(const struct message *message)
{
    struct str extra = message->extra;
    return extra.len && extra.ptr[0] == MESSAGE_ABOUT_MARK ? (struct str){extra.ptr + 1, extra.len - 1} : STR("");
}

/* The other fields of a friend chat's frame, at most MESSAGE_EXTRA_MAX bytes, in the same form. */
static inline struct str message_frame(const struct message *message)
{
    struct str extra = message->extra;
    return extra.len && extra.ptr[0] == MESSAGE_ABOUT_MARK ? STR("") : extra;
}

/* A copy with its texts in one allocation; free() it. */
struct message *message_dup(const struct message *message);

/* Bytes that a message occupies, for bounds. */
size_t message_size(const struct message *message);

/* ---- The wire between relays: little-endian, every text framed by its length ----
 *
 *   "CG" version(1)=5 kind(1) sender(8) epoch(8) conversation(8) user(8) count(2) then `count` records:
 *   seq(8) batch(8) sender(8) at_ms(8) kind(1) name(2+n) sent_at(1+n) audience(2+n) content(4+n) extra(2+n)
 *   author_id(1+n) author_face(2+n)
 *
 * WIRE_PRESENCE: presence in `conversation` has changed. WIRE_HISTORY: `user` asked for its history on all sockets.
 * WIRE_FRIENDS, on the channel of a user's inbox: the user has a new friend. WIRE_RAW is followed by UTF-8 to be sent
 * unchanged to the clients in `conversation` with the encoding whose number is in `user`. WIRE_IO is followed by a
 * notice about a Socket.IO namespace (common/io_notice.h). WIRE_READ, on the channel of a user's inbox, is followed by
 * a conversation(8) and a seq(8): how far the user has read it. WIRE_SANCTION (common/sanction.h) and WIRE_DRAIN,
 * followed by a relay's name, are operators' orders and use the channel WIRE_CONTROL; so does WIRE_LOAD, followed by
 * the relay's machine(8) and its number of clients(8). In all of these `count` is 0. */
enum wire_kind {
    WIRE_MESSAGES = 1,
    WIRE_PRESENCE = 2,
    WIRE_HISTORY = 3,
    WIRE_RAW = 4,
    WIRE_FRIENDS = 5,
    WIRE_IO = 6,
    WIRE_READ = 7,
    WIRE_SANCTION = 8,
    WIRE_DRAIN = 9,
    WIRE_LOAD = 10,
    WIRE_KIND_MAX = WIRE_LOAD,
};

/* The channel for notices about one user: a number that no conversation has. */
#define WIRE_INBOX(user) (UINT64_C(1) << 63 | (user))
/* The channel that every relay listens to: the inbox of a user number that does not exist. */
#define WIRE_CONTROL WIRE_INBOX(0)

struct wire_header {
    enum wire_kind kind;
    uint64_t sender; /* the relay's incarnation; 0: REST */
    uint64_t epoch;
    uint64_t conversation;
    uint64_t user; /* WIRE_HISTORY, WIRE_FRIENDS, WIRE_READ; WIRE_RAW: the encoding */
    unsigned count;
};

void wire_add_header(struct buf *out, const struct wire_header *header);
void wire_add_message(struct buf *out, const struct message *message);

/* Reads a header from *at and moves *at past it. */
enum err wire_get_header(struct str *at, struct wire_header *header) CG_MUST_CHECK;
/* Reads one record of `header`'s conversation; the texts point into *at's bytes and are valid UTF-8. */
enum err wire_get_message(struct str *at, const struct wire_header *header, struct message *message) CG_MUST_CHECK;

/* The payload of WIRE_READ; WIRE_LOAD uses it for its two numbers. */
struct wire_mark {
    uint64_t conversation, seq;
};
void wire_add_mark(struct buf *out, const struct wire_mark *mark);
enum err wire_get_mark(struct str at, struct wire_mark *mark) CG_MUST_CHECK;

#endif
