/* Clocks of known speed, to learn how fast the time-stamp counter runs.
 * Intel 8254 data sheet; port 0x61: 82C42, "NMI status and control". */
#include "drivers/clock.h"

#include <stddef.h>

#include "drivers/port.h"
#include "lib/string.h"

enum {
    PIT_CHANNEL_0 = 0x40,
    PIT_CHANNEL_2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_ONE_SHOT_2 = 0xb0, /* channel 2, both bytes, mode 0 */
    PIT_RATE_0 = 0x34,     /* channel 0, both bytes, mode 2 */
    PIT_LATCH_0 = 0x00,    /* its count, for the next two reads */
    PIT_STATUS_0 = 0xe2,   /* read-back: how it is set */
    PIT_SET = 0x3f,        /* of the status: bytes, mode, binary */
    GATE = 0x61,
    GATE_CHANNEL_2 = 1 << 0,
    GATE_SPEAKER = 1 << 1,
    GATE_OUTPUT_2 = 1 << 5,

    PIT_HZ = 1193182,
    MEASURED_MS = 10,

    /* A counter stands still if so many ticks, 33 ms at 6 GHz, see no end of
     * it; reads cannot tell, they take a microsecond or five nanoseconds
     * (QEMU's -icount).  They are counted for a CPU whose own ticks do. */
    STILL_TICKS = 200000000,
    STILL_READS = 1000000,
};

/* Whether to give up a wait that began then, after so many reads. */
static bool stands_still(uint64_t begin, unsigned reads)
{
    uint64_t ticks = clock_ticks() - begin;
    return ticks >= STILL_TICKS || (ticks == 0 && reads >= STILL_READS);
}

/* Port 0x61 starts channel 2, and shows when it has ended. */
static uint64_t channel_2_ticks_per_ms(void)
{
    const uint16_t count = PIT_HZ * MEASURED_MS / 1000;
    uint8_t gate = port_read8(GATE) & (uint8_t)~GATE_SPEAKER;
    port_write8(GATE, gate | GATE_CHANNEL_2);
    port_write8(PIT_COMMAND, PIT_ONE_SHOT_2);
    port_write8(PIT_CHANNEL_2, count & 0xff);
    port_write8(PIT_CHANNEL_2, count >> 8);
    uint64_t begin = clock_ticks();
    if (port_read8(GATE) & GATE_OUTPUT_2)
        return 0; /* it counts down from low: no port 0x61 (microvm) */
    for (unsigned reads = 0; !stands_still(begin, reads); reads++)
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

void clock_use_pm_timer(uint16_t port, bool is_32_bits)
{
    pm_timer.port = port;
    pm_timer.mask = is_32_bits ? UINT32_MAX : UINT32_MAX >> 8;
}

static uint32_t read_pm_timer(void)
{
    return port_read32(pm_timer.port);
}

static uint32_t read_hpet(void)
{
    return *(volatile uint32_t *)(hpet + HPET_COUNTER);
}

static uint64_t measure(uint32_t (*read)(void), uint32_t mask, uint64_t hz)
{
    const uint64_t count = hz * MEASURED_MS / 1000;
    uint32_t first = read();
    uint64_t begin = clock_ticks();
    for (unsigned reads = 0; !stands_still(begin, reads); reads++)
        if (((read() - first) & mask) >= count)
            return (clock_ticks() - begin) / MEASURED_MS;
    return 0;
}

/* It counts down; this way it counts up, as the others do. */
static uint32_t read_channel_0(void)
{
    port_write8(PIT_COMMAND, PIT_LATCH_0);
    uint32_t count = port_read8(PIT_CHANNEL_0);
    count |= (uint32_t)port_read8(PIT_CHANNEL_0) << 8;
    return UINT16_MAX - count;
}

/* Where port 0x61 is missing (microvm): channel 0 always runs, and goes on to
 * run as fast as the firmware has it, 65536 counts round. */
static uint64_t channel_0_ticks_per_ms(void)
{
    port_write8(PIT_COMMAND, PIT_RATE_0);
    port_write8(PIT_CHANNEL_0, 0);
    port_write8(PIT_CHANNEL_0, 0);
    port_write8(PIT_COMMAND, PIT_STATUS_0);
    if ((port_read8(PIT_CHANNEL_0) & PIT_SET) != PIT_RATE_0)
        return 0;
    return measure(read_channel_0, UINT16_MAX, PIT_HZ);
}

static uint64_t pit_ticks_per_ms(void)
{
    uint64_t ticks = channel_2_ticks_per_ms();
    return ticks != 0 ? ticks : channel_0_ticks_per_ms();
}

static uint64_t pm_timer_ticks_per_ms(void)
{
    if (pm_timer.port == 0)
        return 0;
    return measure(read_pm_timer, pm_timer.mask, PM_TIMER_HZ);
}

static uint64_t hpet_ticks_per_ms(void)
{
    if (hpet == NULL)
        return 0;
    uint32_t period = *(volatile uint32_t *)(hpet + HPET_PERIOD);
    if (period == 0 || period > HPET_PERIOD_MAX)
        return 0;
    *(volatile uint32_t *)(hpet + HPET_CONFIGURATION) |= HPET_ENABLE;
    return measure(read_hpet, UINT32_MAX, FEMTOSECONDS / period);
}

/* ---- The first that runs ---- */

static const struct source {
    const char *name;
    uint64_t (*ticks_per_ms)(void);
} sources[] = {
    {"pit", pit_ticks_per_ms},
    {"pm", pm_timer_ticks_per_ms},
    {"hpet", hpet_ticks_per_ms},
};

#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static bool measured;
static uint64_t ticks_per_ms;
static const struct source *only, *taken; /* NULL: any; none */

void clock_use_hpet(volatile void *registers)
{
    hpet = registers;
    if (ticks_per_ms == 0)
        measured = false;
}

bool clock_use_only(const char *name)
{
    for (unsigned i = 0; i < SOURCES; i++)
        if (strcmp(sources[i].name, name) == 0) {
            only = &sources[i];
            return true;
        }
    return false;
}

const char *clock_source(void)
{
    return taken != NULL ? taken->name : NULL;
}

uint64_t clock_ticks_per_ms(void)
{
    for (unsigned i = 0; i < SOURCES && !measured; i++) {
        if (only != NULL && only != &sources[i])
            continue;
        ticks_per_ms = sources[i].ticks_per_ms();
        if (ticks_per_ms == 0)
            continue;
        taken = &sources[i];
        measured = true;
    }
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
