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

/* Of each kind so many are named, and the rest counted: a table may list a
 * thousand. */
#define NAMED_MAX 8

struct counts {
    unsigned unfit, doubled, unused;
};

static void name_rest(unsigned count, const char *what)
{
    if (count > NAMED_MAX)
        log_line(LOG_WARNING, "smp", "and %u APIC IDs more %s",
                 count - NAMED_MAX, what);
}

static void name_unfit(const struct acpi_cpu *cpu, struct counts *counts)
{
    if (++counts->unfit > NAMED_MAX)
        return;
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

static void name_double(const struct acpi_cpu *cpu, struct counts *counts)
{
    if (cpu->entries > 1 && ++counts->doubled <= NAMED_MAX)
        log_line(LOG_WARNING, "smp",
                 "%u entries of the MADT have APIC ID %u: they count as one "
                 "processor",
                 cpu->entries, cpu->apic_id);
}

static void name_unused(const struct acpi_cpu *cpu, struct counts *counts,
                        unsigned at_most)
{
    if (++counts->unused <= NAMED_MAX)
        log_line(LOG_WARNING, "smp",
                 "the processor with APIC ID %u is not used: %u are",
                 cpu->apic_id, at_most);
}

static void compare_with_self(const struct acpi *tables,
                              const struct plan_self *self, bool found_self)
{
    if (tables->found && !tables->has_madt)
        log_line(LOG_WARNING, "smp",
                 "no MADT tells of processors: only the boot CPU is used");
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
    struct counts counts = {0, 0, 0};
    bool found_self = false;

    plan->count = 1;
    plan->node_of_first = 0;
    if (at_most > PLATFORM_CPUS_MAX)
        at_most = PLATFORM_CPUS_MAX;
    for (unsigned i = 0; i < tables->cpu_count; i++) {
        const struct acpi_cpu *cpu = &tables->cpu[i];

        if (!can_be_addressed(cpu->apic_id, self)) {
            name_unfit(cpu, &counts);
            continue;
        }
        name_double(cpu, &counts);
        if (cpu->apic_id == self->apic_id) {
            plan->node_of_first = cpu->node;
            found_self = true;
        } else if (plan->count < at_most) {
            plan->index[plan->count++] = (uint16_t)i;
        } else {
            name_unused(cpu, &counts, at_most);
        }
    }
    name_rest(counts.unfit, "cannot be addressed: they are left out");
    name_rest(counts.doubled, "have several entries: each is one processor");
    if (counts.unused > 1 || tables->cpus_left > 0)
        log_line(LOG_WARNING, "smp", "%u processors are not used",
                 counts.unused + tables->cpus_left);
    compare_with_self(tables, self, found_self);
}
