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
    options_init("", false);
    return 0;
}

static void nothing(void **state)
{
    (void)state;
    options_init("", false);
    options_init("   ", false);
    assert_null(option("selftest"));
    assert_int_equal(warnings, 0);
}

static void words_and_values(void **state)
{
    (void)state;
    options_init("  selftest   heap=bump  loglevel= ", false);
    assert_string_equal(option("selftest"), "");
    assert_string_equal(option("heap"), "bump");
    assert_string_equal(option("loglevel"), "");
    assert_null(option("fault"));
    assert_int_equal(warnings, 0);
}

static void the_last_one_counts(void **state)
{
    (void)state;
    options_init("heap=bump heap=list heap=a=b", false);
    assert_string_equal(option("heap"), "a=b");
}

static void unknown_words(void **state)
{
    (void)state;
    options_init("heaps=1 hea=2 =3 heap=list", false);
    assert_string_equal(option("heap"), "list");
    assert_string_equal(first_warning, "unknown option 'heaps=1' is ignored");
    assert_in_range(warnings, 3 + 3, 3 + 20); /* the known ones once */

    char line[4097];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    fresh(NULL);
    options_init(line, false);
    assert_int_equal(strlen(first_warning), strlen("unknown option '") + 40 +
                                                strlen("'... is ignored"));
}

static void values_too_long(void **state)
{
    (void)state;
    char line[200] = "heap=";
    memset(line + 5, 'y', OPTION_VALUE_MAX - 1);
    options_init(line, false);
    assert_int_equal(strlen(option("heap")), OPTION_VALUE_MAX - 1);
    assert_int_equal(warnings, 0);

    fresh(NULL);
    line[5 + OPTION_VALUE_MAX - 1] = 'y';
    options_init(line, false);
    assert_null(option("heap"));
    assert_int_equal(warnings, 1);
}

static void tabs_separate(void **state)
{
    (void)state;
    options_init("\theap=bump\t\tcpus=2 \t selftest\n", false);
    assert_string_equal(option("heap"), "bump");
    assert_string_equal(option("cpus"), "2");
    assert_string_equal(option("selftest"), "");
    assert_int_equal(warnings, 0);
}

/* As GRUB passes them on, and as QEMU does what was typed. */
static void quotes(void **state)
{
    static const struct {
        const char *line, *value;
    } rows[] = {
        {"\"fault=a b\"", "a b"},
        {"fault=\"a b\"", "a b"},
        {"'fault=a b' cpus=1", "a b"},
        {"fault=a\\\"b", "a\"b"},
        {"fault=it\\'s", "it's"},
        {"fault=a\\\\b", "a\\b"},
        {"\"fault=a\\\"b c\\\\\"", "a\"b c\\"},
        {"fault=\"\"", ""},
        {"\"\" fault=x", "x"},
        {"fault=\"a'b\"", "a'b"},
        {"fault=a\\ b", "a b"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        options_init(rows[i].line, false);
        assert_non_null(option("fault"));
        assert_string_equal(option("fault"), rows[i].value);
        assert_int_equal(warnings, 0);
    }
    options_init("heap=bump \"fault=x cpus=2", false);
    assert_string_equal(option("heap"), "bump");
    assert_null(option("fault"));
    assert_null(option("cpus"));
    assert_string_equal(first_warning, "the word 'fault=x cpus=2' has a quote "
                                       "without an end: it is ignored");
}

/* A word that was cut could mean anything. */
static void a_word_that_is_cut(void **state)
{
    (void)state;
    options_init("heap=bump cpus=1", true);
    assert_string_equal(option("heap"), "bump");
    assert_null(option("cpus"));
    assert_int_equal(warnings, 1);
    assert_string_equal(first_warning, "the command line was cut in the word "
                                       "'cpus=1': the word is ignored");
    fresh(NULL);
    options_init("cpus=1 ", true); /* cut behind it */
    assert_string_equal(option("cpus"), "1");
    assert_int_equal(warnings, 0);
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
        cmocka_unit_test_setup(tabs_separate, fresh),
        cmocka_unit_test_setup(quotes, fresh),
        cmocka_unit_test_setup(a_word_that_is_cut, fresh),
        cmocka_unit_test_setup(a_name_that_is_none_is_a_bug, fresh),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
