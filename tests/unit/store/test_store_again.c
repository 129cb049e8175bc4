/* What may be tried again, and what is said in the end: "not done" only of what no attempt can have done. */
#include "tests/unit/check.h"

#include "common/store/store_sql.h"

enum { SEQUENCE = 16 };

/* Each attempt ends as the sequence says; *attempts: how many there were. */
static enum err work(const enum err *ends, int *attempts)
{
    struct store_tries tries = {0};
    enum err err;
    *attempts = 0;
    do
        err = ends[(*attempts)++];
    while (store_again(&tries, &err));
    return err;
}

static void every_end_says_what_is_so(void **state)
{
    (void)state;
    static const struct {
        enum err ends[SEQUENCE];
        int attempts;
        enum err told;
    } rows[] = {
        {{ERR_OK}, 1, ERR_OK},
        {{ERR_DOWN}, 1, ERR_DOWN},
        {{ERR_INTERNAL}, 1, ERR_INTERNAL},
        {{ERR_DUPLICATE}, 1, ERR_DUPLICATE},
        {{ERR_RETRY, ERR_RETRY, ERR_OK}, 3, ERR_OK},
        {{ERR_RETRY, ERR_DOWN}, 2, ERR_DOWN},
        {{ERR_UNKNOWN, ERR_OK}, 2, ERR_OK},
        {{ERR_UNKNOWN, ERR_DOWN}, 2, ERR_UNKNOWN},
        {{ERR_UNKNOWN, ERR_RETRY, ERR_DOWN}, 3, ERR_UNKNOWN},
        {{ERR_UNKNOWN, ERR_RETRY, ERR_OK}, 3, ERR_OK},
        {{ERR_UNKNOWN, ERR_INTERNAL}, 2, ERR_UNKNOWN},
        {{ERR_UNKNOWN, ERR_BUSY}, 2, ERR_UNKNOWN},
        {{ERR_UNKNOWN, ERR_DUPLICATE}, 2, ERR_DUPLICATE}, /* something else stands there, so none of them does */
        {{ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY}, 8, ERR_RETRY},
        {{ERR_UNKNOWN, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY, ERR_RETRY}, 8, ERR_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int attempts;
        assert_int_equal(work(rows[i].ends, &attempts), rows[i].told);
        assert_int_equal(attempts, rows[i].attempts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_end_says_what_is_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
