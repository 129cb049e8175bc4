/* A settings file: whatever is taken is printed as a file that is taken too and says the same. */
#include "common/service/config.h"

#include "common/str.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum err load(struct settings *settings, struct str file)
{
    char path[64], why[256] = "";
    int fd = memfd_create("settings", MFD_CLOEXEC);
    CG_ASSERT(fd >= 0 && write(fd, file.ptr, file.len) == (ssize_t)file.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err err = config_load(settings, path, NULL, 0, why);
    CG_ASSERT(!err || *why);
    close(fd);
    return err;
}

static void print(const struct settings *settings, struct buf *out)
{
    buf_init(out, 1 << 20);
    settings_print(settings, PROGRAM_ALL, out);
    CG_ASSERT(!out->failed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings first, second;
    struct buf printed, again;
    if (memchr(data, 0, size)) /* what follows a NUL in a line is not read */
        return 0;
    if (load(&first, (struct str){(const char *)data, size}))
        return 0;
    print(&first, &printed);
    enum err err = load(&second, buf_str(&printed));
    CG_ASSERT(!err);
    print(&second, &again);
    CG_ASSERT(str_eq(buf_str(&printed), buf_str(&again)));
    buf_fini(&printed);
    buf_fini(&again);
    settings_fini(&first);
    settings_fini(&second);
    return 0;
}
