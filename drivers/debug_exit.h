/* QEMU's isa-debug-exit device: ends the emulator with a status.
 *
 * The emulator's exit status is (code << 1) | 1, so that 0, which a triple
 * fault or a power-off gives, is never a success.
 */
#ifndef DRIVERS_DEBUG_EXIT_H
#define DRIVERS_DEBUG_EXIT_H

#include <stdint.h>

#include "drivers/port.h"

enum debug_exit_code {
    DEBUG_EXIT_SUCCESS = 0x10, /* status 33 */
    DEBUG_EXIT_PANIC = 0x11,   /* status 35; boot/start32.asm uses it too */
    DEBUG_EXIT_FAILURE = 0x12, /* status 37: a self-test failed */
};

/* Comes back where the device is not there. */
static inline void debug_exit(enum debug_exit_code code)
{
    port_write8(0xf4, (uint8_t)code);
}

#endif
