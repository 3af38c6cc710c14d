/* Stack canaries, in debug builds: a word below each return address, which a
 * write past the end of an array changes first.  The compiler's code writes and
 * checks it (-fstack-protector-strong) and uses kernel/trap/canary.c. */
#ifndef KERNEL_TRAP_CANARY_H
#define KERNEL_TRAP_CANARY_H

#include <stdint.h>

#include "drivers/clock.h"

extern uintptr_t __stack_chk_guard;

/* Chooses a value that differs from boot to boot.  Inlined, and only into a
 * function that never returns: on its return, a function would compare the new
 * value with the old one on its stack. */
__attribute__((always_inline)) static inline void canary_init(void)
{
    /* the lowest byte stays 0, so that a string ends there */
    __stack_chk_guard = clock_ticks() * UINT64_C(0x9e3779b97f4a7c15) << 8;
}

#endif
