/* What the heads of pictures say: formats, sizes, where up is, and what is cut or none. */
#include "tests/unit/check.h"

#include "thumbnail/image_head.h"

#define PNG(width, height)   "\x89PNG\r\n\x1a\n\0\0\0\rIHDR" width height "\x08\x02\0\0\0"
#define EXIF(order, entries) "Exif\0\0" order entries
#define FRAME                "\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\x01\x11\0"

static void assert_head(struct str bytes, enum image_format format, uint32_t width, uint32_t height, int turn)
{
    struct image_head head;
    assert_int_equal(image_head_read(bytes, &head), width != 0);
    assert_int_equal(head.format, format);
    assert_int_equal(head.width, width);
    assert_int_equal(head.height, height);
    assert_int_equal(head.turn, turn);
}

static void each_format_says_its_size(void **state)
{
    (void)state;
    assert_head(BYTES(PNG("\0\0\x01\x02", "\0\0\0\x03")), IMAGE_PNG, 258, 3, 1);
    assert_head(BYTES("GIF89a\x02\x01\x03\0\0\0\0"), IMAGE_GIF, 258, 3, 1);
    assert_head(BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\x28\0\0\0\x02\x01\0\0\xfd\xff\xff\xff"), IMAGE_BMP, 258, 3, 1);
    assert_head(BYTES("BM\0\0\0\0\0\0\0\0\0\0\0\0\x0c\0\0\0\x02\x01\x03\0\x01\0\x18\0"), IMAGE_BMP, 258, 3, 1);
    assert_head(BYTES("RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x02\x41\x03\x80"), IMAGE_WEBP, 258, 3, 1);
    assert_head(BYTES("RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x01\x81\0\0\0\0\0\0\0"), IMAGE_WEBP, 258, 3, 1);
    assert_head(BYTES("RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x01\x01\0\x02\0\0"), IMAGE_WEBP, 258, 3, 1);
    assert_head(BYTES("\xff\xd8\xff\xe0\0\x04xx\xff" FRAME), IMAGE_JPEG, 32, 16, 1);
}

static void a_bomb_is_told_by_its_head(void **state)
{
    (void)state;
    assert_head(BYTES(PNG("\xff\xff\xff\xff", "\xff\xff\xff\xff")), IMAGE_PNG, UINT32_MAX, UINT32_MAX, 1);
}

static void up_is_where_exif_says(void **state)
{
    (void)state;
    assert_head(BYTES("\xff\xd8\xff\xe1\0\x22" EXIF("II*\0\x08\0\0\0",
                                                    "\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0") FRAME),
                IMAGE_JPEG, 32, 16, 6);
    assert_head(BYTES("\xff\xd8\xff\xe1\0\x22" EXIF("MM\0*\0\0\0\x08",
                                                    "\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0") FRAME),
                IMAGE_JPEG, 32, 16, 8);
    /* a turn that there is not; a list that lies outside */
    assert_head(BYTES("\xff\xd8\xff\xe1\0\x22" EXIF("II*\0\x08\0\0\0",
                                                    "\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\0\0\0\0") FRAME),
                IMAGE_JPEG, 32, 16, 1);
    assert_head(BYTES("\xff\xd8\xff\xe1\0\x22" EXIF("II*\0\xff\xff\xff\xff",
                                                    "\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0") FRAME),
                IMAGE_JPEG, 32, 16, 1);
}

static void what_is_cut_or_none_has_no_size(void **state)
{
    (void)state;
    assert_head(BYTES(""), IMAGE_UNKNOWN, 0, 0, 1);
    assert_head(BYTES("<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), IMAGE_UNKNOWN, 0, 0, 1);
    assert_head(BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0"), IMAGE_PNG, 0, 0, 1);
    assert_head(BYTES(PNG("\0\0\0\0", "\0\0\0\x03")), IMAGE_PNG, 0, 0, 1);
    assert_head(BYTES("GIF89a\x02\x01"), IMAGE_GIF, 0, 0, 1);
    assert_head(BYTES("\xff\xd8\xff\xe0\xff\xff"), IMAGE_JPEG, 0, 0, 1);
    assert_head(BYTES("\xff\xd8\xff\xda\0\x04xx" FRAME), IMAGE_JPEG, 0, 0, 1);
    assert_head(BYTES("\xff\xd8\xff\xe0\0\0" FRAME), IMAGE_JPEG, 0, 0, 1);
    assert_head(BYTES("RIFF\0\0\0\0WEBPALPH\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), IMAGE_WEBP, 0, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_format_says_its_size),
        cmocka_unit_test(a_bomb_is_told_by_its_head),
        cmocka_unit_test(up_is_where_exif_says),
        cmocka_unit_test(what_is_cut_or_none_has_no_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
