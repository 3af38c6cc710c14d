/* The keyboard controller, Intel 8042 or what stands for it, and the keyboard
 * behind it.  IBM PS/2 Hardware Interface Technical Reference, "Keyboard and
 * Auxiliary Device Controller" and "Keyboards (101- and 102-Key)". */
#include "drivers/keyboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/port.h"
#include "drivers/scan_code.h"

enum {
    DATA = 0x60,
    STATUS = 0x64,  /* read */
    COMMAND = 0x64, /* write */

    OUTPUT_FULL = 1 << 0, /* status: a byte for us */
    INPUT_FULL = 1 << 1,  /* the controller has not yet taken our last byte */
    FROM_MOUSE = 1 << 5,  /* the byte for us is the mouse's */

    READ_COMMAND_BYTE = 0x20,
    WRITE_COMMAND_BYTE = 0x60,
    DISABLE_MOUSE = 0xa7,
    DISABLE_KEYBOARD = 0xad,
    ENABLE_KEYBOARD = 0xae,

    KEYBOARD_INTERRUPT = 1 << 0, /* bits of the command byte */
    MOUSE_INTERRUPT = 1 << 1,
    KEYBOARD_OFF = 1 << 4,
    TRANSLATE = 1 << 6,

    ENABLE_SCANNING = 0xf4, /* to the keyboard, which acknowledges it */
    ACKNOWLEDGE = 0xfa,

    NOTHING = 0xff, /* what a port reads as that nobody answers */

    /* A port read takes about a microsecond; the slowest answer, a keyboard's,
     * some 20 milliseconds. */
    SPINS = 100000,
    BUFFERED_MAX = 32, /* a controller holds 16 bytes at most */
};

static bool present;
static struct scan_code_state keys;

static bool wait_for(uint8_t bits, uint8_t value)
{
    for (unsigned i = 0; i < SPINS; i++)
        if ((port_read8(STATUS) & bits) == value)
            return true;
    return false;
}

static bool write(uint16_t port, uint8_t byte)
{
    if (!wait_for(INPUT_FULL, 0))
        return false;
    port_write8(port, byte);
    return true;
}

static bool read(uint8_t *byte)
{
    if (!wait_for(OUTPUT_FULL, OUTPUT_FULL))
        return false;
    *byte = port_read8(DATA);
    return true;
}

static void throw_away(void)
{
    for (unsigned i = 0; i < BUFFERED_MAX; i++) {
        if (!(port_read8(STATUS) & OUTPUT_FULL))
            break;
        port_read8(DATA);
    }
}

static bool set_up_controller(void)
{
    uint8_t command_byte;
    if (!write(COMMAND, DISABLE_KEYBOARD) || !write(COMMAND, DISABLE_MOUSE))
        return false;
    throw_away();
    if (!write(COMMAND, READ_COMMAND_BYTE) || !read(&command_byte))
        return false;
    command_byte &=
        (uint8_t) ~(KEYBOARD_INTERRUPT | MOUSE_INTERRUPT | KEYBOARD_OFF);
    command_byte |= TRANSLATE;
    return write(COMMAND, WRITE_COMMAND_BYTE) && write(DATA, command_byte) &&
           write(COMMAND, ENABLE_KEYBOARD);
}

/* Whether it acknowledges; what was typed meanwhile may come first. */
static bool start_scanning(void)
{
    uint8_t byte;
    if (!write(DATA, ENABLE_SCANNING))
        return false;
    for (unsigned i = 0; i < BUFFERED_MAX && read(&byte); i++)
        if (byte == ACKNOWLEDGE)
            return true;
    return false;
}

enum keyboard_state keyboard_init(void)
{
    present = false;
    keys = (struct scan_code_state){0};
    if (port_read8(STATUS) == NOTHING)
        return KEYBOARD_NO_CONTROLLER;
    if (!set_up_controller())
        return KEYBOARD_MUTE;
    present = true;
    return start_scanning() ? KEYBOARD_READY : KEYBOARD_UNPLUGGED;
}

const char *keyboard_state_text(enum keyboard_state state)
{
    static const char *const texts[] = {
        [KEYBOARD_READY] = "a PS/2 keyboard",
        [KEYBOARD_NO_CONTROLLER] = "no keyboard controller",
        [KEYBOARD_MUTE] = "a keyboard controller that does not answer",
        [KEYBOARD_UNPLUGGED] = "a keyboard controller, but no keyboard answers",
    };
    return state < sizeof(texts) / sizeof(texts[0]) ? texts[state] : "unknown";
}

int keyboard_get(void)
{
    if (!present)
        return -1;
    uint8_t status = port_read8(STATUS);
    if (!(status & OUTPUT_FULL))
        return -1;
    uint8_t byte = port_read8(DATA);
    return status & FROM_MOUSE ? -1 : scan_code_decode(&keys, byte);
}
