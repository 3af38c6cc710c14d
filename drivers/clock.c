/* Clocks of known speed, to learn how fast the time-stamp counter runs.
 * Intel 8254 data sheet; port 0x61: 82C42, "NMI status and control". */
#include "drivers/clock.h"

#include <stddef.h>

#include "drivers/port.h"

enum {
    PIT_CHANNEL_2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_ONE_SHOT_2 = 0xb0, /* channel 2, both bytes, mode 0 */
    GATE = 0x61,
    GATE_CHANNEL_2 = 1 << 0,
    GATE_SPEAKER = 1 << 1,
    GATE_OUTPUT_2 = 1 << 5,

    PIT_HZ = 1193182,
    MEASURED_MS = 10,

    /* A port read takes about a microsecond, emulated a tenth of it. */
    SPINS = 1000000,
};

static uint64_t pit_ticks_per_ms(void)
{
    const uint16_t count = PIT_HZ * MEASURED_MS / 1000;
    uint8_t gate = port_read8(GATE) & (uint8_t)~GATE_SPEAKER;
    port_write8(GATE, gate | GATE_CHANNEL_2);
    port_write8(PIT_COMMAND, PIT_ONE_SHOT_2);
    port_write8(PIT_CHANNEL_2, count & 0xff);
    port_write8(PIT_CHANNEL_2, count >> 8);
    uint64_t begin = clock_ticks();
    if (port_read8(GATE) & GATE_OUTPUT_2)
        return 0; /* it counts down from low: nothing is there (microvm) */
    for (unsigned i = 0; i < SPINS; i++)
        if (port_read8(GATE) & GATE_OUTPUT_2)
            return (clock_ticks() - begin) / MEASURED_MS;
    return 0;
}

/* ---- Counters that only ever run ---- */

#define PM_TIMER_HZ 3579545

/* HPET Specification, section 2.3: offsets of its registers. */
enum {
    HPET_PERIOD = 4, /* femtoseconds */
    HPET_CONFIGURATION = 0x10,
    HPET_COUNTER = 0xf0,
};
#define HPET_ENABLE     1u
#define HPET_PERIOD_MAX 100000000u
#define FEMTOSECONDS    UINT64_C(1000000000000000)

static struct {
    uint16_t port;
    uint32_t mask;
} pm_timer;

static volatile uint8_t *hpet;

static bool measured;
static uint64_t ticks_per_ms;

void clock_use_pm_timer(uint16_t port, bool is_32_bits)
{
    pm_timer.port = port;
    pm_timer.mask = is_32_bits ? UINT32_MAX : UINT32_MAX >> 8;
}

void clock_use_hpet(volatile void *registers)
{
    hpet = registers;
    if (ticks_per_ms == 0)
        measured = false;
}

static uint32_t read_pm_timer(void)
{
    return port_read32(pm_timer.port);
}

static uint32_t read_hpet(void)
{
    return *(volatile uint32_t *)(hpet + HPET_COUNTER);
}

/* A counter of that speed stands still if it does not move in so many reads. */
static uint64_t measure(uint32_t (*read)(void), uint32_t mask, uint64_t hz)
{
    const uint64_t count = hz * MEASURED_MS / 1000;
    uint32_t first = read();
    uint64_t begin = clock_ticks();
    for (unsigned i = 0; i < SPINS; i++)
        if (((read() - first) & mask) >= count)
            return (clock_ticks() - begin) / MEASURED_MS;
    return 0;
}

static uint64_t hpet_ticks_per_ms(void)
{
    uint32_t period = *(volatile uint32_t *)(hpet + HPET_PERIOD);
    if (period == 0 || period > HPET_PERIOD_MAX)
        return 0;
    *(volatile uint32_t *)(hpet + HPET_CONFIGURATION) |= HPET_ENABLE;
    return measure(read_hpet, UINT32_MAX, FEMTOSECONDS / period);
}

uint64_t clock_ticks_per_ms(void)
{
    if (measured)
        return ticks_per_ms;
    ticks_per_ms = pit_ticks_per_ms();
    if (ticks_per_ms == 0 && pm_timer.port != 0)
        ticks_per_ms = measure(read_pm_timer, pm_timer.mask, PM_TIMER_HZ);
    if (ticks_per_ms == 0 && hpet != NULL)
        ticks_per_ms = hpet_ticks_per_ms();
    measured = true;
    return ticks_per_ms;
}

/* ---- Waiting ---- */

void clock_wait_us(uint64_t us)
{
    uint64_t per_ms = clock_ticks_per_ms(), begin = clock_ticks();
    if (per_ms == 0)
        for (; us > 0; us--)
            port_read8(GATE);
    else
        while (clock_ticks() - begin < (us * per_ms + 999) / 1000)
            __asm__ volatile("pause");
}

struct clock_limit clock_limit_in_ms(uint64_t ms)
{
    uint64_t per_ms = clock_ticks_per_ms();
    if (per_ms == 0)
        return (struct clock_limit){0, ms * 1000};
    return (struct clock_limit){clock_ticks() + ms * per_ms, 0};
}

bool clock_has_passed(struct clock_limit *limit)
{
    if (limit->end != 0)
        return clock_ticks() >= limit->end;
    if (limit->looks == 0)
        return true;
    limit->looks--;
    port_read8(GATE);
    return false;
}
