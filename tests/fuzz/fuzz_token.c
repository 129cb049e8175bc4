/* Tokens from outside. The first byte says how the rest is made one: as it is; or a header and claims, a line each,
 * which are encoded here and signed with the right secret, with the public key's text as if that were a secret, or
 * with the private key. Only what is signed in the key's own way is ever believed, and then for a user and for a
 * time. */
#include "common/buf.h"
#include "common/clock.h"
#include "common/id.h"
#include "common/mem.h"
#include "common/token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#define SECRET "0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW_S = 1700000000 };
enum { AS_IT_IS = 0, SIGNED = 1, CONFUSED = 2, BY_PRIVATE_KEY = 3 };

static struct token_keys secret_keys, public_keys;
static EVP_PKEY *private_key;
static char public_pem[4096];

static void add_base64url(struct buf *out, struct str bytes)
{
    unsigned char *text = mem_zalloc(bytes.len * 2 + 8);
    int len = EVP_EncodeBlock(text, (const unsigned char *)bytes.ptr, (int)bytes.len);
    for (int i = 0; i < len && text[i] != '='; i++)
        buf_add_char(out, (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]));
    free(text);
}

static void sign_hmac(struct buf *token, struct str key)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    CG_ASSERT(HMAC(EVP_sha256(), key.ptr, (int)key.len, (unsigned char *)token->data, token->len, mac, &len));
    buf_add_char(token, '.');
    add_base64url(token, (struct str){(char *)mac, len});
}

static void sign_rsa(struct buf *token)
{
    unsigned char signature[512];
    size_t len = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CG_ASSERT(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, private_key) == 1 &&
              EVP_DigestSign(context, signature, &len, (unsigned char *)token->data, token->len) == 1);
    EVP_MD_CTX_free(context);
    buf_add_char(token, '.');
    add_base64url(token, (struct str){(char *)signature, len});
}

static void make(struct buf *token, unsigned how, struct str text)
{
    const char *line = memchr(text.ptr, '\n', text.len);
    if (how == AS_IT_IS) {
        buf_add_str(token, text);
        return;
    }
    add_base64url(token, (struct str){text.ptr, (size_t)(line - text.ptr)});
    buf_add_char(token, '.');
    add_base64url(token, (struct str){line + 1, (size_t)(text.ptr + text.len - line - 1)});
    if (how == BY_PRIVATE_KEY)
        sign_rsa(token);
    else
        sign_hmac(token, str_of(how == SIGNED ? SECRET : public_pem));
}

/* Whether that is what the secret makes of the first two parts. */
static bool is_signed(struct str token)
{
    const char *dot = token.ptr ? memrchr(token.ptr, '.', token.len) : NULL;
    struct buf again;
    if (!dot)
        return false;
    buf_init(&again, token.len + 64);
    buf_add(&again, token.ptr, (size_t)(dot - token.ptr));
    sign_hmac(&again, str_of(SECRET));
    struct str rest = {dot, (size_t)(token.ptr + token.len - dot)};
    bool same = !again.failed && again.data &&
                str_eq((struct str){again.data + (dot - token.ptr), again.len - (size_t)(dot - token.ptr)}, rest);
    buf_fini(&again);
    return same;
}

static bool believed(const struct token_keys *keys, struct str token)
{
    struct token said = {.expires_s = 0};
    if (token_check(keys, token, &said)) {
        CG_ASSERT(!*said.user_id && !said.expires_s);
        return false;
    }
    CG_ASSERT(id_is(str_of(said.user_id), "user_"));
    CG_ASSERT(said.expires_s > NOW_S && said.expires_s <= INT64_C(253402300799) && token.len <= TOKEN_MAX);
    CG_ASSERT(said.issued_s >= 0 && said.generation >= -1);
    return true;
}

static char *write_public_key(void)
{
    char *path = mem_strdup("/tmp/chaguan-fuzz.XXXXXX");
    int fd = mkstemp(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
    CG_ASSERT(file && PEM_write_PUBKEY(file, private_key) == 1 && !fseek(file, 0, SEEK_SET));
    CG_ASSERT(fread(public_pem, 1, sizeof public_pem - 1, file) > 0 && !fclose(file));
    return path;
}

static __attribute__((constructor)) void begin(void)
{
    static struct settings of_secret = {.jwt_secret = SECRET, .jwt_public_key = "", .jwt_audience = "chaguan"};
    static struct settings of_public = {.jwt_secret = "", .jwt_audience = "chaguan"};
    char why[256];
    clock_freeze((int64_t)NOW_S * 1000);
    private_key = EVP_RSA_gen(TOKEN_RSA_BITS_MIN);
    CG_ASSERT(private_key);
    char *path = of_public.jwt_public_key = write_public_key();
    CG_ASSERT(!token_keys_load(&of_secret, &secret_keys, why) && !token_keys_load(&of_public, &public_keys, why));
    remove(path);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf token;
    if (!size || memchr(data, 0, size))
        return 0;
    unsigned how = memchr(data + 1, '\n', size - 1) ? data[0] & 3 : AS_IT_IS;
    buf_init(&token, size * 2 + 1024);
    make(&token, how, (struct str){(const char *)data + 1, size - 1});
    struct str text = buf_str(&token);
    if (believed(&secret_keys, text))
        CG_ASSERT(how != CONFUSED && how != BY_PRIVATE_KEY && is_signed(text));
    if (believed(&public_keys, text))
        CG_ASSERT(how == BY_PRIVATE_KEY);
    buf_fini(&token);
    return 0;
}
