/* One table or entry: whether it is whole, and what is wrong with it. */
#include "drivers/acpi_table.h"

#include <stddef.h>

#include "lib/string.h"

/* No DSDT seen comes near it. */
#define TABLE_BYTES_MAX (8u << 20)

void acpi_set_name(char name[ACPI_SIGNATURE], const char *from)
{
    for (unsigned i = 0; i < ACPI_SIGNATURE - 1; i++)
        name[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    name[ACPI_SIGNATURE - 1] = '\0';
}

void acpi_note(struct acpi *out, const char *name, enum acpi_error error,
               uint64_t value)
{
    char shown[ACPI_SIGNATURE];
    acpi_set_name(shown, name);
    for (unsigned i = 0; i < out->problem_count && i < ACPI_PROBLEMS_MAX; i++) {
        struct acpi_problem *known = &out->problem[i];
        if (known->error == error && strcmp(known->name, shown) == 0 &&
            (known->value == value || error == ACPI_TABLE_FULL)) {
            known->times++;
            return;
        }
    }
    if (out->problem_count < ACPI_PROBLEMS_MAX) {
        struct acpi_problem *problem = &out->problem[out->problem_count];
        memcpy(problem->name, shown, sizeof(shown));
        problem->error = error;
        problem->value = value;
        problem->times = 1;
    }
    out->problem_count++;
}

bool acpi_adds_up(const uint8_t *bytes, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return sum == 0;
}

struct acpi_view acpi_table_at(struct acpi *out,
                               const struct acpi_memory *memory,
                               const char *name, paddr_t address)
{
    const struct acpi_view none = {NULL, 0};
    struct acpi_view table = {
        memory->view(memory->context, address, ACPI_HEADER_BYTES),
        ACPI_HEADER_BYTES,
    };
    if (table.bytes == NULL) {
        acpi_note(out, name, ACPI_UNREACHABLE, address);
        return none;
    }
    if (memcmp(table.bytes, name, 4) != 0) {
        acpi_note(out, name, ACPI_BAD_SIGNATURE, address);
        return none;
    }
    table.length = acpi_u32(table, ACPI_HEADER_LENGTH);
    if (table.length < ACPI_HEADER_BYTES || table.length > TABLE_BYTES_MAX) {
        acpi_note(out, name, ACPI_BAD_LENGTH, table.length);
        return none;
    }
    table.bytes = memory->view(memory->context, address, table.length);
    if (table.bytes == NULL) {
        acpi_note(out, name, ACPI_BAD_LENGTH, table.length);
        return none;
    }
    if (!acpi_adds_up(table.bytes, table.length)) {
        acpi_note(out, name, ACPI_BAD_CHECKSUM, address);
        return none;
    }
    return table;
}

bool acpi_entry_has(struct acpi *out, const char *table, struct acpi_view entry,
                    uint32_t bytes)
{
    if (entry.length >= bytes)
        return true;
    acpi_note(out, table, ACPI_BAD_ENTRY, acpi_u8(entry, 0));
    return false;
}

bool acpi_next_entry(struct acpi *out, const char *table,
                     struct acpi_entries *entries, struct acpi_view *entry)
{
    if (entries->offset >= entries->table.length)
        return false;
    uint32_t left = entries->table.length - entries->offset;
    uint32_t length = acpi_u8(entries->table, entries->offset + 1);
    if (length < 2 || length > left) {
        acpi_note(out, table, ACPI_BAD_ENTRY, entries->offset);
        return false;
    }
    *entry = (struct acpi_view){entries->table.bytes + entries->offset, length};
    entries->offset += length;
    return true;
}
