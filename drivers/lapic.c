/* Registers and commands of the local APIC: see drivers/lapic.h. */
#include "drivers/lapic.h"

#include <stddef.h>

#include "drivers/msr.h"
#include "mm/platform.h"

/* Section 10.4.4, figure 10-5. */
#define MSR_APIC_BASE 0x1bu
#define BASE_X2APIC   (UINT64_C(1) << 10)
#define BASE_ENABLE   (UINT64_C(1) << 11)

/* Section 10.12.1.2: a register at offset n is MSR 0x800 + n / 16. */
#define MSR_X2APIC 0x800u

/* Table 10-1: offsets of registers. */
enum {
    REGISTER_ID = 0x20,
    REGISTER_TASK_PRIORITY = 0x80,
    REGISTER_EOI = 0xb0,
    REGISTER_SPURIOUS = 0xf0,
    REGISTER_COMMAND = 0x300,
    REGISTER_COMMAND_HIGH = 0x310,
    REGISTER_LINT0 = 0x350,
};

#define SPURIOUS_ENABLE (1u << 8)

/* Section 10.6.1, figure 10-12: the command register. */
enum {
    COMMAND_FIXED = 0 << 8,
    COMMAND_NMI = 4 << 8,
    COMMAND_INIT = 5 << 8,
    COMMAND_STARTUP = 6 << 8,
    COMMAND_PENDING = 1 << 12,
    COMMAND_ASSERT = 1 << 14,
    COMMAND_OTHERS = 3 << 18, /* all but this CPU */
};

/* Section 10.5.1, figure 10-8: a local vector. */
#define LOCAL_NMI        (4u << 8)
#define LOCAL_ACTIVE_LOW (1u << 13)
#define LOCAL_WRITABLE   0x1a7ffu /* all but what tells of a delivery */

/* In the command register of xAPIC, the identifier of all; larger ones do not
 * fit, and would address another CPU.  Section 10.6.2.1. */
#define ID_8_ALL 0xffu

#define CPUID_1_ECX_X2APIC (1u << 21)
#define CPUID_1_EDX_APIC   (1u << 9)

/* A read takes some tens of nanoseconds; sending takes a few microseconds. */
#define SPINS 1000000

static volatile uint32_t *registers;

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct leaf cpuid_leaf(uint32_t number)
{
    struct leaf r;
    __asm__("cpuid"
            : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
            : "a"(number), "c"(0));
    return r;
}

bool lapic_has_x2apic(void)
{
    return cpuid_leaf(1).ecx & CPUID_1_ECX_X2APIC;
}

paddr_t lapic_address(unsigned paddr_bits)
{
    if (!(cpuid_leaf(1).edx & CPUID_1_EDX_APIC))
        return 0;
    return read_msr(MSR_APIC_BASE) & ((UINT64_C(1) << paddr_bits) - 1) &
           ~(paddr_t)(LAPIC_BYTES - 1);
}

/* Leaf 0xb has it where it counts processors at its first level. */
static uint32_t id_of_birth(void)
{
    if (cpuid_leaf(0).eax >= 0xb && (cpuid_leaf(0xb).ebx & 0xffff) != 0)
        return cpuid_leaf(0xb).edx;
    return cpuid_leaf(1).ebx >> 24;
}

uint32_t lapic_early_id(unsigned paddr_bits, uint64_t mapped)
{
    paddr_t address = lapic_address(paddr_bits);
    if (address == 0 || !(read_msr(MSR_APIC_BASE) & BASE_ENABLE))
        return id_of_birth();
    if (read_msr(MSR_APIC_BASE) & BASE_X2APIC)
        return (uint32_t)read_msr(MSR_X2APIC + REGISTER_ID / 16);
    if (address >= mapped)
        return id_of_birth();
    const volatile uint32_t *early = phys_to_virt(address);
    return early[REGISTER_ID / 4] >> 24;
}

void lapic_init(volatile void *at)
{
    registers = at;
}

bool lapic_is_x2apic(void)
{
    return registers == NULL;
}

static uint32_t get(unsigned offset)
{
    if (registers == NULL)
        return (uint32_t)read_msr(MSR_X2APIC + offset / 16);
    return registers[offset / 4];
}

static void set(unsigned offset, uint32_t value)
{
    if (registers == NULL)
        write_msr(MSR_X2APIC + offset / 16, value);
    else
        registers[offset / 4] = value;
}

void lapic_enable(void)
{
    uint64_t base = read_msr(MSR_APIC_BASE);
    /* two steps: straight from off to x2APIC is not allowed (10.12.5.1) */
    write_msr(MSR_APIC_BASE, base | BASE_ENABLE);
    if (registers == NULL)
        write_msr(MSR_APIC_BASE, base | BASE_ENABLE | BASE_X2APIC);
    set(REGISTER_TASK_PRIORITY, 0);
    set(REGISTER_SPURIOUS, SPURIOUS_ENABLE | LAPIC_SPURIOUS_VECTOR);
}

static uint32_t nmi_pin(bool active_low)
{
    return LOCAL_NMI | (active_low ? LOCAL_ACTIVE_LOW : 0);
}

void lapic_set_nmi_pin(unsigned pin, bool active_low)
{
    set(REGISTER_LINT0 + 16 * pin, nmi_pin(active_low));
}

bool lapic_has_nmi_pin(unsigned pin, bool active_low)
{
    return (get(REGISTER_LINT0 + 16 * pin) & LOCAL_WRITABLE) ==
           nmi_pin(active_low);
}

uint32_t lapic_id(void)
{
    uint32_t id = get(REGISTER_ID);
    return registers == NULL ? id : id >> 24;
}

void lapic_end_of_interrupt(void)
{
    set(REGISTER_EOI, 0);
}

static bool is_sent(void)
{
    for (unsigned i = 0; i < SPINS; i++) {
        if (!(get(REGISTER_COMMAND) & COMMAND_PENDING))
            return true;
        __asm__ volatile("pause");
    }
    return false;
}

/* What was written before must be seen by the CPU that is interrupted: a write
 * to an MSR of the x2APIC does not order it (section 10.12.3). */
static bool command(uint32_t id, uint32_t what)
{
    if (registers == NULL) {
        __asm__ volatile("mfence; lfence" : : : "memory");
        write_msr(MSR_X2APIC + REGISTER_COMMAND / 16,
                  (uint64_t)id << 32 | what | COMMAND_ASSERT);
        return true;
    }
    if (id >= ID_8_ALL)
        return false;
    if (!is_sent()) /* by a handler that this code was interrupted by */
        return false;
    set(REGISTER_COMMAND_HIGH, id << 24);
    set(REGISTER_COMMAND, what | COMMAND_ASSERT);
    return is_sent();
}

bool lapic_send_init_to_others(void)
{
    return command(0, COMMAND_INIT | COMMAND_OTHERS);
}

bool lapic_send_startup_to_others(uint8_t page)
{
    return command(0, COMMAND_STARTUP | COMMAND_OTHERS | page);
}

bool lapic_send_init(uint32_t id)
{
    return command(id, COMMAND_INIT);
}

bool lapic_send_startup(uint32_t id, uint8_t page)
{
    return command(id, COMMAND_STARTUP | page);
}

bool lapic_send_nmi(uint32_t id)
{
    return command(id, COMMAND_NMI);
}

bool lapic_send(uint32_t id, uint8_t vector)
{
    return command(id, COMMAND_FIXED | vector);
}
