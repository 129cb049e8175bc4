/* JSON from outside: what the vetting lets through and json-c takes has texts of UTF-8, and the fields of a customer's
 * frame are what is promised of them. */
#include "common/service/customer_frame.h"
#include "common/store/store_customer.h"
#include "common/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct json_object *object;
    if (json_parse_object((struct str){(const char *)data, size}, &object))
        return 0;
    struct customer_frame frame;
    if (!customer_frame_read(object, "/media/", &frame)) {
        CG_ASSERT(store_customer_account_ok(frame.app_sid) && store_customer_account_ok(frame.user_account) &&
                  store_customer_account_ok(frame.friend_account));
        CG_ASSERT(frame.kind == MESSAGE_TEXT ? !text_check_content(frame.content)
                                             : !text_check_url(frame.content, "/media/"));
    }
    json_object_object_foreach(object, key, value)
    {
        struct str text;
        CG_ASSERT(text_utf8_valid(str_of(key)));
        if (json_get_string(object, key, &text))
            CG_ASSERT(text_utf8_valid(text));
        (void)value;
    }
    json_object_put(object);
    return 0;
}
