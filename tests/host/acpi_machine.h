/* ACPI tables in a little physical memory, for tests of drivers/acpi.c: with
 * their checksums, where the test wants them. */
#ifndef TESTS_HOST_ACPI_MACHINE_H
#define TESTS_HOST_ACPI_MACHINE_H

#include <stdint.h>

#include "drivers/acpi.h"

/* The machine's memory: from 0 on, all of it there but for the hole. */
#define MACHINE_BYTES 0x200000u
extern uint8_t machine[MACHINE_BYTES];

/* A door to it that shows copies of just the bytes that were asked for, so that
 * the sanitizer sees any read past them. */
extern const struct acpi_memory machine_memory;

/* Empty memory. */
void machine_clear(void);

/* Ends the copies that machine_memory has shown. */
void machine_forget(void);

/* Puts a table there: the header, its length, and the body behind it. */
void machine_table(uint32_t address, const char *signature, const void *body,
                   uint32_t bytes);

/* Makes the sum of `length` bytes 0 by the byte at `offset`. */
void machine_sum(uint32_t address, uint32_t length, uint32_t offset);

/* A root pointer: of revision 0 if xsdt is 0, else of revision 2. */
void machine_rsdp(uint32_t address, uint32_t rsdt, uint64_t xsdt);

/* Root tables of so many addresses. */
void machine_rsdt(uint32_t address, const uint32_t *tables, unsigned count);
void machine_xsdt(uint32_t address, const uint64_t *tables, unsigned count);

#endif
