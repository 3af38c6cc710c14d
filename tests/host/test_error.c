/* sources: mm/error.c */
/* Each error has a name and a sentence of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mm/error.h"

static void names(void **state)
{
    (void)state;
    assert_string_equal(mm_error_name(MM_OK), "MM_OK");
    assert_string_equal(mm_error_name(MM_NOT_MAPPED), "MM_NOT_MAPPED");
    assert_string_equal(mm_error_name((enum mm_error)999), "MM_UNKNOWN");
    assert_string_equal(mm_error_text((enum mm_error)-1),
                        "not an error of mm/");
}

static void all_differ(void **state)
{
    (void)state;
#define ONE(name, sentence) +1
    const int count = 0 MM_ERRORS(ONE);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < i; j++) {
            const char *a = mm_error_text((enum mm_error)i);
            assert_string_not_equal(a, mm_error_text((enum mm_error)j));
            assert_true(strlen(a) > 4);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(all_differ),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
