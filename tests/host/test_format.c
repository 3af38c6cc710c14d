/* sources: lib/format.c */
/* lib/format.c against the C library's own printf. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/format.h"

#define SAME(...)                                                              \
    do {                                                                       \
        char ours[256], theirs[256];                                           \
        size_t length = format_string(ours, sizeof(ours), __VA_ARGS__);        \
        int expected = snprintf(theirs, sizeof(theirs), __VA_ARGS__);          \
        assert_string_equal(ours, theirs);                                     \
        assert_int_equal(length, expected);                                    \
    } while (0)

static void numbers(void **state)
{
    (void)state;
    const long values[] = {0, 1, -1, 9, 10, 255, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        int v = (int)values[i];
        SAME("%d|%i|%u|%x|%X", v, v, (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%8d|%-8d|%08d|%3d", v, v, v, v);
        SAME("%8x|%-8x|%08x", (unsigned)v, (unsigned)v, (unsigned)v);
        SAME("%*d|%-*d", 12, v, 12, v);
        SAME("%*d", -12, v);
        SAME("%hhd|%hhu|%hd|%hu", (signed char)v, (unsigned char)v, (short)v,
             (unsigned short)v);
    }
    SAME("%ld %ld %lu", LONG_MIN, LONG_MAX, ULONG_MAX);
    SAME("%lld %llu", LLONG_MIN, ULLONG_MAX);
    SAME("%zu %zx %jd %td", SIZE_MAX, SIZE_MAX, INTMAX_MIN, PTRDIFF_MIN);
    SAME("%016lx", 0x123456789abcdefUL);
}

static void texts(void **state)
{
    (void)state;
    SAME("plain");
    SAME("%s|%10s|%-10s|%.2s|%10.2s|%.*s", "abc", "abc", "abc", "abc", "abc",
         1, "abc");
    SAME("%c|%5c|%-5c|%%", 'x', 'y', 'z');
    SAME("%.0s|%.s", "abc", "abc");
    SAME("%p", (void *)0x1234);
    char four[4] = {'a', 'b', 'c', 'd'}; /* no 0: the precision bounds it */
    SAME("%.4s", four);
}

static void a_missing_string(void **state)
{
    (void)state;
    char text[32];
    /* through a volatile, or the compiler refuses the mistake */
    const char *volatile none = NULL;
    format_string(text, sizeof(text), "<%s>", none);
    assert_string_equal(text, "<(null)>");
}

static size_t unchecked(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    size_t length = format_string_v(buffer, size, format, arguments);
#pragma GCC diagnostic pop
    va_end(arguments);
    return length;
}

static void unknown_conversions_are_shown(void **state)
{
    (void)state;
    char text[32];
    unchecked(text, sizeof(text), "<%q %d>", 5);
    assert_string_equal(text, "<%q 5>");
    unchecked(text, sizeof(text), "100%");
    assert_string_equal(text, "100%");
    unchecked(text, sizeof(text), "%-5");
    assert_string_equal(text, "%-5");
}

static void short_buffers(void **state)
{
    (void)state;
    for (size_t size = 0; size < 12; size++) {
        char ours[12], theirs[12];
        memset(ours, '#', sizeof(ours));
        memset(theirs, '#', sizeof(theirs));
        size_t length = format_string(ours, size, "%s%d", "abcde", 123);
        snprintf(theirs, size, "%s%d", "abcde", 123);
        assert_int_equal(length, 8);
        assert_memory_equal(ours, theirs, sizeof(ours));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(texts),
        cmocka_unit_test(a_missing_string),
        cmocka_unit_test(unknown_conversions_are_shown),
        cmocka_unit_test(short_buffers),
    };
    return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
