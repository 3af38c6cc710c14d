/* Which processors of the tables are to be started: kernel/cpu/smp.c does what
 * is planned here.  Nothing here touches a register, so the host tests it. */
#ifndef KERNEL_CPU_PLAN_H
#define KERNEL_CPU_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/acpi.h"
#include "mm/platform.h"

/* What the boot CPU knows of itself. */
struct plan_self {
    uint32_t apic_id; /* by its local APIC */
    bool wide;        /* x2APIC: identifiers of 32 bits can be addressed */
    paddr_t lapic;    /* where MSR 0x1b says that the registers are */
};

struct plan {
    unsigned count; /* of CPUs, the boot CPU included */
    /* index[n] is CPU n's place in the tables' list; index[0] is not used */
    uint16_t index[PLATFORM_CPUS_MAX];
    unsigned node_of_first; /* index in acpi.domain */
};

/* Chooses at most that many, and names in the log what is left out, and where
 * the tables contradict the boot CPU. */
void plan_make(struct plan *plan, const struct acpi *tables,
               const struct plan_self *self, unsigned at_most);

#endif
