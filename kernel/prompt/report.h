/* The report: what the machine is and how its memory is used, on a screen. */
#ifndef KERNEL_PROMPT_REPORT_H
#define KERNEL_PROMPT_REPORT_H

#include "boot/boot_info.h"

/* Takes the time at which the kernel began. */
void report_begin(void);

void report_print(const struct boot_info *info);

/* Frames: what is free in which sizes, and how scattered it is. */
void report_print_frames(void);

/* What of it changes: the memory map in use, frames and heap. */
void report_print_memory(const struct boot_info *info);

/* The part about processors, one by one: for the command `cpus`. */
void report_print_cpus(void);

#endif
