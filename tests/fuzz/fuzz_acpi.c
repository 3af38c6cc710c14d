/* libFuzzer entry: arbitrary bytes as ACPI tables.
 *
 * The first byte chooses: raw bytes as the memory of a BIOS, where nearly
 * nothing has a good checksum; or the bodies of good tables, one after the
 * other, each a byte for its kind and two for its length. */
/* sources: drivers/acpi.c drivers/acpi_table.c drivers/acpi_madt.c */
/* sources: drivers/acpi_srat.c drivers/acpi_fadt.c tests/host/acpi_machine.c */
/* sources: lib/format.c */
#include <stddef.h>
#include <string.h>

#include "lib/assert.h"
#include "tests/host/acpi_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RSDP = 0xf0000, XSDT = 0x100000, TABLES = 0x110000 };

static struct acpi acpi;

static void put_tables(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"APIC", "SRAT", "FACP", "DSDT",
                                        "HPET", "SSDT", "XXXX", "RSDT"};
    uint64_t tables[ACPI_TABLES_MAX + 8];
    unsigned count = 0;
    uint32_t at = TABLES;
    while (size >= 3 && count < ACPI_TABLES_MAX + 8 &&
           at < MACHINE_BYTES - 0x11000) {
        size_t length = data[1] | (size_t)data[2] << 8;
        if (length > size - 3)
            length = size - 3;
        machine_table(at, names[data[0] & 7], data + 3, (uint32_t)length);
        tables[count++] = at;
        at += (uint32_t)(36 + length + 15) & ~15u;
        data += 3 + length;
        size -= 3 + length;
    }
    machine_xsdt(XSDT, tables, count);
    machine_rsdp(RSDP, 0, XSDT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    machine_clear();
    if (data[0] & 1)
        put_tables(data + 1, size - 1);
    else
        memcpy(machine + RSDP, data + 1,
               size - 1 < 0x10000 ? size - 1 : 0x10000);
    acpi_read(&acpi, &machine_memory, NULL, 0);
    machine_forget();
    ASSERT(acpi.cpu_count <= ACPI_CPUS_MAX, "%u", acpi.cpu_count);
    ASSERT(acpi.node_count >= 1 && acpi.node_count <= ACPI_NODES_MAX, "%u",
           acpi.node_count);
    for (unsigned i = 0; i < acpi.cpu_count; i++)
        ASSERT(acpi.cpu[i].node < acpi.node_count, "%u", acpi.cpu[i].node);
    for (unsigned i = 0; i < acpi.node_memory_count; i++)
        ASSERT(acpi.node_memory[i].start < acpi.node_memory[i].end &&
                   acpi.node_memory[i].node < acpi.node_count,
               "%u", i);
    ASSERT(acpi.power.s5_a <= 7 && acpi.power.s5_b <= 7, "%u, %u",
           acpi.power.s5_a, acpi.power.s5_b);
    return 0;
}
