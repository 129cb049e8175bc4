#include "common/sanction.h"

#include "common/text.h"

#include <arpa/inet.h>
#include <endian.h>

enum err sanction_address(struct str text, char out[SANCTION_ADDRESS_MAX])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    unsigned char bytes[16];
    if (!text.len || text.len >= SANCTION_ADDRESS_MAX || memchr(text.ptr, '\0', text.len))
        return ERR_INVALID;
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
    if (inet_pton(AF_INET, out, bytes) == 1)
        return ERR_OK;
    if (inet_pton(AF_INET6, out, bytes) != 1)
        return ERR_INVALID;
    bool is_mapped = !memcmp(bytes, mapped, sizeof mapped);
    if (!is_mapped)
        memset(bytes + 8, 0, 8);
    const char *written = is_mapped ? inet_ntop(AF_INET, bytes + 12, out, SANCTION_ADDRESS_MAX)
                                    : inet_ntop(AF_INET6, bytes, out, SANCTION_ADDRESS_MAX);
    CG_ASSERT(written);
    return ERR_OK;
}

void sanction_add_kick(struct buf *out, const struct sanction *kick)
{
    struct str address = str_of(kick->address), name = str_of(kick->name);
    uint64_t user = htole64(kick->user), conversation = htole64(kick->conversation);
    uint16_t name_len = htole16((uint16_t)name.len);
    buf_add(out, &user, sizeof user);
    buf_add(out, &conversation, sizeof conversation);
    buf_add_char(out, (char)address.len);
    buf_add_str(out, address);
    buf_add(out, &name_len, sizeof name_len);
    buf_add_str(out, name);
}

static bool get_text(struct str *bytes, size_t len, char *out, size_t size)
{
    struct str text = {bytes->ptr, len};
    if (len >= size || !str_copy_off(bytes, len, out) || memchr(out, '\0', len) || !text_utf8_valid(text))
        return false;
    out[len] = '\0';
    return true;
}

enum err sanction_get_kick(struct str bytes, struct sanction *kick)
{
    uint64_t user, conversation;
    unsigned char address_len;
    uint16_t name_len;
    *kick = (struct sanction){.kind = SANCTION_KICK};
    bool read = str_copy_off(&bytes, sizeof user, &user) && str_copy_off(&bytes, sizeof conversation, &conversation) &&
                str_copy_off(&bytes, sizeof address_len, &address_len) &&
                get_text(&bytes, address_len, kick->address, sizeof kick->address) &&
                str_copy_off(&bytes, sizeof name_len, &name_len) &&
                get_text(&bytes, le16toh(name_len), kick->name, sizeof kick->name);
    if (!read || bytes.len)
        return ERR_INVALID;
    kick->user = le64toh(user);
    kick->conversation = le64toh(conversation);
    return kick->user || *kick->address || *kick->name ? ERR_OK : ERR_INVALID;
}
