/* All processors, as far as they have come up. */
#include <stdatomic.h>

#include "drivers/lapic.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/mtrr.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/cpu/x86.h"
#include "kernel/firmware.h"
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/cpu/cpu_section.h"
#include "mm/frame.h"
#include "mm/page/entry.h"

static _Atomic unsigned seen[PLATFORM_CPUS_MAX];

static void see(void *argument)
{
    (void)argument;
    atomic_fetch_add(&seen[platform_cpu()], 1);
}

SELFTEST(smp, each_cpu_works_once)
{
    memset((void *)seen, 0, sizeof(seen));
    smp_run_on_all(see, NULL);
    unsigned up = 0;
    for (unsigned i = 0; i < PLATFORM_CPUS_MAX; i++) {
        EXPECT(seen[i] <= 1, "CPU %u ran it %u times", i, seen[i]);
        up += seen[i];
    }
    EXPECT(up == percpu_count_up(), "%u of %u CPUs", up, percpu_count_up());
}

SELFTEST(smp, all_planned_cpus_are_up)
{
    struct smp_stats stats;
    smp_stats(&stats);
    EXPECT(stats.up == stats.planned, "%u of %u", stats.up, stats.planned);
}

/* Each reads its own; CPU 0 compares. */
static struct percpu_controls controls[PLATFORM_CPUS_MAX];
static uint64_t stack_of[PLATFORM_CPUS_MAX];

static void read_controls(void *argument)
{
    (void)argument;
    unsigned self = platform_cpu();
    controls[self] = (struct percpu_controls){
        read_cr0(), read_cr4(), read_msr(MSR_EFER),
        cpu_get()->has[CPU_PAT] ? read_msr(PAGE_PAT_MSR) : 0};
    stack_of[self] = (uint64_t)__builtin_frame_address(0);
}

SELFTEST(smp, control_bits_are_those_of_the_first)
{
    smp_run_on_all(read_controls, NULL);
    for (unsigned i = 1; i < percpu_count(); i++) {
        const struct percpu *cpu = percpu_get(i);
        if (cpu == NULL || cpu->state == PERCPU_OFF)
            continue;
        EXPECT(controls[i].cr0 == controls[0].cr0, "CPU %u: CR0 0x%lx", i,
               controls[i].cr0);
        EXPECT(controls[i].cr4 == controls[0].cr4, "CPU %u: CR4 0x%lx", i,
               controls[i].cr4);
        EXPECT(controls[i].efer == controls[0].efer, "CPU %u: EFER 0x%lx", i,
               controls[i].efer);
        EXPECT(controls[i].pat == controls[0].pat, "CPU %u: PAT 0x%lx", i,
               controls[i].pat);
    }
}

SELFTEST(smp, each_cpu_has_a_stack_of_its_own)
{
    smp_run_on_all(read_controls, NULL);
    for (unsigned i = 0; i < percpu_count(); i++) {
        const struct percpu *cpu = percpu_get(i);
        if (cpu == NULL || cpu->state == PERCPU_OFF)
            continue;
        EXPECT(cpu->stack_top[STACK_BOOT] - stack_of[i] < STACK_BYTES,
               "CPU %u runs at 0x%lx, its stack ends at 0x%lx", i, stack_of[i],
               cpu->stack_top[STACK_BOOT]);
        vaddr_t guard = cpu->stack_top[STACK_BOOT] - STACK_BYTES - 1;
        EXPECT(page_translate(kernel_space_table(), guard) == PADDR_NONE,
               "CPU %u: the page below its stack is mapped", i);
    }
}

/* ---- The NMI pin ---- */

static _Atomic unsigned looked_at, not_connected;

/* Of CPU 0 it is the firmware's. */
static void look_at_pins(void *argument)
{
    const struct acpi *acpi = argument;
    for (unsigned i = 0; i < acpi->nmi_count; i++) {
        const struct acpi_nmi *nmi = &acpi->nmi[i];
        if (platform_cpu() == 0 || nmi->uid != ACPI_ALL_CPUS)
            continue;
        looked_at++;
        not_connected += !lapic_has_nmi_pin(nmi->pin, (nmi->flags & 3) == 3);
    }
}

SELFTEST(smp, the_machines_nmi_reaches_each_cpu)
{
    looked_at = not_connected = 0;
    smp_run_on_all(look_at_pins, (void *)(uintptr_t)firmware_acpi());
    EXPECT(not_connected == 0, "%u of %u pins", not_connected, looked_at);
}

/* ---- The trampoline ---- */

extern const char trampoline_start[];

static bool has_trampoline(paddr_t page)
{
    return memcmp(phys_to_virt(page), trampoline_start, 16) == 0;
}

/* A CPU that comes late must still find it, and the page below with its gate.
 */
SELFTEST(smp, nobody_is_given_the_trampoline)
{
    static paddr_t low[MIB / PAGE_SIZE];
    unsigned count = 0, wrong = 0, errors = 0;
    while (count < MIB / PAGE_SIZE &&
           frame_alloc_below(FRAME_4K, MIB, &low[count]) == MM_OK)
        count++;
    for (unsigned i = 0; i < count; i++) {
        wrong += has_trampoline(low[i]) || has_trampoline(low[i] + PAGE_SIZE);
        errors += frame_free(low[i]) != MM_OK;
    }
    EXPECT(wrong == 0 && errors == 0,
           "%u of its pages are among %u, %u could not be freed", wrong, count,
           errors);
}

/* ---- MTRRs ---- */

#define MSR_LAST_MASK (0x200u + 2 * 7 + 1) /* of the eighth pair */

static _Atomic unsigned different, not_set;

static void compare_mtrrs(void *argument)
{
    (void)argument;
    different += !mtrr_is_same();
}

/* A pair that is not valid may hold anything. */
static void spoil_mtrrs(void *argument)
{
    (void)argument;
    uint64_t mask = read_msr(MSR_LAST_MASK);
    if (platform_cpu() == 0 || mask & 0x800)
        return;
    write_msr(MSR_LAST_MASK, mask ^ 0x1000);
    not_set += mtrr_is_same() || !mtrr_adopt() || !mtrr_is_same();
}

SELFTEST(smp, mtrrs_are_those_of_the_first)
{
    if (percpu_count() == 1)
        return;
    different = not_set = 0;
    smp_run_on_all(compare_mtrrs, NULL);
    EXPECT(different == 0, "%u CPUs have others", different);
    if ((cpuid(1, 0).edx & 1u << 12) && (read_msr(0xfe) & 0xff) == 8) {
        smp_run_on_all(spoil_mtrrs, NULL);
        EXPECT(not_set == 0, "%u CPUs did not take those of CPU 0", not_set);
    }
}

/* ---- mm/cpu/cpu_section.h with real CPUs ---- */

/* Each CPU's owner adds to its counters in two steps; CPU 0 stops it and must
 * find them equal. */
static struct guarded {
    struct cpu_section section;
    volatile uint64_t first, second;
    uint64_t entered;
} __attribute__((aligned(64))) guarded[PLATFORM_CPUS_MAX];

static _Atomic bool over;
static _Atomic unsigned inside; /* CPUs that have been in */
static unsigned unequal, not_stopped;

/* However seldom the host runs that CPU. */
static bool stops(const struct cpu_section *section)
{
    enum { TRIES = 100 };
    for (unsigned i = 0; i < TRIES; i++)
        if (cpu_section_wait(section))
            return true;
    return false;
}

static void stop_everyone(void)
{
    enum { TURNS = 10 };
    while (atomic_load(&inside) < percpu_count_up() - 1)
        platform_relax();
    for (unsigned turn = 0; turn < TURNS; turn++) {
        for (unsigned i = 1; i < percpu_count(); i++)
            cpu_section_ask(&guarded[i].section);
        platform_fence_cpus();
        for (unsigned i = 1; i < percpu_count(); i++) {
            not_stopped += !stops(&guarded[i].section);
            unequal += guarded[i].first != guarded[i].second;
            guarded[i].first++; /* what a stopper may take, it may change */
            guarded[i].second++;
            unequal += guarded[i].first != guarded[i].second;
            cpu_section_release(&guarded[i].section);
        }
    }
    atomic_store(&over, true);
}

static void enter_and_leave(void *argument)
{
    (void)argument;
    struct guarded *own = &guarded[platform_cpu()];
    if (platform_cpu() == 0) {
        stop_everyone();
        return;
    }
    while (!atomic_load(&over)) {
        if (!cpu_section_enter(&own->section)) {
            platform_relax();
            continue;
        }
        own->first++;
        own->second++;
        cpu_section_leave(&own->section);
        if (own->entered++ == 0)
            atomic_fetch_add(&inside, 1);
    }
}

SELFTEST(smp, a_section_can_be_stopped)
{
    memset(guarded, 0, sizeof(guarded));
    over = false;
    inside = 0;
    unequal = not_stopped = 0;
    smp_run_on_all(enter_and_leave, NULL);
    EXPECT(unequal == 0 && not_stopped == 0,
           "%u sections were entered while stopped, %u did not stop", unequal,
           not_stopped);
}
