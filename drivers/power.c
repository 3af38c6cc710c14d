/* The ways off, and on again: see drivers/power.h. */
#include "drivers/power.h"

#include <stddef.h>

#include "drivers/debug_exit.h"
#include "drivers/port.h"

enum {
    /* PM1 control: ACPI 6.4, section 4.8.3.2.1 */
    SCI_EN = 1 << 0,
    SLP_TYP_SHIFT = 10,
    SLP_TYP = 7 << SLP_TYP_SHIFT,
    SLP_EN = 1 << 13,

    /* sleep control: section 4.8.3.7 */
    REDUCED_SLP_TYP_SHIFT = 2,
    REDUCED_SLP_EN = 1 << 5,

    /* keyboard controller: IBM PS/2 Hardware Interface Technical Reference,
     * "Keyboard and Auxiliary Device Controller" */
    KBC_STATUS = 0x64, /* read */
    KBC_COMMAND = 0x64,
    KBC_INPUT_FULL = 1 << 1,
    KBC_PULSE_RESET = 0xfe,

    /* reset control of Intel's chipsets, and of others: ICH9 data sheet,
     * section 13.7.5 */
    RST_CNT = 0xcf9,
    RST_HARD = 1 << 1, /* SYS_RST */
    RST_CPU = 1 << 2,

    DELAY_PORT = 0x80, /* the POST code; a read takes about a microsecond */
    PATIENCE = 500000,
};

static struct power_acpi acpi;

void power_set_acpi(const struct power_acpi *found)
{
    acpi = *found;
}

/* For what was asked for to happen: half a second on a real machine. */
static void wait(void)
{
    for (unsigned i = 0; i < PATIENCE; i++)
        port_read8(DELAY_PORT);
}

static bool is_there(struct power_register r)
{
    return r.port != 0 || r.memory != NULL;
}

static void write_register(struct power_register r, uint8_t value)
{
    if (r.memory != NULL)
        *r.memory = value;
    else
        port_write8(r.port, value);
}

/* ---- Off ---- */

/* First: only this gives the emulator a status that means success. */
static bool off_debug_exit(void)
{
    debug_exit(DEBUG_EXIT_SUCCESS);
    return true;
}

/* In legacy mode the sleep bits do nothing.  Section 4.8.2.5 of ACPI 6.4. */
static void enter_acpi_mode(void)
{
    if (acpi.smi_command == 0 || acpi.acpi_enable == 0)
        return;
    if (port_read16(acpi.pm1a_control) & SCI_EN)
        return;
    port_write8(acpi.smi_command, acpi.acpi_enable);
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (port_read16(acpi.pm1a_control) & SCI_EN)
            return;
        port_read8(DELAY_PORT);
    }
}

/* Section 16.1.7: the type first, then the type together with the bit that
 * makes it so. */
static void sleep_through(uint16_t port, uint8_t type)
{
    uint16_t value = port_read16(port) & (uint16_t) ~(SLP_TYP | SLP_EN);
    value |= (uint16_t)((type << SLP_TYP_SHIFT) & SLP_TYP);
    port_write16(port, value);
    port_write16(port, value | SLP_EN);
}

static bool off_acpi(void)
{
    if (!acpi.can_sleep)
        return false;
    if (is_there(acpi.sleep_control)) {
        write_register(acpi.sleep_control,
                       (uint8_t)(acpi.sleep_type_a << REDUCED_SLP_TYP_SHIFT |
                                 REDUCED_SLP_EN));
    } else if (acpi.pm1a_control != 0) {
        enter_acpi_mode();
        sleep_through(acpi.pm1a_control, acpi.sleep_type_a);
        if (acpi.pm1b_control != 0)
            sleep_through(acpi.pm1b_control, acpi.sleep_type_b);
    } else {
        return false;
    }
    wait();
    return true;
}

/* Where the chipset of QEMU's pc and q35 has the power registers is for the
 * firmware to choose, and it says so in the function's PCI configuration.
 * 82371AB data sheet, section 7.1.20; ICH9 data sheet, section 13.1.13. */
static const struct {
    uint32_t id; /* device, vendor */
    uint8_t device, function;
} qemu_chipsets[] = {
    {0x71138086, 1, 3},  /* PIIX4, power management */
    {0x29188086, 31, 0}, /* ICH9, LPC bridge */
};

enum {
    PCI_ADDRESS = 0xcf8, /* PCI 3.0, section 3.2.2.3.2 */
    PCI_DATA = 0xcfc,
    PCI_ID = 0,
    PMBASE = 0x40,
    PMBASE_MASK = 0xff80,
    PM1_CONTROL = 4, /* from there on */
};

static uint32_t read_pci(unsigned device, unsigned function, unsigned offset)
{
    port_write32(PCI_ADDRESS,
                 0x80000000u | device << 11 | function << 8 | offset);
    return port_read32(PCI_DATA);
}

/* The sleep type of QEMU's \_S5_ is 0. */
static bool off_qemu(void)
{
    for (unsigned i = 0; i < sizeof qemu_chipsets / sizeof qemu_chipsets[0];
         i++) {
        unsigned device = qemu_chipsets[i].device;
        unsigned function = qemu_chipsets[i].function;
        if (read_pci(device, function, PCI_ID) != qemu_chipsets[i].id)
            continue;
        uint32_t base = read_pci(device, function, PMBASE) & PMBASE_MASK;
        if (base == 0)
            return false;
        port_write16((uint16_t)(base + PM1_CONTROL), SLP_EN);
        wait();
        return true;
    }
    return false;
}

static bool off_bochs(void)
{
    static const char word[] = "Shutdown";
    port_write16(0xb004, SLP_EN);
    for (const char *c = word; *c != '\0'; c++)
        port_write8(0x8900, (uint8_t)*c);
    return true;
}

const struct power_way power_off_ways[] = {
    {"debug-exit", "QEMU's isa-debug-exit device", off_debug_exit},
    {"acpi", "the sleep registers of the ACPI tables", off_acpi},
    {"qemu", "the power port of QEMU's pc and q35", off_qemu},
    {"bochs", "the power ports of Bochs", off_bochs},
    {NULL, NULL, NULL},
};

/* ---- On again ---- */

static bool reboot_acpi(void)
{
    if (!is_there(acpi.reset))
        return false;
    write_register(acpi.reset, acpi.reset_value);
    wait();
    return true;
}

static bool reboot_chipset(void)
{
    port_write8(RST_CNT, RST_HARD);
    port_write8(RST_CNT, RST_HARD | RST_CPU);
    wait();
    return true;
}

/* The controller pulses the reset line of the CPU, in Bochs of nothing else, so
 * this comes after the chipset's.  Where there is no controller, its status
 * reads as all ones. */
static bool reboot_keyboard(void)
{
    if (port_read8(KBC_STATUS) == 0xff)
        return false;
    for (unsigned i = 0; i < PATIENCE; i++) {
        if (!(port_read8(KBC_STATUS) & KBC_INPUT_FULL))
            break;
        port_read8(DELAY_PORT);
    }
    port_write8(KBC_COMMAND, KBC_PULSE_RESET);
    wait();
    return true;
}

/* An exception without a table to look its handler up in: the CPU shuts down,
 * and the machine around it resets.  AMD64 manual, volume 2, section 8.2.9. */
static bool reboot_triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nowhere = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(nowhere));
    return true;
}

const struct power_way power_reboot_ways[] = {
    {"acpi", "the reset register of the ACPI tables", reboot_acpi},
    {"chipset", "the reset control port of Intel's chipsets", reboot_chipset},
    {"keyboard", "the keyboard controller's reset line", reboot_keyboard},
    {"triple-fault", "an exception that nobody handles", reboot_triple_fault},
    {NULL, NULL, NULL},
};
