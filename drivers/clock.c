/* The PIT, to learn how fast the time-stamp counter runs.
 * Intel 8254 data sheet; port 0x61: 82C42, "NMI status and control". */
#include "drivers/clock.h"

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

uint64_t clock_ticks_per_ms(void)
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
