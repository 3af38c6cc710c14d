/* Starting the other processors: Intel SDM, volume 3, section 8.4. */
#include "kernel/cpu/smp.h"

#include <stdatomic.h>
#include <stddef.h>

#include "drivers/clock.h"
#include "drivers/lapic.h"
#include "kernel/console/log.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/mtrr.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/plan.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/x86.h"
#include "kernel/trap/machine_check.h"
#include "kernel/trap/panic.h"
#include "kernel/trap/trap.h"
#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/kernel_space.h"

/* Wakes a CPU that waits for work. */
#define WAKE_VECTOR 0xf0

/* The manual's waits: 10 ms after INIT, 200 us after the first STARTUP. */
#define INIT_WAIT_US    10000
#define STARTUP_WAIT_US 200

/* How long to wait after the last CPU that came up. */
#define PATIENCE_MS 500
/* How long to wait for those that are tried again. */
#define AGAIN_MS 100
/* Until a CPU that is up takes its work: see PATIENCE_MS in request.c. */
#define WORK_PATIENCE_MS         10000
#define WORK_PATIENCE_MS_PER_CPU 1000

static const struct acpi *acpi;
static uint64_t start_us;

/* ---- The plan ---- */

/* What boot/start32.asm mapped. */
#define EARLY_MAPPED (4 * GIB)

static struct plan plan;

static const struct acpi_cpu *planned(unsigned number)
{
    return &acpi->cpu[plan.index[number]];
}

/* A startup interrupt's vector is a page number, and 0xa0 and up are not
 * allowed (section 8.4.3). */
#define TRAMPOLINE_LIMIT 0xa0000

/* The highest page of free memory that a startup interrupt can name, and that
 * has another one below it, or PADDR_NONE. */
static paddr_t find_page(const struct memory_map *map)
{
    for (unsigned i = map->count; i > 0; i--) {
        const struct memory_range *range = &map->range[i - 1];
        paddr_t end =
            range->end < TRAMPOLINE_LIMIT ? range->end : TRAMPOLINE_LIMIT;
        /* page 0 has the BIOS data area */
        paddr_t start = range->start > PAGE_SIZE ? range->start : PAGE_SIZE;
        if (range->type == MEMORY_LOW && end >= start + 2 * PAGE_SIZE)
            return end - PAGE_SIZE;
    }
    return PADDR_NONE;
}

/* Where the other CPUs start. */
static paddr_t trampoline = PADDR_NONE;

/* Both pages are taken out of the map for good, before anybody is given memory
 * by it: a CPU that comes late must still find the code. */
static void reserve_trampoline(struct memory_map *map)
{
    paddr_t page = find_page(map);
    if (page != PADDR_NONE &&
        memory_map_add(map, page - PAGE_SIZE, 2 * PAGE_SIZE, MEMORY_KERNEL) ==
            MM_OK)
        trampoline = page;
}

void smp_plan(const struct acpi *tables, unsigned at_most,
              struct memory_map *map)
{
    unsigned bits = cpu_get()->paddr_bits;
    struct plan_self self = {
        .apic_id = lapic_early_id(bits, EARLY_MAPPED),
        .wide = lapic_has_x2apic(),
        .lapic = lapic_address(bits),
    };
    acpi = tables;
    percpu_get(0)->apic_id = self.apic_id;
    plan_make(&plan, tables, &self, at_most);
    if (plan.count > 1)
        reserve_trampoline(map);
    percpu_set_count(plan.count);
    percpu_set_node(0, plan.node_of_first);
    for (unsigned i = 1; i < plan.count; i++)
        percpu_set_node(i, planned(i)->node);
}

/* ---- The local APIC ---- */

/* For boot/trampoline.asm: where each CPU is to have its local APIC, and where
 * the registers are mapped, or NULL for x2APIC. */
uint64_t smp_lapic_address;
void *smp_lapic_registers;

/* False, with a line in the log, if it cannot be reached. */
static bool map_lapic(void)
{
    void *registers = NULL;
    paddr_t address = lapic_address(cpu_get()->paddr_bits);
    if (!lapic_has_x2apic()) {
        enum mm_error error = kernel_space_map_device(
            address, LAPIC_BYTES, PAGE_UNCACHED, "local APIC", &registers);
        if (error != MM_OK) {
            log_line(LOG_ERROR, "smp", "cannot map the local APIC at 0x%lx: %s",
                     address, mm_error_text(error));
            return false;
        }
    }
    smp_lapic_address = address;
    smp_lapic_registers = registers;
    lapic_init(registers);
    lapic_enable();
    return true;
}

/* MADT, flags of an interrupt: bits 0 and 1 (section 5.2.12.5). */
#define POLARITY_MASK 3
#define ACTIVE_LOW    3

/* The pins that the tables say are NMI, on a CPU other than the first, whose
 * firmware has done it. */
static void connect_nmi(uint32_t uid)
{
    for (unsigned i = 0; i < acpi->nmi_count; i++) {
        const struct acpi_nmi *nmi = &acpi->nmi[i];
        if (nmi->uid == ACPI_ALL_CPUS || nmi->uid == uid)
            lapic_set_nmi_pin(nmi->pin,
                              (nmi->flags & POLARITY_MASK) == ACTIVE_LOW);
    }
}

/* ---- The trampoline ---- */

extern const char trampoline_start[], trampoline_end[];
extern const char trampoline_cr0[], trampoline_cr3[];

/* In the page below the code, because it is written while the code is
 * executable. */
struct trampoline_gate {
    _Atomic uint32_t entered, closed;
};

_Static_assert(sizeof(struct trampoline_gate) == 8, "as in trampoline.asm");

/* CPUs that have left the trampoline for the kernel's text. */
_Atomic uint32_t smp_passed;

static void fill_in(char *page, const char *word, uint64_t value)
{
    ASSERT(value <= UINT32_MAX, "0x%lx is past 4 GiB", value);
    uint32_t short_value = (uint32_t)value;
    memcpy(page + (word - trampoline_start), &short_value, sizeof(uint32_t));
}

static void copy_trampoline(paddr_t where)
{
    char *page = phys_to_virt(where);
    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    fill_in(page, trampoline_cr0, read_cr0());
    fill_in(page, trampoline_cr3, kernel_space_table()->root);
}

static struct trampoline_gate *gate_of(paddr_t where)
{
    return phys_to_virt(where - PAGE_SIZE);
}

/* What the direct map lets one do with the page. */
static enum mm_error protect_trampoline(paddr_t where, unsigned flags)
{
    return page_protect(kernel_space_table(), (vaddr_t)phys_to_virt(where),
                        PAGE_SIZE, flags | PAGE_GLOBAL);
}

static void make_writable(paddr_t where)
{
    enum mm_error error = protect_trampoline(where, PAGE_WRITE);
    ASSERT(error == MM_OK, "%s", mm_error_name(error));
}

/* Where it lies is where it is mapped, for as long as CPUs are started: the one
 * time that anything is in the low half.  No address lets one write to it while
 * it is executable: what the CPU that starts writes there, it writes before it
 * has paging. */
static enum mm_error show_trampoline(paddr_t where)
{
    *gate_of(where) = (struct trampoline_gate){0, 0};
    copy_trampoline(where);
    enum mm_error error = protect_trampoline(where, 0);
    if (error != MM_OK)
        return error;
    error =
        page_map(kernel_space_table(), where, where, PAGE_SIZE, PAGE_EXECUTE);
    if (error != MM_OK)
        make_writable(where);
    return error;
}

/* Nobody gets into the page any more, and all who were in it have left: also
 * those that are not taken, and come when they like.  A CPU counts itself in
 * and then looks whether it is closed, and this closes it and then looks who is
 * in: both in sequentially consistent order, so one sees the other. */
static bool close_trampoline(paddr_t where)
{
    struct trampoline_gate *gate = gate_of(where);
    struct clock_limit limit = clock_limit_in_ms(PATIENCE_MS);
    atomic_store(&gate->closed, 1);
    while (atomic_load(&gate->entered) != atomic_load(&smp_passed)) {
        if (clock_has_passed(&limit))
            return false;
        platform_relax();
    }
    return true;
}

static void hide_trampoline(paddr_t where)
{
    if (!close_trampoline(where)) {
        log_line(LOG_WARNING, "smp",
                 "page 0x%lx stays mapped: a CPU is on its way there", where);
        return;
    }
    enum mm_error error = page_unmap(kernel_space_table(), where, PAGE_SIZE);
    ASSERT(error == MM_OK, "%s", mm_error_name(error));
    make_writable(where);
}

/* ---- On the CPU that starts ---- */

/* What boot/trampoline.asm looks itself up in.  A place is claimed by one
 * exchange: of two processors that read the same identifier, the later one
 * finds it taken, and sleeps. */
struct smp_place {
    uint32_t apic_id, number;
    vaddr_t stack;
    _Atomic uint64_t claimed;
};

_Static_assert(sizeof(struct smp_place) == 24, "as in boot/trampoline.asm");

struct smp_place smp_places[PLATFORM_CPUS_MAX];
uint32_t smp_place_count;

/* Processors that found their place taken. */
_Atomic uint32_t smp_late;

static struct percpu_controls read_controls(void)
{
    return (struct percpu_controls){
        .cr0 = read_cr0(),
        .cr4 = read_cr4(),
        .efer = read_msr(MSR_EFER),
        .pat = cpu_get()->has[CPU_PAT] ? read_msr(PAGE_PAT_MSR) : 0,
    };
}

_Noreturn static void wait_for_work(struct percpu *this)
{
    for (;;) {
        /* acquire: the argument, and what it points at, was written before */
        void (*work)(void *) =
            atomic_load_explicit(&this->work, memory_order_acquire);
        if (work == NULL) {
            trap_wait();
            continue;
        }
        request_resume();
        /* relaxed: only that the work was taken */
        atomic_store_explicit(&this->working, true, memory_order_relaxed);
        work(this->argument);
        request_idle();
        atomic_store_explicit(&this->working, false, memory_order_relaxed);
        /* release: all that the function wrote is seen by who waits */
        atomic_store_explicit(&this->work, NULL, memory_order_release);
    }
}

void smp_enter(uint32_t number)
{
    struct percpu *this = percpu_get(number);
    percpu_enter(this);
    percpu_load_gdt();
    cpu_init();
    machine_check_init();
    lapic_enable();
    this->apic_id = lapic_id(); /* what interrupts for it are sent to */
    connect_nmi(planned(number)->uid);
    this->mtrrs_were_set = mtrr_adopt();
    this->controls = read_controls();
    request_resume();
    request_idle();
    wait_for_work(this);
}

/* ---- On CPU 0 ---- */

static bool is_up(unsigned number)
{
    const struct percpu *percpu = percpu_get(number);
    /* acquire: its control registers were written before */
    return percpu != NULL &&
           atomic_load_explicit(&percpu->state, memory_order_acquire) !=
               PERCPU_OFF;
}

static void make_all(void)
{
    smp_place_count = 0;
    for (unsigned i = 1; i < percpu_count(); i++) {
        const struct acpi_cpu *cpu = planned(i);
        enum mm_error error = percpu_create(i, cpu->apic_id);
        if (error != MM_OK) {
            log_line(LOG_ERROR, "smp", "no stacks for CPU %u: %s", i,
                     mm_error_text(error));
            continue;
        }
        smp_places[smp_place_count++] = (struct smp_place){
            cpu->apic_id, i, percpu_get(i)->stack_top[STACK_BOOT], 0};
    }
}

/* Until all are up, or none came for so long. */
static void wait_for_all(uint64_t patience_ms)
{
    unsigned seen = 0;
    struct clock_limit limit = clock_limit_in_ms(patience_ms);
    while (!clock_has_passed(&limit)) {
        unsigned up = percpu_count_up();
        if (up == smp_place_count + 1)
            return;
        if (up > seen)
            limit = clock_limit_in_ms(patience_ms);
        seen = up;
        platform_relax();
    }
}

/* The second STARTUP is for CPUs that missed the first; a CPU that runs does
 * not hear it. */
static void start_all(uint8_t page)
{
    lapic_send_init_to_others();
    clock_wait_us(INIT_WAIT_US);
    lapic_send_startup_to_others(page);
    clock_wait_us(STARTUP_WAIT_US);
    if (percpu_count_up() < smp_place_count + 1)
        lapic_send_startup_to_others(page);
    wait_for_all(PATIENCE_MS);
}

static void name_again(unsigned number, uint32_t id)
{
    if (is_up(number))
        log_line(LOG_WARNING, "smp", "CPU %u came up at the second try",
                 number);
    else
        log_line(LOG_ERROR, "smp",
                 "CPU %u, APIC ID %u, does not start; going on without it",
                 number, id);
}

static void startup_each(const bool *missing, uint8_t page)
{
    for (unsigned i = 0; i < smp_place_count; i++)
        if (missing[i] && !is_up(smp_places[i].number))
            lapic_send_startup(smp_places[i].apic_id, page);
    clock_wait_us(STARTUP_WAIT_US);
}

/* Those that are missing are tried by name, all in the same waits: a machine
 * may list dozens that are not there.  INIT takes them off whatever place they
 * had claimed.  Where two processors have one identifier, an INIT could hit one
 * that runs: then nobody is tried again. */
static void start_missing(uint8_t page)
{
    static bool missing[PLATFORM_CPUS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < smp_place_count; i++) {
        missing[i] = !is_up(smp_places[i].number);
        count += missing[i];
    }
    if (count > 0 && atomic_load(&smp_late) == 0) {
        for (unsigned i = 0; i < smp_place_count; i++)
            if (missing[i])
                lapic_send_init(smp_places[i].apic_id);
        clock_wait_us(INIT_WAIT_US);
        for (unsigned i = 0; i < smp_place_count; i++)
            if (missing[i])
                atomic_store(&smp_places[i].claimed, 0);
        startup_each(missing, page);
        startup_each(missing, page);
        wait_for_all(AGAIN_MS);
    }
    for (unsigned i = 0; i < smp_place_count; i++)
        if (missing[i])
            name_again(smp_places[i].number, smp_places[i].apic_id);
}

static void compare(unsigned number, const char *name, uint64_t its,
                    uint64_t ours)
{
    if (its != ours)
        log_line(LOG_ERROR, "smp", "CPU %u: %s is 0x%lx, CPU 0 has 0x%lx",
                 number, name, its, ours);
}

static void check_controls(unsigned number)
{
    const struct percpu_controls *its = &percpu_get(number)->controls;
    const struct percpu_controls *ours = &percpu_get(0)->controls;
    compare(number, "CR0", its->cr0, ours->cr0);
    compare(number, "CR4", its->cr4, ours->cr4);
    compare(number, "EFER", its->efer, ours->efer);
    compare(number, "PAT", its->pat, ours->pat);
}

static void start_and_check(paddr_t where)
{
    uint8_t page = (uint8_t)(where / PAGE_SIZE);
    unsigned mtrrs_set = 0;
    start_all(page);
    start_missing(page);
    uint32_t late = atomic_load(&smp_late);
    if (late > 0)
        log_line(LOG_WARNING, "smp",
                 "%u processors have an APIC ID that another has: they sleep",
                 late);
    for (unsigned i = 1; i < percpu_count(); i++) {
        if (!is_up(i))
            continue;
        check_controls(i);
        mtrrs_set += percpu_get(i)->mtrrs_were_set;
    }
    if (mtrrs_set > 0)
        log_line(LOG_INFO, "smp", "%u CPUs were given the MTRRs of CPU 0",
                 mtrrs_set);
}

void smp_start(void)
{
    percpu_get(0)->controls = read_controls();
    if (percpu_count() == 1)
        return;
    mtrr_take();
    uint64_t per_ms = clock_ticks_per_ms(), begin = clock_ticks();
    if (trampoline == PADDR_NONE) {
        log_line(LOG_ERROR, "smp",
                 "no two free pages below 1 MiB: only one CPU is used");
        return;
    }
    if (!map_lapic())
        return;
    make_all();
    enum mm_error error = show_trampoline(trampoline);
    if (error != MM_OK) {
        log_line(LOG_ERROR, "smp", "cannot map page 0x%lx: %s", trampoline,
                 mm_error_text(error));
        return;
    }
    start_and_check(trampoline);
    hide_trampoline(trampoline);
    if (per_ms != 0)
        start_us = (clock_ticks() - begin) * 1000 / per_ms;
    log_line(LOG_INFO, "smp",
             "%u of %u CPUs are up after %lu us, %s, start "
             "page 0x%lx",
             percpu_count_up(), percpu_count(), start_us,
             lapic_is_x2apic() ? "x2APIC" : "xAPIC", trampoline);
}

void smp_stats(struct smp_stats *stats)
{
    stats->planned = percpu_count();
    stats->up = percpu_count_up();
    stats->start_us = start_us;
}

/* ---- Work ---- */

static void give_work(struct percpu *percpu, void (*function)(void *),
                      void *argument)
{
    percpu->argument = argument;
    /* release: the argument, and what it points at, comes before */
    atomic_store_explicit(&percpu->work, function, memory_order_release);
    if (!lapic_send(percpu->apic_id, WAKE_VECTOR))
        panic("the local APIC does not wake CPU %u", percpu->number);
}

static bool is_working(const struct percpu *percpu)
{
    /* acquire: what the function wrote is seen here once it has ended */
    return atomic_load_explicit(&percpu->work, memory_order_acquire) != NULL;
}

/* The time until it begins is bounded; how long it works is its own affair. */
static void wait_for_end(const struct percpu *percpu)
{
    struct clock_limit limit = clock_limit_in_ms(
        WORK_PATIENCE_MS + percpu_count() * WORK_PATIENCE_MS_PER_CPU);
    while (is_working(percpu)) {
        /* relaxed: a flag for this message alone */
        if (!atomic_load_explicit(&percpu->working, memory_order_relaxed) &&
            clock_has_passed(&limit) && is_working(percpu))
            panic("CPU %u does not take its work", percpu->number);
        platform_relax();
    }
}

void smp_run_on_all(void (*function)(void *argument), void *argument)
{
    ASSERT(platform_cpu() == 0, "CPU %u", platform_cpu());
    for (unsigned i = 1; i < percpu_count(); i++)
        if (is_up(i))
            give_work(percpu_get(i), function, argument);
    function(argument);
    for (unsigned i = 1; i < percpu_count(); i++)
        if (is_up(i))
            wait_for_end(percpu_get(i));
}

bool smp_interrupt(uint64_t vector)
{
    if (vector == WAKE_VECTOR)
        lapic_end_of_interrupt();
    return vector == WAKE_VECTOR || vector == LAPIC_SPURIOUS_VECTOR;
}
