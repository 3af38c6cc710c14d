#include "tests/host/acpi_machine.h"

#include <stdlib.h>
#include <string.h>

uint8_t machine[MACHINE_BYTES];

#define COPIES_MAX 4096

static void *copies[COPIES_MAX];
static unsigned copy_count;

void machine_forget(void)
{
    while (copy_count > 0)
        free(copies[--copy_count]);
}

static const uint8_t *view(void *context, paddr_t address, uint64_t bytes)
{
    (void)context;
    if (address > MACHINE_BYTES || bytes > MACHINE_BYTES - address ||
        copy_count == COPIES_MAX)
        return NULL;
    void *copy = malloc(bytes);
    memcpy(copy, machine + address, bytes);
    copies[copy_count++] = copy;
    return copy;
}

const struct acpi_memory machine_memory = {view, NULL};

void machine_clear(void)
{
    memset(machine, 0, sizeof machine);
}

void machine_sum(uint32_t address, uint32_t length, uint32_t offset)
{
    uint8_t sum = 0;
    machine[address + offset] = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + machine[address + i]);
    machine[address + offset] = (uint8_t)-sum;
}

void machine_table(uint32_t address, const char *signature, const void *body,
                   uint32_t bytes)
{
    uint32_t length = 36 + bytes;
    memset(machine + address, 0, 36);
    memcpy(machine + address, signature, 4);
    memcpy(machine + address + 4, &length, 4);
    machine[address + 8] = 3; /* a revision of ACPI 4.0 and later */
    if (bytes > 0)
        memcpy(machine + address + 36, body, bytes);
    machine_sum(address, length, 9);
}

void machine_rsdp(uint32_t address, uint32_t rsdt, uint64_t xsdt)
{
    static const uint32_t length = 36;
    uint8_t *rsdp = machine + address;
    memset(rsdp, 0, 36);
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + 16, &rsdt, 4);
    if (xsdt != 0) {
        rsdp[15] = 2;
        memcpy(rsdp + 20, &length, 4);
        memcpy(rsdp + 24, &xsdt, 8);
    }
    machine_sum(address, 20, 8);
    if (xsdt != 0)
        machine_sum(address, 36, 32);
}

void machine_rsdt(uint32_t address, const uint32_t *tables, unsigned count)
{
    machine_table(address, "RSDT", tables, count * 4);
}

void machine_xsdt(uint32_t address, const uint64_t *tables, unsigned count)
{
    machine_table(address, "XSDT", tables, count * 8);
}
