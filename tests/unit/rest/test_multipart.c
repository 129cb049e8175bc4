/* The multipart parser: the same parts however the bytes are cut, and nothing else than parts. */
#include "tests/unit/check.h"

#include "rest/http/multipart.h"

#define TYPE    "multipart/form-data; boundary=xyz"
#define HEAD(n) "Content-Disposition: form-data; name=\"" n "\"\r\n\r\n"
#define FILE_HEAD \
    "Content-Disposition: form-data; name=\"avatar\"; filename=\"a b.png\"\r\n" \
    "Content-Type: image/png\r\n\r\n"

/* What was called, as text: {name|filename|type}data. for each part. */
static struct buf heard;
static enum err answer; /* of each call */
static char expected;   /* calls must come in order: b(egin), d(ata), e(nd) */

static void add_or_dash(struct str text)
{
    if (text.ptr)
        buf_add_str(&heard, text);
    else
        buf_add_char(&heard, '-');
}

static enum err on_begin(void *arg, const struct multipart_part *part)
{
    assert_ptr_equal(arg, &heard);
    assert_int_equal(expected, 'b');
    expected = 'd';
    buf_add_char(&heard, '{');
    add_or_dash(part->name);
    buf_add_char(&heard, '|');
    add_or_dash(part->filename);
    buf_add_char(&heard, '|');
    add_or_dash(part->type);
    buf_add_char(&heard, '}');
    return answer;
}

static enum err on_data(void *arg, struct str bytes)
{
    assert_ptr_equal(arg, &heard);
    assert_int_equal(expected, 'd');
    assert_int_not_equal(bytes.len, 0);
    buf_add_str(&heard, bytes);
    return answer;
}

static enum err on_end(void *arg)
{
    assert_ptr_equal(arg, &heard);
    assert_int_equal(expected, 'd');
    expected = 'b';
    buf_add_char(&heard, '.');
    return answer;
}

static const struct multipart_calls calls = {on_begin, on_data, on_end};

static void start(struct multipart *multipart)
{
    buf_clear(&heard);
    expected = 'b';
    assert_int_equal(multipart_init(multipart, STR(TYPE), &calls, &heard), ERR_OK);
}

/* Feeds a copy of exactly these bytes, so that the sanitizer sees a look past them. */
static enum err feed(struct multipart *multipart, struct str bytes)
{
    char *copy = malloc(bytes.len + !bytes.len);
    memcpy(copy, bytes.ptr, bytes.len);
    enum err err = multipart_feed(multipart, (struct str){copy, bytes.len});
    free(copy);
    return err;
}

static enum err parse(struct str body)
{
    struct multipart multipart;
    start(&multipart);
    enum err err = feed(&multipart, body);
    return err ? err : multipart_end(&multipart);
}

static enum err parse_in_two(struct str body, size_t at)
{
    struct multipart multipart;
    start(&multipart);
    enum err err = feed(&multipart, (struct str){body.ptr, at});
    if (!err)
        err = feed(&multipart, (struct str){body.ptr + at, body.len - at});
    return err ? err : multipart_end(&multipart);
}

static enum err parse_in_bytes(struct str body)
{
    struct multipart multipart;
    enum err err = ERR_OK;
    start(&multipart);
    for (size_t i = 0; !err && i < body.len; i++)
        err = feed(&multipart, (struct str){body.ptr + i, 1});
    return err ? err : multipart_end(&multipart);
}

static const struct {
    struct str body, heard;
} good[] = {
    {BYTES("--xyz\r\n" HEAD("a") "hello\r\n--xyz--"), BYTES("{a|-|-}hello.")},
    {BYTES("--xyz\r\n" HEAD("a") "hello\r\n--xyz--\r\n"), BYTES("{a|-|-}hello.")},
    {BYTES("--xyz\r\n" HEAD("") "\r\n--xyz--"), BYTES("{|-|-}.")},
    {BYTES("--xyz \t\r\n" FILE_HEAD "\x89PNG\r\n\x1a\n\0\xff\r\n--xyz\t\r\n" HEAD("b") "2\r\n--xyz--  \r\n \n"),
     BYTES("{avatar|a b.png|image/png}\x89PNG\r\n\x1a\n\0\xff.{b|-|-}2.")},
    /* what looks like a delimiter and is none */
    {BYTES("--xyz\r\n" HEAD("a") "\r\r\r\n\r\n-\r\n--\r\n--xy\r\n--xzy\r\r\n-xyz--xyz\n--xyz\r\n--xyz--"),
     BYTES("{a|-|-}\r\r\r\n\r\n-\r\n--\r\n--xy\r\n--xzy\r\r\n-xyz--xyz\n--xyz.")},
    {BYTES("--xyz\r\n" HEAD("a") "\r\r\n--xyz--"), BYTES("{a|-|-}\r.")},
    {BYTES("--xyz\r\n" HEAD("a") "\r\n\r\n--xyz--"), BYTES("{a|-|-}\r\n.")},
    /* a multipart within is data */
    {BYTES("--xyz\r\nContent-Type: multipart/mixed; boundary=in\r\n" HEAD("a") "--in\r\n" HEAD(
         "deep") "x\r\n--in--\r\n--xyz--"),
     BYTES("{a|-|multipart/mixed; boundary=in}--in\r\n" HEAD("deep") "x\r\n--in--.")},
    /* headers */
    {BYTES("--xyz\r\ncontent-DISPOSITION:form-data;name=a ; filename=b.txt ;x=\"y;z\";\r\nX-Any:\r\n"
           "Content-Transfer-Encoding: Binary\r\nCONTENT-type:\t text/plain; charset=x "
           "\t\r\n\r\n1\r\n--xyz--"),
     BYTES("{a|b.txt|text/plain; charset=x}1.")},
    {BYTES("--xyz\r\nContent-Disposition: form-data; filename*=UTF-8''%2e; name=\"a\\\"b\\c\";"
           " filename=\"C:\\dir\\茶.png\"\r\n\r\n1\r\n--xyz--"),
     BYTES("{a\"b\\c|C:\\dir\\茶.png|-}1.")},
    {BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\"; filename=\"\"\r\n\r\n1\r\n--xyz--"),
     BYTES("{a||-}1.")},
    /* before the first delimiter, and after the last */
    {BYTES("\r\n--xyz\r\n" HEAD("a") "1\r\n--xyz--\r\n"), BYTES("{a|-|-}1.")},
    {BYTES("This is a message in several parts.\r\n--xy\r\n\0\xff--xyz\r\r\n--xyz\r\n" HEAD(
         "a") "1\r\n--xyz--\0 and more\r\n--xyz\r\n"),
     BYTES("{a|-|-}1.")},
    {BYTES("\r\n\r\n\n--xyz\r\n--xyz\r\n" HEAD("a") "1\r\n--xyz--epilogue"), BYTES("{a|-|-}1.")},
    {BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyz--\r\n--xyz\r\n" HEAD("b") "2\r\n--xyz--"), BYTES("{a|-|-}1.")},
};

enum { GOOD = sizeof good / sizeof good[0] };

static void parts_are_the_same_however_the_bytes_are_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        assert_int_equal(parse(good[i].body), ERR_OK);
        assert_str(buf_str(&heard), good[i].heard);
        assert_int_equal(expected, 'b');
        assert_int_equal(parse_in_bytes(good[i].body), ERR_OK);
        assert_str(buf_str(&heard), good[i].heard);
        for (size_t at = 0; at <= good[i].body.len; at++) {
            assert_int_equal(parse_in_two(good[i].body, at), ERR_OK);
            assert_str(buf_str(&heard), good[i].heard);
        }
    }
}

static void what_was_cut_short_is_never_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++)
        for (size_t len = 0; len < good[i].body.len; len++) {
            struct str part = {good[i].body.ptr, len};
            bool ended = memmem(part.ptr, len, "\r\n--xyz--", 9);
            assert_int_equal(parse(part), ended ? ERR_OK : ERR_INVALID);
        }
}

static void what_breaks_the_format_is_refused(void **state)
{
    (void)state;
    static const struct str bad[] = {
        BYTES(""),
        BYTES("hello"),
        BYTES("--"),
        BYTES("--xyz"),
        BYTES("--xyz--"), /* no part */
        BYTES("--xyz--\r\n"),
        BYTES("\r\n--xyz--\r\n"),
        BYTES("x--xyz\r\n" HEAD("a") "1\r\n--xyz--"), /* not at the beginning of a line */
        BYTES("\n--xyz\r\n" HEAD("a") "1\n--xyz--"),
        BYTES("--abc\r\n" HEAD("a") "1\r\n--abc--"), /* another boundary */
        BYTES("--xyzz\r\n" HEAD("a") "1\r\n--xyzz--"),
        BYTES("--XYZ\r\n" HEAD("a") "1\r\n--XYZ--"),
        BYTES("--xyz\n" HEAD("a") "1\r\n--xyz--"),
        BYTES("--xyz\r" HEAD("a") "1\r\n--xyz--"),
        BYTES("--xyz\r\n" HEAD("a") "1\n--xyz--"), /* a LF alone begins no delimiter */
        BYTES("--xyz\r\n" HEAD("a") "1--xyz--"),
        BYTES("--xyz\r\n" HEAD("a") "--xyz--"),
        BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyz"),
        BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyz-"),
        BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyz-x"),
        BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyz --"),
        BYTES("--xyz\r\n" HEAD("a") "1\r\n--xyzw\r\n--xyz--"), /* begins like it and goes on */
        /* header blocks */
        BYTES("--xyz\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Type: text/plain\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; filename=a\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=a; filename=b; "
              "filename=c\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\\\"\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\"b\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data name=a\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=a\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--xyz--"), /* folded */
        BYTES("--xyz\r\nContent-Transfer-Encoding: base64\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Transfer-Encoding: quoted-printable\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nno colon\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\n: empty\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nName : blank\r\n" HEAD("b") "1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\x1b\"\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\nb\"\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\rb\"\r\n\r\n1\r\n--xyz--"),
        BYTES("--xyz\r\nContent-Disposition: form-data; name=\"a\"\n\n1\r\n--xyz--"),
        BYTES("--xyz\r\n--xyz--"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (!parse(bad[i]))
            print_error("taken: %.*s\n", (int)bad[i].len, bad[i].ptr);
        assert_int_equal(parse(bad[i]), ERR_INVALID);
        assert_int_equal(parse_in_bytes(bad[i]), ERR_INVALID);
        for (size_t at = 0; at <= bad[i].len; at++)
            assert_int_equal(parse_in_two(bad[i], at), ERR_INVALID);
    }
}

static void a_header_block_and_the_parts_are_bounded(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 16);
    for (size_t extra = 0; extra < 2; extra++) {
        buf_clear(&body);
        buf_add_text(&body, "--xyz\r\nX: ");
        size_t fixed = strlen("X: \r\n") + strlen(HEAD("a"));
        for (size_t i = fixed; i < MULTIPART_HEADER_MAX + extra; i++)
            buf_add_char(&body, 'x');
        buf_add_text(&body, "\r\n" HEAD("a") "1\r\n--xyz--");
        assert_int_equal(parse(buf_str(&body)), extra ? ERR_TOO_BIG : ERR_OK);
        assert_int_equal(parse_in_bytes(buf_str(&body)), extra ? ERR_TOO_BIG : ERR_OK);
    }
    for (unsigned count = MULTIPART_PARTS_MAX; count <= MULTIPART_PARTS_MAX + 1; count++) {
        buf_clear(&body);
        for (unsigned i = 0; i < count; i++)
            buf_add_text(&body, "--xyz\r\n" HEAD("a") "1\r\n");
        buf_add_text(&body, "--xyz--");
        assert_int_equal(parse(buf_str(&body)), count > MULTIPART_PARTS_MAX ? ERR_TOO_BIG : ERR_OK);
    }
    buf_fini(&body);
}

static void an_error_stays(void **state)
{
    (void)state;
    struct multipart multipart;
    start(&multipart);
    assert_int_equal(feed(&multipart, STR("--xyz-x")), ERR_INVALID);
    assert_int_equal(feed(&multipart, good[0].body), ERR_INVALID);
    assert_int_equal(multipart_end(&multipart), ERR_INVALID);
    assert_int_equal(heard.len, 0);
}

static void what_a_call_returns_ends_it(void **state)
{
    (void)state;
    answer = ERR_DENIED;
    assert_int_equal(parse(good[0].body), ERR_DENIED);
    assert_bytes(buf_str(&heard), "{a|-|-}");
    answer = ERR_OK;
    struct multipart multipart;
    start(&multipart);
    assert_int_equal(feed(&multipart, STR("--xyz\r\n" HEAD("a") "1\r\n--xy")), ERR_OK);
    assert_bytes(buf_str(&heard), "{a|-|-}1"); /* and no more is known yet */
    answer = ERR_BUSY;
    assert_int_equal(feed(&multipart, STR("w")), ERR_BUSY);
    assert_bytes(buf_str(&heard), "{a|-|-}1\r\n--xy");
    answer = ERR_OK;
    assert_int_equal(feed(&multipart, STR("\r\n--xyz--")), ERR_BUSY);
}

static void only_form_data_with_one_boundary_is_taken(void **state)
{
    (void)state;
    struct multipart multipart;
    char *longest = repeat("b", MULTIPART_BOUNDARY_MAX), text[400];
    static const char *const fine[] = {
        "multipart/form-data; boundary=xyz",
        "Multipart/Form-Data;BOUNDARY=\"xyz\"",
        "multipart/form-data; charset=utf-8; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
        "multipart/form-data; boundary=\"a b'()+_,-./:=?\"; x=y;",
        "multipart/form-data; boundary=WABoundary+1234=5",
        "multipart/form-data;boundary=*****",                /* Android, as half of all answers have it */
        "multipart/form-data; boundary====1650000000000===", /* Java */
        "multipart/form-data; boundary=\"\\\"{a};[b]@<c>\"",
        "multipart/form-data; boundary=--{1-2}|~^%$#!&",
        "multipart/form-data; boundary=茶",
        "multipart/form-data, boundary=a,b",
        "multipart/form-data; boundary=alamofire.boundary.4f5c9a4e7d1b2c3a",
        "multipart/form-data; boundary=\"0W7yyxJkLmWqJ3KnRHdTdYGtkTb4FZ8VbCnRkk2M\"", /* Unity */
    };
    static const char *const bad[] = {
        "",
        "text/plain; boundary=xyz",
        "multipart/mixed; boundary=xyz",
        "multipart/form-data",
        "multipart/form-data;",
        "multipart/form-data; boundary",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=a",
        "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=a\r\nX: y",
        "multipart/form-data; boundary=\"a\rb\"",
        "multipart/form-data; boundary=\"a\x1f\"",
        "multipart/form-data; boundary=\x7f",
        "multipart/form-data boundary=xyz",
        "multipart/form-data,; boundary=xyz",
        "multipart/form-data, charset=x, boundary=xyz",
        "multipart/form-datax; boundary=xyz",
        "form-data; boundary=xyz",
    };
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_int_equal(multipart_init(&multipart, str_of(fine[i]), &calls, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(multipart_init(&multipart, str_of(bad[i]), &calls, NULL), ERR_INVALID);
    assert_int_equal(multipart_init(&multipart, BYTES("multipart/form-data; boundary=a\0b"), &calls, NULL),
                     ERR_INVALID);
    snprintf(text, sizeof text, "multipart/form-data; boundary=%s", longest);
    assert_int_equal(multipart_init(&multipart, str_of(text), &calls, NULL), ERR_OK);
    snprintf(text, sizeof text, "multipart/form-data; boundary=%sb", longest);
    assert_int_equal(multipart_init(&multipart, str_of(text), &calls, NULL), ERR_INVALID);
    free(longest);
    char *huge = repeat(" ", 100000);
    assert_int_equal(multipart_init(&multipart, str_of(huge), &calls, NULL), ERR_INVALID);
    free(huge);
}

/* ---- volume ---- */

struct sink {
    const char *want;
    size_t at;
};

static enum err sink_begin(void *arg, const struct multipart_part *part)
{
    (void)arg;
    (void)part;
    return ERR_OK;
}

static enum err sink_data(void *arg, struct str bytes)
{
    struct sink *sink = arg;
    if (memcmp(sink->want + sink->at, bytes.ptr, bytes.len) != 0)
        return ERR_INTERNAL;
    sink->at += bytes.len;
    return ERR_OK;
}

static enum err sink_end(void *arg)
{
    (void)arg;
    return ERR_OK;
}

/* Random bytes, and every few hundred of them a piece of the delimiter. */
static void twenty_megabytes_of_near_delimiters_come_through(void **state)
{
    (void)state;
    enum { SIZE = 20 << 20 };
    static const char near[] = "\r\n--xyz";
    static const struct multipart_calls sink_calls = {sink_begin, sink_data, sink_end};
    char *data = malloc(SIZE);
    assert_non_null(data);
    uint32_t random = 12345;
    for (size_t i = 0; i < SIZE;) {
        random = random * 1664525 + 1013904223;
        size_t piece = (random >> 8) % (sizeof near - 1); /* never the whole */
        for (size_t k = 0; k < piece && i < SIZE; k++)
            data[i++] = near[k];
        for (size_t k = (random >> 16) % 400; k && i < SIZE; k--) {
            random = random * 1664525 + 1013904223;
            data[i] = (char)(random >> 24);
            if (data[i] == 'z') /* which could complete it */
                data[i] = 'y';
            i++;
        }
    }
    data[SIZE - 1] = '\r';
    struct sink sink = {data, 0};
    struct multipart multipart;
    assert_int_equal(multipart_init(&multipart, STR(TYPE), &sink_calls, &sink), ERR_OK);
    assert_int_equal(multipart_feed(&multipart, STR("--xyz\r\n" HEAD("a"))), ERR_OK);
    for (size_t at = 0; at < SIZE;) {
        random = random * 1664525 + 1013904223;
        size_t len = (random >> 8) % 5000;
        if (len > SIZE - at)
            len = SIZE - at;
        assert_int_equal(multipart_feed(&multipart, (struct str){data + at, len}), ERR_OK);
        at += len;
    }
    assert_int_equal(multipart_feed(&multipart, STR("\r\n--xyz--")), ERR_OK);
    assert_int_equal(multipart_end(&multipart), ERR_OK);
    assert_int_equal(sink.at, SIZE);
    free(data);
}

static int reset(void **state)
{
    (void)state;
    buf_fini(&heard);
    buf_init(&heard, 1 << 16);
    answer = ERR_OK;
    return 0;
}

static int end(void **state)
{
    (void)state;
    buf_fini(&heard);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(parts_are_the_same_however_the_bytes_are_cut, reset),
        cmocka_unit_test_setup(what_was_cut_short_is_never_whole, reset),
        cmocka_unit_test_setup(what_breaks_the_format_is_refused, reset),
        cmocka_unit_test_setup(a_header_block_and_the_parts_are_bounded, reset),
        cmocka_unit_test_setup(an_error_stays, reset),
        cmocka_unit_test_setup(what_a_call_returns_ends_it, reset),
        cmocka_unit_test_setup(only_form_data_with_one_boundary_is_taken, reset),
        cmocka_unit_test_setup(twenty_megabytes_of_near_delimiters_come_through, reset),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
