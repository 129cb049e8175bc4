#include "common/about.h"

#include "common/json.h"

void about_add(struct buf *extra, const struct about *about)
{
    struct buf members;
    if (!about->meta.len && !about->reply_to && !about->mention_count)
        return;
    buf_init(&members, ABOUT_MAX);
    json_begin_object(&members);
    if (about->meta.len)
        json_add_raw(&members, "meta", about->meta);
    if (about->reply_to)
        json_add_u64(&members, "reply_to", about->reply_to);
    if (about->mention_count)
        json_add_array(&members, "mentions");
    for (size_t i = 0; i < about->mention_count; i++)
        json_add_u64(&members, NULL, about->mentions[i]);
    if (about->mention_count)
        json_end_array(&members);
    CG_ASSERT(!members.failed && members.len <= ABOUT_MAX);
    buf_add_char(extra, MESSAGE_ABOUT_MARK);
    buf_add(extra, members.data + 1, members.len - 1); /* members, without the brace */
    buf_fini(&members);
}

/* They come last, and neither an object nor a number ends so. */
struct str about_without_mentions(struct str members)
{
    static const char key[] = "\"mentions\":";
    if (!members.len || members.ptr[members.len - 1] != ']')
        return members;
    while (members.ptr[members.len - 1] != '[')
        members.len--;
    members.len -= sizeof key; /* with the bracket */
    if (members.len)
        members.len--; /* the comma */
    return members;
}

size_t about_mentions(struct str members, uint64_t users[ABOUT_MENTIONS_MAX])
{
    size_t without = about_without_mentions(members).len, count = 0;
    if (without == members.len)
        return 0;
    const char *end = members.ptr + members.len;
    for (const char *at = memchr(members.ptr + without, '[', members.len - without); at < end; at++) {
        uint64_t user = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            user = user * 10 + (uint64_t)(*at - '0');
        if (user && count < ABOUT_MENTIONS_MAX)
            users[count++] = user;
    }
    return count;
}
