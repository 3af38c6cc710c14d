/* sources: drivers/screen.c drivers/font_8x16.c */
/* Text on screens of every kind, in memory that ends where the screen does. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "drivers/font.h"
#include "drivers/screen.h"

static const struct screen_mode rgb32 = {SCREEN_PIXELS, 640 * 4, 640,   480, 32,
                                         {16, 8},       {8, 8},  {0, 8}};
static const struct screen_mode modes[] = {
    {SCREEN_PIXELS, 640 * 4, 640, 480, 32, {16, 8}, {8, 8}, {0, 8}},
    {SCREEN_PIXELS, 1024 * 4 + 64, 1024, 768, 32, {0, 8}, {8, 8}, {16, 8}},
    {SCREEN_PIXELS, 1366 * 3 + 2, 1366, 768, 24, {16, 8}, {8, 8}, {0, 8}},
    {SCREEN_PIXELS, 800 * 2, 800, 600, 16, {11, 5}, {5, 6}, {0, 5}},
    {SCREEN_PIXELS, 800 * 2, 803, 607, 15, {10, 5}, {5, 5}, {0, 5}},
    {SCREEN_PIXELS, 3840 * 4, 3840, 2160, 32, {20, 10}, {10, 10}, {0, 10}},
    {SCREEN_EGA_TEXT, 160, 80, 25, 16, {0, 0}, {0, 0}, {0, 0}},
    /* lines at odd addresses, and no byte after the last */
    {SCREEN_PIXELS, 640 * 4 + 3, 640, 480, 32, {16, 8}, {8, 8}, {0, 8}},
    {SCREEN_PIXELS, 800 * 2 + 1, 800, 608, 16, {11, 5}, {5, 6}, {0, 5}},
};

static uint8_t *memory;
static const struct screen_mode *mode;

static bool start(const struct screen_mode *with)
{
    free(memory);
    mode = with;
    size_t size = (size_t)with->pitch * with->height;
    memory = malloc(size);
    memset(memory, 0x5a, size); /* left over from the firmware */
    return screen_init(with, memory);
}

static uint32_t pixel(unsigned x, unsigned y)
{
    unsigned bytes = (mode->bits_per_pixel + 7u) / 8;
    uint32_t value = 0;
    memcpy(&value, memory + (size_t)y * mode->pitch + (size_t)x * bytes, bytes);
    return value;
}

/* The character seen at a place, by its glyph; 0 if it is none. */
static char seen(unsigned row, unsigned column)
{
    if (mode->kind == SCREEN_EGA_TEXT)
        return (char)memory[row * mode->pitch + column * 2];
    for (unsigned i = 0; i < FONT_CHARACTERS; i++) {
        bool same = true;
        for (unsigned y = 0; same && y < FONT_HEIGHT; y++)
            for (unsigned x = 0; same && x < FONT_WIDTH; x++)
                same = (pixel(column * 8 + x, row * 16 + y) != 0) ==
                       ((font_8x16[i][y] & 0x80 >> x) != 0);
        if (same)
            return (char)(FONT_FIRST + i);
    }
    return '\0';
}

static void print(const char *text)
{
    while (*text != '\0')
        screen_put(*text++);
}

static void expect_text(unsigned row, unsigned column, const char *text)
{
    for (; *text != '\0'; text++)
        assert_int_equal(seen(row, column++), *text);
}

static void prints_in_every_mode(void **state)
{
    (void)state;
    for (unsigned m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        bool fits = modes[m].kind == SCREEN_EGA_TEXT ||
                    modes[m].pitch >=
                        modes[m].width * ((modes[m].bits_per_pixel + 7u) / 8);
        assert_int_equal(start(&modes[m]), fits);
        if (!fits)
            continue;
        expect_text(0, 0, "    ");
        print("Copse\n~!\\");
        expect_text(0, 0, "Copse   ");
        expect_text(1, 0, "~!\\  ");
    }
}

static void moves_and_wraps(void **state)
{
    (void)state;
    assert_true(start(&rgb32)); /* 80 x 30 */
    print("abc\b\bX\n\tT\rL\a\x01\x7f\xff");
    expect_text(0, 0, "aXc ");
    expect_text(1, 0, "L       T");
    for (unsigned i = 0; i < 81; i++)
        screen_put('w');
    expect_text(1, 1, "wwwwwww");
    print("\b\b\b\b\b\b");
    assert_true(start(&rgb32));
    for (unsigned i = 0; i < 80; i++)
        screen_put('a');
    expect_text(1, 0, " "); /* a full line does not open the next one yet */
    print("\nb");
    expect_text(1, 0, "b");
}

/* The number of the line that is seen in a row, or 0. */
static unsigned line_seen(unsigned row)
{
    unsigned number = 0;
    for (unsigned column = 0; column < 4; column++) {
        char c = seen(row, column);
        if (c < '0' || c > '9')
            return 0;
        number = number * 10 + (unsigned)(c - '0');
    }
    return seen(row, 4) == ' ' ? number : 0;
}

/* The last line is seen at once, and above it those that came before; at most
 * the last twelfth of the screen is empty. */
static void scrolls(void **state)
{
    (void)state;
    for (unsigned m = 0; m < sizeof(modes) / sizeof(modes[0]); m++) {
        if (!start(&modes[m]))
            continue;
        unsigned rows = screen_rows(), most_empty = 0;
        for (unsigned i = 0; i < 3 * rows + 5; i++) {
            char line[16];
            snprintf(line, sizeof(line), "%s%u", i ? "\n" : "", 1000 + i);
            print(line);
            unsigned last = rows;
            while (last > 0 && line_seen(last - 1) == 0)
                last--;
            if (i >= rows && rows - last > most_empty)
                most_empty = rows - last;
            assert_true(last > 0);
            assert_int_equal(line_seen(last - 1), 1000 + i);
            if (i % rows == rows / 2)
                for (unsigned row = 0; row < last; row++)
                    assert_int_equal(line_seen(row), 1001 + i + row - last);
        }
        assert_int_equal(most_empty, rows / 12 > 0 ? rows / 12 - 1 : 0);
    }
}

/* Video memory is never read: changing it behind the screen's back changes
 * nothing else. */
static void never_reads(void **state)
{
    (void)state;
    assert_true(start(&rgb32));
    print("one\ntwo\nthree");
    memset(memory, 0, (size_t)rgb32.pitch * rgb32.height);
    for (unsigned i = 0; i < 28; i++)
        print("\n");
    expect_text(0, 0, "three");
}

static void refuses_what_is_no_screen(void **state)
{
    (void)state;
    struct screen_mode bad = rgb32;
    bad.bits_per_pixel = 8;
    assert_false(start(&bad));
    bad = rgb32;
    bad.pitch = 640 * 4 - 1;
    assert_false(start(&bad));
    bad = rgb32;
    bad.width = 100;
    assert_false(start(&bad));
    bad = rgb32;
    bad.height = 31;
    assert_false(start(&bad));
    bad = rgb32;
    bad.red.position = 25;
    assert_false(start(&bad));
    bad = rgb32;
    bad.blue.size = 0;
    assert_false(start(&bad));
    bad = modes[6];
    bad.pitch = 159;
    assert_false(start(&bad));
}

static void follows_a_move(void **state)
{
    (void)state;
    assert_true(start(&rgb32));
    print("here");
    screen_move(NULL);
    print("\nnowhere");
    expect_text(0, 0, "here");
    expect_text(1, 0, "       ");
    uint8_t *there = malloc((size_t)rgb32.pitch * rgb32.height);
    memcpy(there, memory, (size_t)rgb32.pitch * rgb32.height);
    free(memory);
    memory = there;
    screen_move(there);
    print("\nthere");
    expect_text(0, 0, "here");
    expect_text(1, 0, "nowhere");
    expect_text(2, 0, "there");
}

/* One above 4 GiB is mapped later than the first lines are printed. */
static void waits_for_its_memory(void **state)
{
    (void)state;
    assert_true(start(&rgb32));
    assert_true(screen_init(&rgb32, NULL));
    print("early\n");
    assert_int_equal(seen(0, 0), ' '); /* of the first start */
    screen_move(memory);
    expect_text(0, 0, "early ");
    print("late");
    expect_text(1, 0, "late");
    assert_int_equal(screen_rows(), 480 / 16);
}

/* Prints in the middle of a print: where that one writes to the screen. */
static uint8_t *watched;

static void print_nested(int number)
{
    (void)number;
    mprotect(watched, 4096, PROT_READ | PROT_WRITE);
    screen_put('n');
}

/* Both find room for one more at the end of the line. */
static void a_nested_print_does_not_pass_the_end_of_a_line(void **state)
{
    (void)state;
    const struct screen_mode ega = {SCREEN_EGA_TEXT, 160,    80,    25, 16,
                                    {0, 0},          {0, 0}, {0, 0}};
    watched = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(watched != MAP_FAILED);
    assert_true(screen_init(&ega, watched));
    for (unsigned i = 0; i < 79; i++)
        screen_put('.');
    void (*before)(int) = signal(SIGSEGV, print_nested);
    mprotect(watched, 4096, PROT_NONE);
    screen_put('o');
    signal(SIGSEGV, before);
    screen_put('!');
    assert_int_equal(watched[160], '!');
    screen_move(NULL);
    munmap(watched, 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_in_every_mode),
        cmocka_unit_test(moves_and_wraps),
        cmocka_unit_test(scrolls),
        cmocka_unit_test(never_reads),
        cmocka_unit_test(refuses_what_is_no_screen),
        cmocka_unit_test(follows_a_move),
        cmocka_unit_test(waits_for_its_memory),
        cmocka_unit_test(a_nested_print_does_not_pass_the_end_of_a_line),
    };
    int failed = cmocka_run_group_tests_name("screen", tests, NULL, NULL);
    free(memory);
    return failed;
}
