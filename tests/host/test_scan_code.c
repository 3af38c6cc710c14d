/* Bytes of a keyboard to characters. */
/* sources: drivers/scan_code.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "drivers/scan_code.h"

static struct scan_code_state keys;

static int begin(void **state)
{
    (void)state;
    memset(&keys, 0, sizeof keys);
    return 0;
}

/* Sends the bytes and expects these characters of them, and no others. */
static void expect(const char *characters, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int c = scan_code_decode(&keys, (uint8_t)bytes[i]);
        if (c >= 0)
            assert_int_equal(c, *characters++);
    }
    assert_int_equal(*characters, '\0');
}

#define EXPECT_KEYS(characters, bytes)                                         \
    expect(characters, bytes, sizeof(bytes) - 1)

static void letters_and_digits(void **state)
{
    (void)state;
    EXPECT_KEYS("1", "\x02\x82");
    EXPECT_KEYS("mem\n", "\x32\xb2\x12\x92\x32\xb2\x1c\x9c");
    EXPECT_KEYS("qap/", "\x10\x90\x1e\x9e\x19\x99\x35\xb5");
    EXPECT_KEYS("aaa", "\x1e\x1e\x1e\x9e"); /* held down */
    EXPECT_KEYS("x\b \t", "\x2d\xad\x0e\x8e\x39\xb9\x0f\x8f");
}

/* Every visible character is on a key, plain or shifted. */
static void all_of_ascii(void **state)
{
    bool seen[128] = {false};

    (void)state;
    for (unsigned shift = 0; shift < 2; shift++) {
        keys.left_shift = shift;
        for (unsigned code = 1; code < 0x40; code++) {
            if (code == 0x1d || code == 0x2a || code == 0x36 || code == 0x3a)
                continue;
            int c = scan_code_decode(&keys, (uint8_t)code);
            if (c > ' ' && c != '*')
                assert_false(seen[c]); /* on one key only, but the keypad's */
            if (c >= 0)
                seen[c] = true;
        }
    }
    for (unsigned c = ' '; c <= '~'; c++)
        if (!seen[c])
            fail_msg("no key gives '%c'", c);
}

static void shift(void **state)
{
    (void)state;
    EXPECT_KEYS("aA!a", "\x1e\x9e\x2a\x1e\x9e\x02\x82\xaa\x1e\x9e");
    EXPECT_KEYS("?/", "\x36\x35\xb5\xb6\x35\xb5");
    /* both: one that comes up does not end it */
    EXPECT_KEYS("AAa", "\x2a\x36\x1e\x9e\xaa\x1e\x9e\xb6\x1e\x9e");
}

static void caps_lock(void **state)
{
    (void)state;
    EXPECT_KEYS("A1a", "\x3a\xba\x1e\x9e\x02\x82\x2a\x1e\x9e\xaa");
    EXPECT_KEYS("!", "\x2a\x02\x82\xaa");
    EXPECT_KEYS("a", "\x3a\xba\x1e\x9e");
}

static void control(void **state)
{
    (void)state;
    EXPECT_KEYS("\x15", "\x1d\x16\x96\x9d");         /* control-U */
    EXPECT_KEYS("\x01", "\xe0\x1d\x1e\x9e\xe0\x9d"); /* the right one */
    EXPECT_KEYS("\x1a", "\x1d\x2a\x2c\xac\xaa\x9d"); /* with shift */
    EXPECT_KEYS("", "\x1d\x02\x82\x9d");
    EXPECT_KEYS("a", "\x1e\x9e");
}

static void keys_without_a_character(void **state)
{
    (void)state;
    EXPECT_KEYS("", "\xe0\x48\xe0\xc8\xe0\x4b\xe0\xcb"); /* arrows */
    EXPECT_KEYS("", "\x3b\xbb\x58\xd8\x38\xb8\xe0\x38\xe0\xb8\x01\x81");
    EXPECT_KEYS("a", "\xe1\x1d\x45\xe1\x9d\xc5\x1e\x9e"); /* Pause */
    EXPECT_KEYS("a", "\xe0\xe1\x1d\x45\xe1\x9d\xc5\x1e\x9e");
    EXPECT_KEYS("a", "\xe0\x2a\xe0\x48\xe0\xc8\xe0\xaa\x1e"); /* no shift */
    EXPECT_KEYS("a", "\x2a\xe0\x37\xe0\xb7\xaa\x1e");
}

static void keypad(void **state)
{
    (void)state;
    EXPECT_KEYS("7890", "\x47\xc7\x48\xc8\x49\xc9\x52\xd2");
    EXPECT_KEYS("+-*/.\n", "\x4e\x4a\x37\xe0\x35\xe0\xb5\x53\xe0\x1c\xe0\x9c");
    EXPECT_KEYS("/", "\x2a\xe0\x35\xe0\xb5\xaa");
}

/* Any two bytes leave it able to read the next key, and none reads outside. */
static void garbage(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++) {
            begin(NULL);
            assert_in_range(scan_code_decode(&keys, (uint8_t)a) + 1, 0, 127);
            assert_in_range(scan_code_decode(&keys, (uint8_t)b) + 1, 0, 127);
            for (unsigned i = 0; i < 6; i++)
                scan_code_decode(&keys, 0x9e);
            bool control = keys.left_control || keys.right_control;
            int c = scan_code_decode(&keys, 0x1e);
            assert_int_equal(control ? c + 'a' - 1 : c | 0x20, 'a');
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(letters_and_digits, begin),
        cmocka_unit_test_setup(all_of_ascii, begin),
        cmocka_unit_test_setup(shift, begin),
        cmocka_unit_test_setup(caps_lock, begin),
        cmocka_unit_test_setup(control, begin),
        cmocka_unit_test_setup(keys_without_a_character, begin),
        cmocka_unit_test_setup(keypad, begin),
        cmocka_unit_test_setup(garbage, begin),
    };
    return cmocka_run_group_tests_name("scan_code", tests, NULL, NULL);
}
