/* The stacks of CPU 0, one after the other at the image's end
 * (boot/start64.asm).
 *
 *   +-------+-------------+-------+-------------+-- . .
 *   | guard | boot stack  | guard | double      |
 *   | page  |             | page  | fault stack |
 *   +-------+-------------+-------+-------------+-- . .
 *
 * Stacks grow downwards; the guard pages are never mapped.
 */
#ifndef KERNEL_CPU_STACKS_H
#define KERNEL_CPU_STACKS_H

#include "mm/address.h"
#include "mm/kernel_space.h"

#define STACK_BYTES 16384 /* boot/layout.inc has a copy */

/* The last three are also the numbers of these stacks in the TSS's interrupt
 * stack table. */
enum kernel_stack {
    STACK_BOOT,
    STACK_DOUBLE_FAULT,
    STACK_NMI,
    STACK_MACHINE_CHECK,
    STACK_COUNT
};

_Static_assert(STACK_COUNT == KERNEL_STACKS, "mm/kernel_space.h names them");

struct guarded_stack {
    char guard[PAGE_SIZE];
    char bytes[STACK_BYTES];
};

extern struct guarded_stack stacks[STACK_COUNT];

#endif
