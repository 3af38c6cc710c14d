/* What the firmware's tables say about this machine.  They are read once. */
#ifndef KERNEL_FIRMWARE_H
#define KERNEL_FIRMWARE_H

#include "boot/boot_info.h"
#include "drivers/acpi.h"

/* Reads the ACPI tables, and logs what is wrong with them.  Must come before
 * kernel_space_init, because only the early page tables map all of the first 4
 * GiB. */
void firmware_read(const struct boot_info *info);

/* Passes on what the tables say about power and clocks; maps the registers that
 * lie in memory.  After frame_init. */
void firmware_use(void);

/* The node of the memory at an address; 0 if no table names it. */
unsigned firmware_memory_node(paddr_t address);

/* What was read.  If there are no tables, all zeros except that there is one
 * node. */
const struct acpi *firmware_acpi(void);

#endif
