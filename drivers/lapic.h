/* The local APIC of the CPU that asks: interrupts between CPUs.
 *
 * xAPIC: registers in memory, 8-bit identifiers.  x2APIC: registers are MSRs,
 * 32-bit identifiers, and a command is one write.  Intel SDM, volume 3,
 * chapter 10; section numbers are from there.
 */
#ifndef DRIVERS_LAPIC_H
#define DRIVERS_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "mm/address.h"

#define LAPIC_BYTES 4096 /* of the registers, uncached */

/* The vector of an interrupt that went away before it was taken: it is not
 * acknowledged (section 10.9). */
#define LAPIC_SPURIOUS_VECTOR 0xff

/* Whether this CPU can do x2APIC. */
bool lapic_has_x2apic(void);

/* Where this CPU has the registers, by MSR 0x1b, whatever tables say; 0 if it
 * has no local APIC. */
paddr_t lapic_address(unsigned paddr_bits);

/* This CPU's identifier, before lapic_init: what its local APIC says, if its
 * registers are among the first `mapped` bytes of memory, or is an x2APIC by
 * now; else what the CPU was born with. */
uint32_t lapic_early_id(unsigned paddr_bits, uint64_t mapped);

/* Chooses the way to the registers, once, before all else.  NULL: x2APIC, which
 * this CPU must have; else where the registers are mapped, uncached. */
void lapic_init(volatile void *registers);

bool lapic_is_x2apic(void);

/* Switches this CPU's on, in the mode of lapic_init, with every vector allowed.
 * Pins stay as they were: masked, on a CPU that was just started. */
void lapic_enable(void);

/* Makes local interrupt pin 0 or 1 of this CPU an NMI; whether it is one. */
void lapic_set_nmi_pin(unsigned pin, bool active_low);
bool lapic_has_nmi_pin(unsigned pin, bool active_low);

/* This CPU's identifier. */
uint32_t lapic_id(void);

/* Says that a fixed interrupt was taken. */
void lapic_end_of_interrupt(void);

/* Interrupts to other CPUs.  Each returns false if the APIC could not send it
 * in a bounded time, or cannot address that identifier. */
bool lapic_send_init_to_others(void);
bool lapic_send_startup_to_others(uint8_t page);
bool lapic_send_init(uint32_t id);
bool lapic_send_startup(uint32_t id, uint8_t page);
bool lapic_send_nmi(uint32_t id);
bool lapic_send(uint32_t id, uint8_t vector);

#endif
