/* Off, and on again. */
#ifndef DRIVERS_POWER_H
#define DRIVERS_POWER_H

#include <stdbool.h>
#include <stdint.h>

/* A register of a byte, in a port or mapped: what ACPI calls a generic address
 * (ACPI 6.4, section 5.2.3.2).  With both 0 it is not there. */
struct power_register {
    uint16_t port;
    volatile uint8_t *memory;
};

/* What the ACPI tables say of power.  What they do not say is 0. */
struct power_acpi {
    /* \_S5_ was found, so the sleep types below are known */
    bool can_sleep;
    uint8_t sleep_type_a, sleep_type_b; /* SLP_TYPa and SLP_TYPb, 3 bits */
    /* FADT: PM1a_CNT_BLK and PM1b_CNT_BLK, ports (section 4.8.3.2.1) */
    uint16_t pm1a_control, pm1b_control;
    /* FADT: SMI_CMD and ACPI_ENABLE, for a machine that is still in legacy mode
     * (section 4.8.3.2.1, SCI_EN) */
    uint16_t smi_command;
    uint8_t acpi_enable;
    /* FADT: SLEEP_CONTROL_REG of hardware-reduced ACPI (section 4.8.3.7) */
    struct power_register sleep_control;
    /* FADT: RESET_REG and RESET_VALUE, if RESET_REG_SUP is set (4.8.3.6) */
    struct power_register reset;
    uint8_t reset_value;
};

/* Takes the tables' word for the ways named "acpi"; a copy is made.  Without
 * it the machine does not have those ways. */
void power_set_acpi(const struct power_acpi *acpi);

/* One way to switch off, or to restart. */
struct power_way {
    const char *name, *help;
    /* False if this machine is known not to have that way; true if it was
     * tried, to no effect within a bounded time.  Otherwise it does not come
     * back. */
    bool (*attempt)(void);
};

/* In the order in which they should be tried: the surest first.  The last entry
 * has no name. */
extern const struct power_way power_off_ways[];
extern const struct power_way power_reboot_ways[];

#endif
