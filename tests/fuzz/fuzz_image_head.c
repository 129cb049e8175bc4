/* The heads of pictures: whatever they hold, what is said of them is within bounds, and cut anywhere nothing is read that is
 * not there. */
#include "thumbnail/image_head.h"

#include "common/err.h"
#include "common/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image_head head;
    size_t step = size / 16 + 1;
    for (size_t len = 0; len <= size; len += step) {
        char *copy = mem_strndup((const char *)data, len); /* so that the sanitizer sees its end */
        bool known = image_head_read((struct str){copy, len}, &head);
        CG_ASSERT(head.turn >= IMAGE_UPRIGHT && head.turn <= IMAGE_TURNS);
        CG_ASSERT(known ? head.format && head.width && head.height : !head.width && !head.height);
        free(copy);
    }
    return 0;
}
