/* Bounded reads of one ACPI table: what drivers/acpi*.c share.  Not for
 * others. */
#ifndef DRIVERS_ACPI_TABLE_H
#define DRIVERS_ACPI_TABLE_H

#include "drivers/acpi.h"

/* Section 5.2.6: the header that every table but the RSDP begins with. */
enum {
    ACPI_HEADER_LENGTH = 4,
    ACPI_HEADER_REVISION = 8,
    ACPI_HEADER_BYTES = 36,
};

/* Bytes that may be read, of a table or of an entry in one. */
struct acpi_view {
    const uint8_t *bytes;
    uint32_t length;
};

/* Little endian, and 0 for what lies past the end: that is what a field means
 * that an older revision of the table does not have. */
static inline uint64_t acpi_field(struct acpi_view view, uint32_t offset,
                                  unsigned bytes)
{
    uint64_t value = 0;
    if (offset > view.length || bytes > view.length - offset)
        return 0;
    for (unsigned i = bytes; i > 0; i--)
        value = value << 8 | view.bytes[offset + i - 1];
    return value;
}

static inline uint8_t acpi_u8(struct acpi_view view, uint32_t offset)
{
    return (uint8_t)acpi_field(view, offset, 1);
}

static inline uint16_t acpi_u16(struct acpi_view view, uint32_t offset)
{
    return (uint16_t)acpi_field(view, offset, 2);
}

static inline uint32_t acpi_u32(struct acpi_view view, uint32_t offset)
{
    return (uint32_t)acpi_field(view, offset, 4);
}

static inline uint64_t acpi_u64(struct acpi_view view, uint32_t offset)
{
    return acpi_field(view, offset, 8);
}

/* The entries of MADT and SRAT: a byte of type, a byte of length. */
struct acpi_entries {
    struct acpi_view table;
    uint32_t offset; /* of the next entry */
};

/* Sets *entry to the next one; false at the end, and, with a problem noted, if
 * it runs past the table or is shorter than its own two bytes. */
bool acpi_next_entry(struct acpi *out, const char *table,
                     struct acpi_entries *entries, struct acpi_view *entry);

/* Whether an entry has the bytes that its type has; notes a problem if not. */
bool acpi_entry_has(struct acpi *out, const char *table, struct acpi_view entry,
                    uint32_t bytes);

/* Notes a problem of the table with that name, while there is room for it; one
 * that was noted before is counted. */
void acpi_note(struct acpi *out, const char *name, enum acpi_error error,
               uint64_t value);

/* Copies a signature, with ? in place of what cannot be printed. */
void acpi_set_name(char name[ACPI_SIGNATURE], const char *from);

/* Whether all bytes add up to 0, as sections 5.2.5.3 and 5.2.6 want it. */
bool acpi_adds_up(const uint8_t *bytes, uint32_t length);

/* A table by its address, whole and with its checksum verified; bytes is NULL,
 * and a problem noted, if it is no good.  The name is what it has to be. */
struct acpi_view acpi_table_at(struct acpi *out,
                               const struct acpi_memory *memory,
                               const char *name, paddr_t address);

/* The parts, one file each. */
void acpi_read_madt(struct acpi *out, struct acpi_view madt);
void acpi_read_srat(struct acpi *out, struct acpi_view srat);

/* Sets *dsdt to the address of the DSDT, or to 0. */
void acpi_read_fadt(struct acpi *out, struct acpi_view fadt, paddr_t *dsdt);

/* Looks for \_S5_ in the AML of a DSDT or SSDT. */
void acpi_find_s5(struct acpi *out, struct acpi_view definition);

#endif
