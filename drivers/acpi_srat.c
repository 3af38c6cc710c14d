/* SRAT: which memory is near to which processor.  Section 5.2.16. */
#include "drivers/acpi_table.h"

enum { SRAT_ENTRIES = 48 };

enum {
    ENTRY_LAPIC = 0,
    ENTRY_MEMORY = 1,
    ENTRY_X2APIC = 2,
};

#define ENTRY_ENABLED 1u /* of the flags of each */

/* The node that stands for a proximity domain.  Domains past the last node
 * share it. */
static uint32_t node_of(struct acpi *out, unsigned *known, uint32_t domain)
{
    for (unsigned i = 0; i < *known; i++)
        if (out->domain[i] == domain)
            return i;
    if (*known == ACPI_NODES_MAX) {
        acpi_note(out, "SRAT", ACPI_TABLE_FULL, domain);
        return ACPI_NODES_MAX - 1;
    }
    out->domain[*known] = domain;
    return (*known)++;
}

static void place_cpu(struct acpi *out, uint32_t apic_id, uint32_t node)
{
    for (unsigned i = 0; i < out->cpu_count; i++)
        if (out->cpu[i].apic_id == apic_id)
            out->cpu[i].node = node;
}

static void add_memory(struct acpi *out, paddr_t start, uint64_t bytes,
                       uint32_t node)
{
    if (bytes == 0)
        return;
    if (start + bytes < start) {
        acpi_note(out, "SRAT", ACPI_BAD_ENTRY, start);
        return;
    }
    for (unsigned i = 0; i < out->node_memory_count; i++)
        if (start < out->node_memory[i].end &&
            out->node_memory[i].start < start + bytes) {
            acpi_note(out, "SRAT", ACPI_DUPLICATE, start);
            return;
        }
    if (out->node_memory_count == ACPI_NODE_MEMORIES_MAX) {
        acpi_note(out, "SRAT", ACPI_TABLE_FULL, start);
        return;
    }
    out->node_memory[out->node_memory_count++] =
        (struct acpi_node_memory){start, start + bytes, node};
}

static void read_entry(struct acpi *out, unsigned *known,
                       struct acpi_view entry)
{
    static const uint8_t bytes[] = {
        [ENTRY_LAPIC] = 16, [ENTRY_MEMORY] = 40, [ENTRY_X2APIC] = 24};
    uint8_t type = acpi_u8(entry, 0);
    if (type >= sizeof(bytes) ||
        !acpi_entry_has(out, "SRAT", entry, bytes[type]))
        return;
    switch (type) {
    case ENTRY_LAPIC:
        if (acpi_u32(entry, 4) & ENTRY_ENABLED)
            place_cpu(out, acpi_u8(entry, 3),
                      node_of(out, known,
                              acpi_u8(entry, 2) |
                                  (uint32_t)acpi_field(entry, 9, 3) << 8));
        break;
    case ENTRY_X2APIC:
        if (acpi_u32(entry, 12) & ENTRY_ENABLED)
            place_cpu(out, acpi_u32(entry, 8),
                      node_of(out, known, acpi_u32(entry, 4)));
        break;
    case ENTRY_MEMORY:
        if (acpi_u32(entry, 28) & ENTRY_ENABLED)
            add_memory(out, acpi_u64(entry, 8), acpi_u64(entry, 16),
                       node_of(out, known, acpi_u32(entry, 2)));
        break;
    default:
        break;
    }
}

void acpi_read_srat(struct acpi *out, struct acpi_view srat)
{
    struct acpi_entries entries = {srat, SRAT_ENTRIES};
    struct acpi_view entry;
    unsigned known = 0;

    if (srat.length < SRAT_ENTRIES) {
        acpi_note(out, "SRAT", ACPI_BAD_LENGTH, srat.length);
        return;
    }
    while (acpi_next_entry(out, "SRAT", &entries, &entry))
        read_entry(out, &known, entry);
    if (known > 0)
        out->node_count = known;
}
