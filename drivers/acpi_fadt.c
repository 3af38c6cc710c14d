/* FADT: power and the PM timer, section 5.2.9; and \_S5_ in the DSDT. */
#include "drivers/acpi_table.h"

#include "lib/string.h"

enum {
    FADT_DSDT = 40,
    FADT_SMI_CMD = 48,
    FADT_ACPI_ENABLE = 52,
    FADT_PM1A_CNT = 64,
    FADT_PM1B_CNT = 68,
    FADT_PM_TMR = 76,
    FADT_PM_TMR_LEN = 91,
    FADT_FLAGS = 112,
    FADT_RESET_REG = 116,
    FADT_RESET_VALUE = 128,
    FADT_X_DSDT = 140,
    FADT_X_PM1A_CNT = 172,
    FADT_X_PM1B_CNT = 184,
    FADT_X_PM_TMR = 208,
    FADT_SLEEP_CONTROL = 244,
};

#define FLAG_TMR_VAL_EXT   (1u << 8)
#define FLAG_RESET_REG_SUP (1u << 10)
#define FLAG_HW_REDUCED    (1u << 20)

/* Section 5.2.3.2: address space, width, offset, access size, address. */
enum { SPACE_MEMORY = 0, SPACE_PORT = 1 };

static struct acpi_register read_register(struct acpi_view fadt,
                                          uint32_t offset)
{
    uint64_t address = acpi_u64(fadt, offset + 4);
    struct acpi_register none = {0, 0};
    switch (acpi_u8(fadt, offset)) {
    case SPACE_MEMORY:
        return (struct acpi_register){0, address};
    case SPACE_PORT:
        if (address <= UINT16_MAX)
            return (struct acpi_register){(uint16_t)address, 0};
        return none;
    default:
        return none;
    }
}

/* The extended field where it is a port, or else the old one. */
static uint16_t read_port(struct acpi_view fadt, uint32_t old,
                          uint32_t extended)
{
    struct acpi_register found = read_register(fadt, extended);
    uint32_t port = acpi_u32(fadt, old);
    if (found.port != 0)
        return found.port;
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

static void read_pm_timer(struct acpi *out, struct acpi_view fadt)
{
    if (acpi_u8(fadt, FADT_PM_TMR_LEN) != 4)
        return;
    out->pm_timer = read_port(fadt, FADT_PM_TMR, FADT_X_PM_TMR);
    out->pm_timer_32_bits = acpi_u32(fadt, FADT_FLAGS) & FLAG_TMR_VAL_EXT;
}

void acpi_read_fadt(struct acpi *out, struct acpi_view fadt, paddr_t *dsdt)
{
    struct acpi_power *power = &out->power;
    uint32_t flags = acpi_u32(fadt, FADT_FLAGS);
    uint32_t smi = acpi_u32(fadt, FADT_SMI_CMD);

    *dsdt = acpi_u64(fadt, FADT_X_DSDT);
    if (*dsdt == 0)
        *dsdt = acpi_u32(fadt, FADT_DSDT);
    if (flags & FLAG_RESET_REG_SUP) {
        power->reset = read_register(fadt, FADT_RESET_REG);
        power->reset_value = acpi_u8(fadt, FADT_RESET_VALUE);
    }
    if (flags & FLAG_HW_REDUCED) {
        /* section 4.1: PM1 and the PM timer are not there */
        power->sleep_control = read_register(fadt, FADT_SLEEP_CONTROL);
        return;
    }
    power->pm1a_control = read_port(fadt, FADT_PM1A_CNT, FADT_X_PM1A_CNT);
    power->pm1b_control = read_port(fadt, FADT_PM1B_CNT, FADT_X_PM1B_CNT);
    power->smi_command = smi <= UINT16_MAX ? (uint16_t)smi : 0;
    power->acpi_enable = acpi_u8(fadt, FADT_ACPI_ENABLE);
    read_pm_timer(out, fadt);
}

/* ---- \_S5_ ---- */

/* AML, sections 20.2.3 to 20.2.5. */
enum {
    AML_ZERO = 0x00,
    AML_ONE = 0x01,
    AML_NAME = 0x08,
    AML_BYTE = 0x0a,
    AML_WORD = 0x0b,
    AML_DWORD = 0x0c,
    AML_QWORD = 0x0e,
    AML_PACKAGE = 0x12,
    AML_ROOT = 0x5c, /* a backslash */
    AML_ONES = 0xff,
};

/* SLP_TYP has three bits. */
#define SLEEP_TYPE_MAX 7

/* An integer at *at, in any form that AML has for one; false for anything else.
 */
static bool read_constant(struct acpi_view aml, uint32_t *at, uint64_t *value)
{
    unsigned bytes = 0;
    if (*at >= aml.length)
        return false;
    switch (acpi_u8(aml, (*at)++)) {
    case AML_ZERO:
        *value = 0;
        return true;
    case AML_ONE:
        *value = 1;
        return true;
    case AML_ONES: /* every bit of the register's field */
        *value = SLEEP_TYPE_MAX;
        return true;
    case AML_BYTE:
        bytes = 1;
        break;
    case AML_WORD:
        bytes = 2;
        break;
    case AML_DWORD:
        bytes = 4;
        break;
    case AML_QWORD:
        bytes = 8;
        break;
    default:
        return false;
    }
    if (bytes > aml.length - *at)
        return false;
    *value = acpi_field(aml, *at, bytes);
    *at += bytes;
    return true;
}

/* Name (\_S5_, Package () {a, b, ...}), from behind the name on.  Firmware that
 * has one element alone has both types in it, a byte each: so ACPICA reads it.
 */
static bool read_package(struct acpi_view aml, uint32_t at, uint8_t *a,
                         uint8_t *b)
{
    uint64_t first, second = 0;
    if (acpi_u8(aml, at++) != AML_PACKAGE)
        return false;
    /* section 20.2.4: the two high bits count the bytes that follow */
    at += 1u + (acpi_u8(aml, at) >> 6);
    uint8_t elements = acpi_u8(aml, at++);
    if (elements < 1 || !read_constant(aml, &at, &first))
        return false;
    if (elements == 1) {
        second = first >> 8;
        first &= 0xff;
    } else if (!read_constant(aml, &at, &second)) {
        return false;
    }
    *a = (uint8_t)first;
    *b = (uint8_t)second;
    return first <= SLEEP_TYPE_MAX && second <= SLEEP_TYPE_MAX;
}

static bool is_name(struct acpi_view aml, uint32_t at)
{
    if (at > 0 && acpi_u8(aml, at - 1) == AML_NAME)
        return true;
    return at > 1 && acpi_u8(aml, at - 1) == AML_ROOT &&
           acpi_u8(aml, at - 2) == AML_NAME;
}

/* AML is a program; to find one constant in it the bytes of its definition are
 * looked for, as other small kernels do. */
void acpi_find_s5(struct acpi *out, struct acpi_view definition)
{
    uint32_t bad = 0;
    for (uint32_t at = ACPI_HEADER_BYTES; at + 4 <= definition.length; at++) {
        uint8_t a, b;
        if (memcmp(definition.bytes + at, "_S5_", 4) != 0 ||
            !is_name(definition, at))
            continue;
        if (!read_package(definition, at + 4, &a, &b)) {
            bad = at;
            continue;
        }
        out->power.has_s5 = true;
        out->power.s5_a = a;
        out->power.s5_b = b;
        return;
    }
    if (bad != 0)
        acpi_note(out, (const char *)definition.bytes, ACPI_BAD_S5, bad);
}
