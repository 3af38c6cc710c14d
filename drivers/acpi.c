/* From the root pointer to the tables. */
#include "drivers/acpi.h"

#include <stddef.h>

#include "drivers/acpi_table.h"
#include "lib/string.h"

/* Section 5.2.5.3: the root pointer. */
enum {
    RSDP_REVISION = 15,
    RSDP_RSDT = 16,
    RSDP_BYTES_1 = 20, /* what revision 0 has, and the first checksum covers */
    RSDP_LENGTH = 20,
    RSDP_XSDT = 24,
    RSDP_BYTES_2 = 36,
};

const char *acpi_error_text(enum acpi_error error)
{
    static const char *const texts[] = {
#define ACPI_ERROR_TEXT(name, sentence) sentence,
        ACPI_ERRORS(ACPI_ERROR_TEXT)
#undef ACPI_ERROR_TEXT
    };
    return (size_t)error < sizeof(texts) / sizeof(texts[0])
               ? texts[error]
               : "not an error of ACPI";
}

/* ---- The root pointer ---- */

static bool is_rsdp(struct acpi_view view)
{
    if (view.length < RSDP_BYTES_1 || memcmp(view.bytes, "RSD PTR ", 8) != 0 ||
        !acpi_adds_up(view.bytes, RSDP_BYTES_1))
        return false;
    if (acpi_u8(view, RSDP_REVISION) < 2)
        return true;
    uint32_t length = acpi_u32(view, RSDP_LENGTH);
    return length >= RSDP_BYTES_2 && length <= view.length &&
           acpi_adds_up(view.bytes, length);
}

/* The root pointer lies at a multiple of 16.  A second part that is no good
 * does not make the first one bad: it is then a pointer of revision 0. */
static bool find_in(const struct acpi_memory *memory, paddr_t start,
                    uint32_t bytes, struct acpi_view *rsdp)
{
    const uint8_t *area = memory->view(memory->context, start, bytes);
    if (area == NULL)
        return false;
    for (uint32_t at = 0; at + RSDP_BYTES_1 <= bytes; at += 16) {
        *rsdp = (struct acpi_view){area + at, bytes - at};
        if (is_rsdp(*rsdp))
            return true;
        rsdp->length = RSDP_BYTES_1;
        if (acpi_u8(*rsdp, RSDP_REVISION) >= 2 &&
            memcmp(rsdp->bytes, "RSD PTR ", 8) == 0 &&
            acpi_adds_up(rsdp->bytes, RSDP_BYTES_1))
            return true;
    }
    return false;
}

/* Section 5.2.5.1: the first KiB of the extended BIOS data area, whose segment
 * the BIOS data area has at 0x40e, then the BIOS's own memory. */
static bool search(const struct acpi_memory *memory, struct acpi_view *rsdp)
{
    struct acpi_view word = {memory->view(memory->context, 0x40e, 2), 2};
    if (word.bytes != NULL) {
        paddr_t ebda = (paddr_t)acpi_u16(word, 0) << 4;
        if (ebda >= 0x400 && find_in(memory, ebda, 1024, rsdp))
            return true;
    }
    return find_in(memory, 0xe0000, 0x20000, rsdp);
}

/* ---- Tables ---- */

/* Notes the tables that the root names, the good ones of them. */
static void list_tables(struct acpi *out, const struct acpi_memory *memory,
                        struct acpi_view root, unsigned entry_bytes)
{
    for (uint32_t at = ACPI_HEADER_BYTES; at + entry_bytes <= root.length;
         at += entry_bytes) {
        paddr_t address = acpi_field(root, at, entry_bytes);
        if (address == 0)
            continue;
        const uint8_t *header =
            memory->view(memory->context, address, ACPI_HEADER_BYTES);
        if (header == NULL) {
            acpi_note(out, "????", ACPI_UNREACHABLE, address);
            continue;
        }
        struct acpi_view table =
            acpi_table_at(out, memory, (const char *)header, address);
        if (table.bytes == NULL)
            continue;
        if (out->table_count == ACPI_TABLES_MAX) {
            acpi_note(out, (const char *)header, ACPI_TABLE_FULL, address);
            return;
        }
        struct acpi_table_place *place = &out->table[out->table_count++];
        acpi_set_name(place->name, (const char *)header);
        place->address = address;
        place->length = table.length;
    }
}

/* The XSDT where there is one that is good, or else the RSDT. */
static bool read_root(struct acpi *out, const struct acpi_memory *memory,
                      struct acpi_view rsdp)
{
    paddr_t xsdt = acpi_u64(rsdp, RSDP_XSDT);
    out->revision = acpi_u8(rsdp, RSDP_REVISION);
    if (out->revision >= 2 && rsdp.length >= RSDP_BYTES_2 && xsdt != 0) {
        struct acpi_view root = acpi_table_at(out, memory, "XSDT", xsdt);
        if (root.bytes != NULL) {
            out->root = xsdt;
            list_tables(out, memory, root, 8);
            return true;
        }
    }
    paddr_t rsdt = acpi_u32(rsdp, RSDP_RSDT);
    if (rsdt == 0)
        return false;
    struct acpi_view root = acpi_table_at(out, memory, "RSDT", rsdt);
    if (root.bytes == NULL)
        return false;
    out->root = rsdt;
    list_tables(out, memory, root, 4);
    return true;
}

/* The first table of the name, which has been checked.  A second one is a
 * problem of firmware that cannot make up its mind. */
static struct acpi_view
named(struct acpi *out, const struct acpi_memory *memory, const char *name)
{
    struct acpi_view found = {NULL, 0};
    for (unsigned i = 0; i < out->table_count; i++) {
        const struct acpi_table_place *place = &out->table[i];
        if (strcmp(place->name, name) != 0)
            continue;
        if (found.bytes != NULL) {
            acpi_note(out, name, ACPI_DUPLICATE, place->address);
            break;
        }
        found = (struct acpi_view){
            memory->view(memory->context, place->address, place->length),
            place->length};
    }
    return found;
}

static void read_power(struct acpi *out, const struct acpi_memory *memory)
{
    paddr_t dsdt = 0;
    struct acpi_view fadt = named(out, memory, "FACP");
    if (fadt.bytes == NULL)
        return;
    acpi_read_fadt(out, fadt, &dsdt);
    if (dsdt != 0) {
        struct acpi_view definition = acpi_table_at(out, memory, "DSDT", dsdt);
        if (definition.bytes != NULL)
            acpi_find_s5(out, definition);
    }
    for (unsigned i = 0; i < out->table_count && !out->power.has_s5; i++) {
        const struct acpi_table_place *place = &out->table[i];
        if (strcmp(place->name, "SSDT") == 0)
            acpi_find_s5(out, (struct acpi_view){memory->view(memory->context,
                                                              place->address,
                                                              place->length),
                                                 place->length});
    }
}

bool acpi_read(struct acpi *out, const struct acpi_memory *memory,
               const uint8_t *rsdp, unsigned length)
{
    struct acpi_view root = {rsdp, length};

    memset(out, 0, sizeof(*out));
    out->node_count = 1;
    if (length == 0 || !is_rsdp(root)) {
        if (length != 0)
            acpi_note(out, "RSDP", ACPI_BAD_CHECKSUM, length);
        if (!search(memory, &root))
            return false;
    }
    if (!read_root(out, memory, root))
        return false;
    out->found = true;

    struct acpi_view table = named(out, memory, "APIC");
    if (table.bytes != NULL)
        acpi_read_madt(out, table);
    table = named(out, memory, "SRAT");
    if (table.bytes != NULL)
        acpi_read_srat(out, table);
    read_power(out, memory);
    table = named(out, memory, "HPET");
    if (table.bytes != NULL && acpi_u8(table, 40) == 0)
        out->hpet = acpi_u64(table, 44);
    return true;
}
