/* MADT: the processors and their interrupts.  Section 5.2.12. */
#include "drivers/acpi_table.h"

#include <stddef.h>

enum {
    MADT_LAPIC = 36,
    MADT_ENTRIES = 44,
};

enum {
    ENTRY_LAPIC = 0,
    ENTRY_OVERRIDE = 2,
    ENTRY_LAPIC_NMI = 4,
    ENTRY_LAPIC_ADDRESS = 5,
    ENTRY_X2APIC = 9,
    ENTRY_X2APIC_NMI = 10,
};

#define CPU_ENABLED 1u /* of the flags of a processor */

/* "All processors" where the identifier has a byte. */
#define ALL_CPUS_8 0xff

/* No processor: the identifiers that address all of them. */
#define APIC_ID_8_ALL 0xff
#define APIC_ID_ALL   UINT32_MAX

static struct acpi_cpu *known(struct acpi *out, uint32_t apic_id)
{
    for (unsigned i = 0; i < out->cpu_count; i++)
        if (out->cpu[i].apic_id == apic_id)
            return &out->cpu[i];
    return NULL;
}

static void add_cpu(struct acpi *out, uint32_t apic_id, uint32_t uid,
                    uint32_t flags)
{
    if (!(flags & CPU_ENABLED)) {
        out->cpus_disabled++;
        return;
    }
    struct acpi_cpu *twin = known(out, apic_id);
    if (twin != NULL) {
        twin->entries++;
        return;
    }
    if (out->cpu_count == ACPI_CPUS_MAX) {
        if (out->cpus_left++ == 0)
            acpi_note(out, "APIC", ACPI_TABLE_FULL, apic_id);
        return;
    }
    out->cpu[out->cpu_count++] =
        (struct acpi_cpu){.apic_id = apic_id, .uid = uid, .entries = 1};
}

/* The identifier that addresses all: firmware has it in entries that stand for
 * nobody, and those it must not have enabled. */
static void refuse_cpu(struct acpi *out, uint32_t apic_id, uint32_t flags)
{
    if (flags & CPU_ENABLED)
        acpi_note(out, "APIC", ACPI_BAD_ID, apic_id);
    else
        out->cpus_disabled++;
}

static void add_override(struct acpi *out, struct acpi_view entry)
{
    uint8_t source = acpi_u8(entry, 3);
    for (unsigned i = 0; i < out->override_count; i++)
        if (out->override[i].source == source) {
            acpi_note(out, "APIC", ACPI_DUPLICATE, source);
            return;
        }
    if (out->override_count == ACPI_OVERRIDES_MAX) {
        acpi_note(out, "APIC", ACPI_TABLE_FULL, source);
        return;
    }
    out->override[out->override_count++] = (struct acpi_override){
        .source = source,
        .input = acpi_u32(entry, 4),
        .flags = acpi_u16(entry, 8),
    };
}

static void add_nmi(struct acpi *out, uint32_t uid, uint16_t flags, uint8_t pin)
{
    if (pin > 1)
        acpi_note(out, "APIC", ACPI_BAD_ENTRY, pin);
    else if (out->nmi_count == ACPI_NMIS_MAX)
        acpi_note(out, "APIC", ACPI_TABLE_FULL, uid);
    else
        out->nmi[out->nmi_count++] = (struct acpi_nmi){uid, flags, pin};
}

static void read_entry(struct acpi *out, struct acpi_view entry)
{
    /* the bytes that an entry of each type has */
    static const uint8_t bytes[] = {
        [ENTRY_LAPIC] = 8,     [ENTRY_OVERRIDE] = 10,
        [ENTRY_LAPIC_NMI] = 6, [ENTRY_LAPIC_ADDRESS] = 12,
        [ENTRY_X2APIC] = 16,   [ENTRY_X2APIC_NMI] = 12,
    };
    uint8_t type = acpi_u8(entry, 0), uid = acpi_u8(entry, 2);
    if (type >= sizeof(bytes) ||
        !acpi_entry_has(out, "APIC", entry, bytes[type]))
        return;
    switch (type) {
    case ENTRY_LAPIC:
        if (acpi_u8(entry, 3) == APIC_ID_8_ALL)
            refuse_cpu(out, APIC_ID_8_ALL, acpi_u32(entry, 4));
        else
            add_cpu(out, acpi_u8(entry, 3), uid, acpi_u32(entry, 4));
        break;
    case ENTRY_X2APIC:
        if (acpi_u32(entry, 4) == APIC_ID_ALL)
            refuse_cpu(out, APIC_ID_ALL, acpi_u32(entry, 8));
        else
            add_cpu(out, acpi_u32(entry, 4), acpi_u32(entry, 12),
                    acpi_u32(entry, 8));
        break;
    case ENTRY_OVERRIDE:
        add_override(out, entry);
        break;
    case ENTRY_LAPIC_NMI:
        add_nmi(out, uid == ALL_CPUS_8 ? ACPI_ALL_CPUS : uid,
                acpi_u16(entry, 3), acpi_u8(entry, 5));
        break;
    case ENTRY_X2APIC_NMI:
        add_nmi(out, acpi_u32(entry, 4), acpi_u16(entry, 2), acpi_u8(entry, 8));
        break;
    case ENTRY_LAPIC_ADDRESS:
        out->lapic = acpi_u64(entry, 4);
        break;
    default:
        break;
    }
}

void acpi_read_madt(struct acpi *out, struct acpi_view madt)
{
    struct acpi_entries entries = {madt, MADT_ENTRIES};
    struct acpi_view entry;

    if (madt.length < MADT_ENTRIES) {
        acpi_note(out, "APIC", ACPI_BAD_LENGTH, madt.length);
        return;
    }
    out->has_madt = true;
    out->lapic = acpi_u32(madt, MADT_LAPIC);
    while (acpi_next_entry(out, "APIC", &entries, &entry))
        read_entry(out, entry);
}
