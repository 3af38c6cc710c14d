/* sources: kernel/options.c */
/* The kernel command line. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "kernel/console/console.h"
#include "kernel/console/log.h"
#include "kernel/options.h"

/* What options.c stands on in the kernel. */
static unsigned warnings;
static char first_warning[256];

void log_line(enum log_level level, const char *room, const char *format, ...)
{
    (void)room;
    assert_int_equal(level, LOG_WARNING);
    va_list arguments;
    va_start(arguments, format);
    if (warnings++ == 0)
        vsnprintf(first_warning, sizeof(first_warning), format, arguments);
    va_end(arguments);
}

static int fresh(void **state)
{
    (void)state;
    warnings = 0;
    first_warning[0] = '\0';
    options_init("");
    return 0;
}

static void nothing(void **state)
{
    (void)state;
    options_init("");
    options_init("   ");
    assert_null(option("selftest"));
    assert_int_equal(warnings, 0);
}

static void words_and_values(void **state)
{
    (void)state;
    options_init("  selftest   heap=bump  loglevel= ");
    assert_string_equal(option("selftest"), "");
    assert_string_equal(option("heap"), "bump");
    assert_string_equal(option("loglevel"), "");
    assert_null(option("fault"));
    assert_int_equal(warnings, 0);
}

static void the_last_one_counts(void **state)
{
    (void)state;
    options_init("heap=bump heap=list heap=a=b");
    assert_string_equal(option("heap"), "a=b");
}

static void unknown_words(void **state)
{
    (void)state;
    options_init("heaps=1 hea=2 =3 heap=list");
    assert_string_equal(option("heap"), "list");
    assert_string_equal(first_warning, "unknown option 'heaps=1' is ignored");
    assert_in_range(warnings, 3 + 3, 3 + 20); /* the known ones once */

    char line[4097];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    fresh(NULL);
    options_init(line);
    assert_int_equal(strlen(first_warning), strlen("unknown option '") + 40 +
                                                strlen("'... is ignored"));
}

static void values_too_long(void **state)
{
    (void)state;
    char line[200] = "heap=";
    memset(line + 5, 'y', OPTION_VALUE_MAX - 1);
    options_init(line);
    assert_int_equal(strlen(option("heap")), OPTION_VALUE_MAX - 1);
    assert_int_equal(warnings, 0);

    fresh(NULL);
    line[5 + OPTION_VALUE_MAX - 1] = 'y';
    options_init(line);
    assert_null(option("heap"));
    assert_int_equal(warnings, 1);
}

static void a_name_that_is_none_is_a_bug(void **state)
{
    (void)state;
    expect_assert_failure(option("nonsense"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing, fresh),
        cmocka_unit_test_setup(words_and_values, fresh),
        cmocka_unit_test_setup(the_last_one_counts, fresh),
        cmocka_unit_test_setup(unknown_words, fresh),
        cmocka_unit_test_setup(values_too_long, fresh),
        cmocka_unit_test_setup(a_name_that_is_none_is_a_bug, fresh),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
