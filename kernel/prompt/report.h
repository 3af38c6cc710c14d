/* The report: what the machine is and how its memory is used, on one screen. */
#ifndef KERNEL_PROMPT_REPORT_H
#define KERNEL_PROMPT_REPORT_H

#include "boot/boot_info.h"

/* Notes the time at which the kernel began. */
void report_begin(void);

void report_print(const struct boot_info *info);

/* Prints which frames are free, and how scattered they are. */
void report_print_frames(void);

/* Prints the part that changes: memory map, frames and heap. */
void report_print_memory(const struct boot_info *info);

/* Prints the processors one by one: for the command `cpus`. */
void report_print_cpus(void);

#endif
