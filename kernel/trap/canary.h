/* Stack canaries, in debug builds: a word below each return address that a
 * write past an array's end changes first.  The compiler writes and checks it
 * (-fstack-protector-strong); kernel/trap/canary.c has what it calls. */
#ifndef KERNEL_TRAP_CANARY_H
#define KERNEL_TRAP_CANARY_H

#include <stdint.h>

#include "drivers/clock.h"

extern uintptr_t __stack_chk_guard;

/* Takes a value that differs from boot to boot.  Inlined into a function that
 * never returns: one that did would miss the canary it began with. */
__attribute__((always_inline)) static inline void canary_init(void)
{
    /* the lowest byte stays 0: it ends a string that runs over it */
    __stack_chk_guard = clock_ticks() * UINT64_C(0x9e3779b97f4a7c15) << 8;
}

#endif
