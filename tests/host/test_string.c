/* sources: */
/* lib/string.c under other names, against the C library's functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t most);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t most);
char *strchr(const char *s, int c);
#include "lib/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr

#define SIZE 64

/* Past all sizes that something else is done for. */
#define LONG 1200

static void fill_long(unsigned char *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
}

static void fill(unsigned char *bytes)
{
    fill_long(bytes, SIZE);
}

/* Every pair of places in a small buffer, overlapping both ways. */
static void moving(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 16; from++)
        for (unsigned to = 0; to < 16; to++)
            for (unsigned count = 0; count <= 40; count += 5) {
                unsigned char ours[SIZE], theirs[SIZE];
                fill(ours);
                fill(theirs);
                void *end = our_memmove(ours + to, ours + from, count);
                memmove(theirs + to, theirs + from, count);
                assert_ptr_equal(end, ours + to);
                assert_memory_equal(ours, theirs, SIZE);
            }
}

static void copying_and_filling(void **state)
{
    (void)state;
    for (unsigned count = 0; count <= 40; count++) {
        unsigned char ours[SIZE], theirs[SIZE], source[SIZE];
        fill(source);
        memset(ours, 0, SIZE);
        memset(theirs, 0, SIZE);
        assert_ptr_equal(our_memcpy(ours + 3, source, count), ours + 3);
        memcpy(theirs + 3, source, count);
        assert_memory_equal(ours, theirs, SIZE);
        assert_ptr_equal(our_memset(ours + 5, 0x1fe, count), ours + 5);
        memset(theirs + 5, 0xfe, count);
        assert_memory_equal(ours, theirs, SIZE);
    }
}

/* Every length, and close overlaps of each. */
static void long_ones(void **state)
{
    static unsigned char ours[LONG + 64], theirs[LONG + 64], source[LONG + 64];
    (void)state;
    fill_long(source, sizeof(source));
    for (unsigned count = 0; count <= LONG; count++) {
        memset(ours, 0x55, sizeof(ours));
        memset(theirs, 0x55, sizeof(theirs));
        assert_ptr_equal(our_memcpy(ours + 3, source + 1, count), ours + 3);
        memcpy(theirs + 3, source + 1, count);
        assert_memory_equal(ours, theirs, sizeof(ours));
        assert_ptr_equal(our_memset(ours + 5, 0x1fe, count), ours + 5);
        memset(theirs + 5, 0xfe, count);
        assert_memory_equal(ours, theirs, sizeof(ours));
        for (unsigned apart = 1; apart < 40; apart += 6)
            for (unsigned up = 0; up < 2; up++) {
                memcpy(ours, source, sizeof(ours));
                memcpy(theirs, source, sizeof(theirs));
                our_memmove(ours + up * apart, ours + !up * apart, count);
                memmove(theirs + up * apart, theirs + !up * apart, count);
                assert_memory_equal(ours, theirs, sizeof(ours));
            }
    }
}

/* As a CPU would have it that is quick at copies, at fills, or at both. */
static void tuned(void **state)
{
    for (unsigned i = 1; i < 4; i++) {
        string_tune(i & 1, i & 2);
        moving(state);
        copying_and_filling(state);
        long_ones(state);
    }
    string_tune(false, false);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void comparing(void **state)
{
    (void)state;
    static const char *const words[] = {"",    "a",    "ab",       "abc", "abd",
                                        "b\x7f", "b\x80", "b\xff", "abcdefgh"};
    const unsigned count = sizeof(words) / sizeof(words[0]);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < count; j++) {
            const char *a = words[i], *b = words[j];
            assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
            for (size_t most = 0; most < 6; most++)
                assert_int_equal(sign(our_strncmp(a, b, most)),
                                 sign(strncmp(a, b, most)));
            size_t both = strlen(a) < strlen(b) ? strlen(a) : strlen(b);
            assert_int_equal(sign(our_memcmp(a, b, both)),
                             sign(memcmp(a, b, both)));
        }
}

static void searching(void **state)
{
    (void)state;
    const char *text = "copse";
    assert_int_equal(our_strlen(text), 5);
    assert_int_equal(our_strnlen(text, 3), 3);
    assert_int_equal(our_strnlen(text, 9), 5);
    assert_ptr_equal(our_strchr(text, 'p'), text + 2);
    assert_ptr_equal(our_strchr(text, '\0'), text + 5);
    assert_null(our_strchr(text, 'x'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moving),
        cmocka_unit_test(copying_and_filling),
        cmocka_unit_test(long_ones),
        cmocka_unit_test(tuned),
        cmocka_unit_test(comparing),
        cmocka_unit_test(searching),
    };
    return cmocka_run_group_tests_name("string", tests, NULL, NULL);
}
