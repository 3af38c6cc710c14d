/* Choosing the processors to start: see kernel/cpu/plan.h. */
#include "kernel/cpu/plan.h"

#include <stddef.h>

#include "kernel/console/log.h"

/* An identifier of 8 bits; 0xff addresses all.  Intel SDM, volume 3, section
 * 10.6.2.1. */
#define XAPIC_ID_MAX 0xfe

/* A command to an identifier that does not fit would go to another CPU: its low
 * byte may be the boot CPU's own. */
static bool can_be_addressed(uint32_t apic_id, const struct plan_self *self)
{
    return self->wide || apic_id <= XAPIC_ID_MAX;
}

static void name_unfit(const struct acpi_cpu *cpu)
{
    if (cpu->entries > 1)
        log_line(LOG_WARNING, "smp",
                 "%u entries of the MADT have APIC ID 0x%x, which this "
                 "machine's 8-bit APICs cannot address: they are left out",
                 cpu->entries, cpu->apic_id);
    else
        log_line(LOG_WARNING, "smp",
                 "the MADT has a processor with APIC ID 0x%x, which this "
                 "machine's 8-bit APICs cannot address: it is left out",
                 cpu->apic_id);
}

static void name_double(const struct acpi_cpu *cpu)
{
    if (cpu->entries > 1)
        log_line(LOG_WARNING, "smp",
                 "%u entries of the MADT have APIC ID %u: they count as one "
                 "processor",
                 cpu->entries, cpu->apic_id);
}

static void compare_with_self(const struct acpi *tables,
                              const struct plan_self *self, bool found_self)
{
    if (!tables->has_madt)
        return;
    if (!found_self)
        log_line(LOG_WARNING, "smp",
                 "the MADT does not name the boot CPU, whose APIC ID is %u; "
                 "it is CPU 0 all the same",
                 self->apic_id);
    if (tables->lapic != self->lapic && !self->wide)
        log_line(LOG_WARNING, "smp",
                 "the MADT says that the local APIC is at 0x%lx, MSR 0x1b says "
                 "0x%lx: the MSR counts",
                 tables->lapic, self->lapic);
}

void plan_make(struct plan *plan, const struct acpi *tables,
               const struct plan_self *self, unsigned at_most)
{
    unsigned left = tables->cpus_left;
    bool found_self = false;

    plan->count = 1;
    plan->node_of_first = 0;
    if (at_most > PLATFORM_CPUS_MAX)
        at_most = PLATFORM_CPUS_MAX;
    for (unsigned i = 0; i < tables->cpu_count; i++) {
        const struct acpi_cpu *cpu = &tables->cpu[i];

        if (!can_be_addressed(cpu->apic_id, self)) {
            name_unfit(cpu);
            continue;
        }
        name_double(cpu);
        if (cpu->apic_id == self->apic_id) {
            plan->node_of_first = cpu->node;
            found_self = true;
        } else if (plan->count < at_most) {
            plan->index[plan->count++] = (uint16_t)i;
        } else {
            log_line(LOG_WARNING, "smp",
                     "the processor with APIC ID %u is not used: %u are",
                     cpu->apic_id, at_most);
            left++;
        }
    }
    if (left > 0)
        log_line(LOG_WARNING, "smp", "%u processors are not used", left);
    compare_with_self(tables, self, found_self);
}
