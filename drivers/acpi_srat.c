/* SRAT: which memory is near to which processor.  Section 5.2.16. */
#include "drivers/acpi_table.h"

enum { SRAT_ENTRIES = 48 };

enum {
    ENTRY_LAPIC = 0,
    ENTRY_MEMORY = 1,
    ENTRY_X2APIC = 2,
};

#define ENTRY_ENABLED       1u        /* of the flags of each */
#define MEMORY_NON_VOLATILE (1u << 2) /* of those of memory */

/* Before revision 2, a domain has 8 bits; what follows them is reserved. */
#define REVISION_OF_LONG_DOMAINS 2

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

static void note_overlap(struct acpi *out, struct acpi_node_memory first,
                         struct acpi_node_memory second)
{
    if (out->overlap_count < ACPI_OVERLAPS_MAX)
        out->overlap[out->overlap_count] = (struct acpi_overlap){first, second};
    out->overlap_count++;
}

/* Makes one range of those that adjoin, so that a table of many small ones does
 * not fill ours. */
static bool is_joined(struct acpi *out, struct acpi_node_memory new)
{
    for (unsigned i = 0; i < out->node_memory_count; i++) {
        struct acpi_node_memory *old = &out->node_memory[i];
        if (old->node != new.node ||
            (old->end != new.start && old->start != new.end))
            continue;
        if (old->start == new.end)
            old->start = new.start;
        else
            old->end = new.end;
        /* it may reach the next one now */
        struct acpi_node_memory longer = *old;
        *old = out->node_memory[--out->node_memory_count];
        if (!is_joined(out, longer))
            out->node_memory[out->node_memory_count++] = longer;
        return true;
    }
    return false;
}

static void add_piece(struct acpi *out, struct acpi_node_memory new)
{
    if (is_joined(out, new))
        return;
    if (out->node_memory_count == ACPI_NODE_MEMORIES_MAX) {
        acpi_note(out, "SRAT", ACPI_TABLE_FULL, new.start);
        return;
    }
    out->node_memory[out->node_memory_count++] = new;
}

/* Of the bytes from start on that no range has yet, the first run before `end`;
 * false if there is none. */
static bool next_gap(const struct acpi *out, paddr_t *start, paddr_t *end)
{
    for (unsigned i = 0; i < out->node_memory_count; i++)
        if (*start >= out->node_memory[i].start &&
            *start < out->node_memory[i].end) {
            *start = out->node_memory[i].end;
            i = UINT32_MAX; /* and once more from the first on */
        }
    for (unsigned i = 0; i < out->node_memory_count; i++)
        if (out->node_memory[i].start > *start &&
            out->node_memory[i].start < *end)
            *end = out->node_memory[i].start;
    return *start < *end;
}

/* Where ranges overlap, the common part stays with the first. */
static void add_memory(struct acpi *out, struct acpi_node_memory new)
{
    for (unsigned i = 0; i < out->node_memory_count; i++)
        if (new.start < out->node_memory[i].end &&
            out->node_memory[i].start < new.end &&
            out->node_memory[i].node != new.node)
            note_overlap(out, out->node_memory[i], new);
    for (paddr_t at = new.start, end = new.end; next_gap(out, &at, &end);
         at = end, end = new.end)
        add_piece(out, (struct acpi_node_memory){at, end, new.node});
}

/* Memory that is not volatile is no RAM; on sound machines its entry lies in
 * the window for what may be plugged in later. */
static void read_memory(struct acpi *out, struct acpi_view entry,
                        unsigned *known, uint32_t domain)
{
    uint32_t flags = acpi_u32(entry, 28);
    paddr_t start = acpi_u64(entry, 8), bytes = acpi_u64(entry, 16);
    if (!(flags & ENTRY_ENABLED))
        return;
    uint32_t node = node_of(out, known, domain);
    if (bytes == 0 || flags & MEMORY_NON_VOLATILE)
        return;
    if (start + bytes < start)
        acpi_note(out, "SRAT", ACPI_BAD_ENTRY, start);
    else
        add_memory(out, (struct acpi_node_memory){start, start + bytes, node});
}

static void read_entry(struct acpi *out, unsigned *known,
                       struct acpi_view entry, uint32_t domain_mask)
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
                              domain_mask &
                                  (acpi_u8(entry, 2) |
                                   (uint32_t)acpi_field(entry, 9, 3) << 8)));
        break;
    case ENTRY_X2APIC:
        if (acpi_u32(entry, 12) & ENTRY_ENABLED)
            place_cpu(out, acpi_u32(entry, 8),
                      node_of(out, known, acpi_u32(entry, 4)));
        break;
    case ENTRY_MEMORY:
        read_memory(out, entry, known, domain_mask & acpi_u32(entry, 2));
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
        read_entry(out, &known, entry,
                   acpi_u8(srat, ACPI_HEADER_REVISION) <
                           REVISION_OF_LONG_DOMAINS
                       ? UINT8_MAX
                       : UINT32_MAX);
    if (known > 0)
        out->node_count = known;
}
