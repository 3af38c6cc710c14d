/* How long the machine has been on. */
#ifndef DRIVERS_CLOCK_H
#define DRIVERS_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The CPU's time-stamp counter: 0 at power-on, and one CPU's alone. */
static inline uint64_t clock_ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Ticks in a millisecond: measured at the first call, against the first of PIT,
 * ACPI's PM timer and HPET that runs; 0 if none does.  Takes 10 ms, and up to
 * 200 million ticks more for each that stands still. */
uint64_t clock_ticks_per_ms(void);

/* What clock_ticks_per_ms may use besides the PIT, before its first call.  The
 * PM timer is a port, and counts 24 or 32 bits (ACPI 6.4, section 4.8.3.3). */
void clock_use_pm_timer(uint16_t port, bool is_32_bits);

/* The HPET by its mapped registers; at once, even after the first call, if that
 * found no clock (IA-PC HPET Specification 1.0a, section 2.3). */
void clock_use_hpet(volatile void *registers);

/* Of the three only "pit", "pm" or "hpet", before the first call; false for
 * another name. */
bool clock_use_only(const char *name);

/* The name of that which was taken, or NULL. */
const char *clock_source(void);

/* Waits for so many microseconds or a little more.  Without a clock it counts
 * port reads, which take about one each. */
void clock_wait_us(uint64_t us);

/* A time after which a wait is given up.  Used by the CPU that set it. */
struct clock_limit {
    uint64_t end;   /* in ticks, or */
    uint64_t looks; /* without a clock, so many looks */
};

struct clock_limit clock_limit_in_ms(uint64_t ms);

/* Whether it has passed; to be asked in a loop. */
bool clock_has_passed(struct clock_limit *limit);

#endif
