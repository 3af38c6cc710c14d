/* The keyboard's driver on controllers that work, that are not there, and that
 * stop answering at any point: ports are functions of this file. */
/* sources: drivers/scan_code.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* A controller and its keyboard: as much of them as the driver sees. */
static struct {
    bool absent;      /* every port reads as all ones */
    bool unplugged;   /* no keyboard behind it */
    bool jammed;      /* it takes nothing more */
    bool babbles;     /* there is always one byte more */
    unsigned answers; /* bytes that it still answers with; then it is mute */
    uint8_t command_byte;
    uint8_t last_command;
    bool keyboard_off, mouse_off, scanning;
    uint8_t output[64]; /* for the CPU to read */
    bool of_mouse[64];
    unsigned first, count;
    unsigned long reads;
} kbc;

static void output(uint8_t byte, bool of_mouse)
{
    kbc.output[kbc.first + kbc.count] = byte;
    kbc.of_mouse[kbc.first + kbc.count++] = of_mouse;
}

static void answer(uint8_t byte)
{
    if (kbc.answers > 0) {
        kbc.answers--;
        output(byte, false);
    }
}

static uint8_t port_read8(uint16_t port)
{
    kbc.reads++;
    if (kbc.absent)
        return 0xff;
    if (port == 0x60) {
        if (kbc.babbles)
            return 0x1e;
        assert_true(kbc.count > 0);
        kbc.count--;
        return kbc.output[kbc.first++];
    }
    assert_int_equal(port, 0x64);
    if (kbc.babbles)
        return 0x01;
    return (uint8_t)((kbc.count > 0) |
                     (kbc.count > 0 && kbc.of_mouse[kbc.first]) << 5 |
                     kbc.jammed << 1);
}

static void port_write8(uint16_t port, uint8_t value)
{
    assert_false(kbc.absent || kbc.jammed);
    if (port == 0x64) {
        kbc.last_command = value;
        if (value == 0x20)
            answer(kbc.command_byte);
        if (value == 0xad || value == 0xae)
            kbc.keyboard_off = value == 0xad;
        if (value == 0xa7)
            kbc.mouse_off = true;
        return;
    }
    assert_int_equal(port, 0x60);
    if (kbc.last_command == 0x60) {
        kbc.command_byte = value;
        kbc.last_command = 0;
    } else if (!kbc.unplugged) {
        kbc.scanning |= value == 0xf4;
        answer(0xfa);
    }
}

/* The driver, with those in place of the machine's. */
#define DRIVERS_PORT_H
#include "drivers/keyboard.c"

static int begin(void **state)
{
    (void)state;
    memset(&kbc, 0, sizeof kbc);
    kbc.command_byte = 0x37; /* no translation, interrupts on, keyboard off */
    kbc.answers = 1000;
    return 0;
}

static void sets_up_and_reads(void **state)
{
    (void)state;
    output(0x1e, false); /* from before */
    output(0x9e, false);
    assert_int_equal(keyboard_init(), KEYBOARD_READY);
    /* system flag, mouse off, translation */
    assert_int_equal(kbc.command_byte, 0x64);
    assert_true(kbc.scanning && kbc.mouse_off && !kbc.keyboard_off);
    assert_int_equal(keyboard_get(), -1);

    output(0x2a, false);
    output(0x1e, true); /* a mouse that moves all the same */
    output(0x13, false);
    assert_int_equal(keyboard_get(), -1);
    assert_int_equal(keyboard_get(), -1);
    assert_int_equal(keyboard_get(), 'R');
    assert_int_equal(keyboard_get(), -1);
}

static void expect_left_alone(enum keyboard_state expected)
{
    kbc.reads = 0;
    assert_int_equal(keyboard_init(), expected);
    assert_true(kbc.reads <= 2 * SPINS);
    kbc.reads = 0;
    assert_int_equal(keyboard_get(), -1);
    assert_int_equal(kbc.reads, 0);
}

static void no_controller(void **state)
{
    (void)state;
    kbc.absent = true;
    expect_left_alone(KEYBOARD_NO_CONTROLLER);
}

static void controller_that_takes_nothing(void **state)
{
    (void)state;
    kbc.jammed = true;
    expect_left_alone(KEYBOARD_MUTE);
}

static void controller_that_never_answers(void **state)
{
    (void)state;
    kbc.answers = 0;
    expect_left_alone(KEYBOARD_MUTE);
}

/* It always has a byte more: the waits for one end at once, the rest must. */
static void controller_that_babbles(void **state)
{
    (void)state;
    kbc.babbles = true;
    assert_int_equal(keyboard_init(), KEYBOARD_UNPLUGGED);
    assert_true(kbc.reads < 1000);
    assert_int_equal(keyboard_get(), 'a');
}

/* It may be plugged in later. */
static void no_keyboard(void **state)
{
    (void)state;
    kbc.unplugged = true;
    assert_int_equal(keyboard_init(), KEYBOARD_UNPLUGGED);
    output(0x13, false);
    assert_int_equal(keyboard_get(), 'r');
}

static void every_state_has_a_text(void **state)
{
    (void)state;
    for (unsigned i = KEYBOARD_READY; i <= KEYBOARD_UNPLUGGED; i++)
        assert_true(strlen(keyboard_state_text(i)) > 10);
    assert_string_equal(keyboard_state_text(99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sets_up_and_reads, begin),
        cmocka_unit_test_setup(no_controller, begin),
        cmocka_unit_test_setup(controller_that_takes_nothing, begin),
        cmocka_unit_test_setup(controller_that_never_answers, begin),
        cmocka_unit_test_setup(controller_that_babbles, begin),
        cmocka_unit_test_setup(no_keyboard, begin),
        cmocka_unit_test_setup(every_state_has_a_text, begin),
    };
    return cmocka_run_group_tests_name("keyboard", tests, NULL, NULL);
}
