/* Panic: reports what went wrong, where, and which calls led there, and stops.
 *
 * Callable in any context.  It leaves QEMU through the debug exit device, so
 * that a test run fails at once.  Any other machine halts with the report on
 * its console.
 */
#ifndef KERNEL_TRAP_PANIC_H
#define KERNEL_TRAP_PANIC_H

#include "kernel/trap/trap.h"

_Noreturn void panic(const char *format, ...)
    __attribute__((format(printf, 1, 2), cold));

/* The same for an exception.  explain prints what the vector means. */
_Noreturn void panic_trap(const struct trap_frame *frame,
                          void (*explain)(const struct trap_frame *))
    __attribute__((cold));

#endif
