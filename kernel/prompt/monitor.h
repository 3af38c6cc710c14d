/* The prompt: a table of commands. */
#ifndef KERNEL_PROMPT_MONITOR_H
#define KERNEL_PROMPT_MONITOR_H

#include "boot/boot_info.h"

/* Reads commands and runs them, for ever. */
_Noreturn void monitor_run(const struct boot_info *info);

#endif
