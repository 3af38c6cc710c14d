/* How long the machine has been on. */
#ifndef DRIVERS_CLOCK_H
#define DRIVERS_CLOCK_H

#include <stdint.h>

/* The CPU's time-stamp counter: 0 at power-on, and one CPU's alone. */
static inline uint64_t clock_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Ticks in a millisecond, measured against the PIT; 0 if there is no PIT that
 * runs.  Takes 10 ms, and about a second where the PIT stands still. */
uint64_t clock_ticks_per_ms(void);

#endif
