/* All processors: started, and given work.
 *
 *   CPU 0                                    the others
 *   ---------------------------------------  -------------------------------
 *   a page below 1 MiB, the trampoline in it
 *   INIT to all                              reset, wait
 *   STARTUP to all, with the page's number   boot/trampoline.asm
 *   waits as long as some come up            smp_enter: segments, protections,
 *   tries those that are missing, each alone   local APIC
 *   names those that did not come            idle: hlt until there is work
 */
#ifndef KERNEL_CPU_SMP_H
#define KERNEL_CPU_SMP_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/acpi.h"
#include "mm/memory_map.h"

/* From the tables: which CPUs there are, and how many of them are wanted (at
 * most that many, and no more than PLATFORM_CPUS_MAX).  Names those that are
 * left.  Takes the two pages that they start in out of the map.  Before
 * kernel_space_init; the tables must stay. */
void smp_plan(const struct acpi *acpi, unsigned at_most,
              struct memory_map *map);

/* Starts them.  After the heap; on CPU 0.  Whatever goes wrong is named in the
 * log, and the boot goes on with the CPUs that there are. */
void smp_start(void);

/* Runs a function on every CPU that is up, this one too, at the same time, and
 * returns when all have ended.  On CPU 0, and not from inside of such a
 * function.  Panics if a CPU does not begin within a bounded time. */
void smp_run_on_all(void (*function)(void *argument), void *argument);

/* How many CPUs were planned, how many are up (this one included), and how long
 * smp_start took; 0 microseconds if there is no clock. */
struct smp_stats {
    unsigned planned, up;
    uint64_t start_us;
};
void smp_stats(struct smp_stats *stats);

/* Interrupts that smp.c sends, or that come with the local APIC; true if the
 * vector was one of them. */
bool smp_interrupt(uint64_t vector);

/* Where a CPU begins: called by boot/trampoline.asm on that CPU's stack. */
_Noreturn void smp_enter(uint32_t number);

#endif
