/* What the firmware's tables say of this machine, read once. */
#ifndef KERNEL_FIRMWARE_H
#define KERNEL_FIRMWARE_H

#include "boot/boot_info.h"
#include "drivers/acpi.h"

/* Reads the ACPI tables, and names in the log those that are no good.  While
 * the early page tables stand, which show the first 4 GiB whatever is there. */
void firmware_read(const struct boot_info *info);

/* Hands on what the tables say of power and clocks, with the registers mapped
 * that lie in memory.  Once frames can be had. */
void firmware_use(void);

/* The node of memory at an address; 0 for what no table names. */
unsigned firmware_memory_node(paddr_t address);

/* What was read; all zeros but for one node if there are no tables. */
const struct acpi *firmware_acpi(void);

#endif
