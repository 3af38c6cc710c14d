/* Reads the ACPI tables, reports what is wrong with them, and passes on what
 * they say. */
#include "kernel/firmware.h"

#include <stddef.h>

#include "drivers/clock.h"
#include "drivers/power.h"
#include "kernel/console/log.h"
#include "kernel/cpu/x86.h"
#include "lib/bits.h"
#include "mm/kernel_space.h"
#include "mm/platform.h"

/* What boot/start32.asm mapped. */
#define EARLY_MAPPED (4 * GIB)

/* BIOS data, and the memory of the BIOS.  A memory map may leave them out. */
#define LOW_END MIB

/* IA-PC HPET Specification 1.0a, section 2.3.1. */
#define HPET_BYTES 1024

static struct acpi acpi;

/* Whether all of the range is memory in the map, of any kind: registers of
 * devices must not be read by accident. */
static bool is_memory(const struct memory_map *map, paddr_t address,
                      paddr_t end)
{
    while (address < end) {
        const struct memory_range *range = memory_map_find(map, address);
        if (range == NULL || range->type == MEMORY_FRAMEBUFFER)
            return false;
        address = range->end;
    }
    return true;
}

/* ---- Above what boot/start32.asm mapped ---- */

/* A GiB of addresses that the early page tables do not use; what lies higher in
 * memory is shown there, 2 MiB after 2 MiB, until build_kernel_space. */
#define WINDOW_SLOT                                                            \
    257 /* of the PML4: behind the direct map's first 512 GiB                  \
         */
#define WINDOW_START (DIRECT_MAP_BASE + (UINT64_C(1) << 39))
#define WINDOW_PAGES 512

#define PRESENT_WRITABLE 3u
#define LARGE            (1u << 7)
#define NO_EXECUTE       (UINT64_C(1) << 63)

static struct {
    uint64_t directory[WINDOW_PAGES] __attribute__((aligned(PAGE_SIZE)));
    uint64_t directories[WINDOW_PAGES] __attribute__((aligned(PAGE_SIZE)));
    unsigned used;
} window;

static paddr_t image_paddr(const void *in_image)
{
    return (uintptr_t)in_image - KERNEL_BASE;
}

static void open_window(void)
{
    uint64_t *top = phys_to_virt(read_cr3() & ~(uint64_t)(PAGE_SIZE - 1));
    window.directories[0] = image_paddr(window.directory) | PRESENT_WRITABLE;
    top[WINDOW_SLOT] = image_paddr(window.directories) | PRESENT_WRITABLE;
}

/* Pages of the window that show `count` times 2 MiB from there on; the first,
 * or WINDOW_PAGES if there is no room.  Those that do by now are used again. */
static unsigned show(paddr_t start, uint64_t count)
{
    unsigned run = 0;
    for (unsigned i = 0; i < window.used; i++) {
        uint64_t entry =
            (start + run * SIZE_2M) | PRESENT_WRITABLE | LARGE | NO_EXECUTE;
        /* the CPU sets bits 5 and 6, accessed and dirty */
        bool same = (window.directory[i] & ~UINT64_C(0x60)) == entry;
        run = same ? run + 1 : 0;
        if (run == count)
            return i + 1 - run;
    }
    if (count > WINDOW_PAGES - window.used)
        return WINDOW_PAGES;
    if (window.used == 0)
        open_window();
    unsigned first = window.used;
    for (; count > 0; count--, start += SIZE_2M)
        window.directory[window.used++] =
            start | PRESENT_WRITABLE | LARGE | NO_EXECUTE;
    return first;
}

static const uint8_t *view_high(paddr_t address, paddr_t end)
{
    paddr_t start = align_down(address, SIZE_2M);
    unsigned page = show(start, (align_up(end, SIZE_2M) - start) / SIZE_2M);
    if (page == WINDOW_PAGES)
        return NULL;
    /* the address is not in any TLB: no entry for it was there before */
    return (const uint8_t *)(WINDOW_START + page * SIZE_2M + (address - start));
}

static const uint8_t *view(void *context, paddr_t address, uint64_t bytes)
{
    const struct memory_map *map = context;
    if (address >= map->limit || bytes > map->limit - address)
        return NULL;
    paddr_t end = address + bytes;
    if (end > LOW_END && !is_memory(map, address, end))
        return NULL;
    return end <= EARLY_MAPPED ? phys_to_virt(address)
                               : view_high(address, end);
}

static void log_problems(void)
{
    for (unsigned i = 0; i < acpi.problem_count && i < ACPI_PROBLEMS_MAX; i++) {
        const struct acpi_problem *problem = &acpi.problem[i];
        if (problem->times > 1)
            log_line(LOG_WARNING, "acpi", "%s: %s (0x%lx, %u times)",
                     problem->name, acpi_error_text(problem->error),
                     problem->value, problem->times);
        else
            log_line(LOG_WARNING, "acpi", "%s: %s (0x%lx)", problem->name,
                     acpi_error_text(problem->error), problem->value);
    }
    if (acpi.problem_count > ACPI_PROBLEMS_MAX)
        log_line(LOG_WARNING, "acpi", "and %u problems more",
                 acpi.problem_count - ACPI_PROBLEMS_MAX);
}

/* The first entry may have grown by others that adjoin it. */
static void log_overlaps(void)
{
    for (unsigned i = 0; i < acpi.overlap_count && i < ACPI_OVERLAPS_MAX; i++) {
        const struct acpi_node_memory *first = &acpi.overlap[i].first;
        const struct acpi_node_memory *second = &acpi.overlap[i].second;
        log_line(LOG_WARNING, "acpi",
                 "SRAT: 0x%lx-0x%lx of domain %u overlaps 0x%lx-0x%lx of "
                 "domain %u, which came first and has what both claim",
                 second->start, second->end - 1, acpi.domain[second->node],
                 first->start, first->end - 1, acpi.domain[first->node]);
    }
    if (acpi.overlap_count > ACPI_OVERLAPS_MAX)
        log_line(LOG_WARNING, "acpi", "SRAT: and %u overlaps more",
                 acpi.overlap_count - ACPI_OVERLAPS_MAX);
}

_Static_assert(ACPI_NODES_MAX == PLATFORM_NODES_MAX, "nodes are its domains");

unsigned firmware_memory_node(paddr_t address)
{
    for (unsigned i = 0; i < acpi.node_memory_count; i++)
        if (address >= acpi.node_memory[i].start &&
            address < acpi.node_memory[i].end)
            return acpi.node_memory[i].node;
    return 0;
}

/* Where the node changes first behind an address, at `end` at the latest. */
static paddr_t node_border(paddr_t address, paddr_t end)
{
    for (unsigned i = 0; i < acpi.node_memory_count; i++) {
        const struct acpi_node_memory *memory = &acpi.node_memory[i];
        if (memory->start > address && memory->start < end)
            end = memory->start;
        if (memory->end > address && memory->end < end)
            end = memory->end;
    }
    return end;
}

#define BORDERS_NAMED 8

static void log_border(paddr_t start, paddr_t end, uint32_t other)
{
    log_line(LOG_WARNING, "acpi",
             "SRAT: a border of nodes inside a GiB: 0x%lx-0x%lx, %lu KiB, of "
             "domain %u are taken as domain %u's",
             start, end - 1, (end - start) / KIB,
             acpi.domain[firmware_memory_node(start)], acpi.domain[other]);
}

/* The frame allocator takes a GiB as one node's, that of its first frame.  Says
 * what of free memory is another's. */
static void log_borders(const struct memory_map *map)
{
    uint64_t gib = UINT64_MAX, bytes_more = 0;
    unsigned count = 0;
    uint32_t node = 0;
    for (unsigned i = 0; i < map->count && acpi.node_count > 1; i++) {
        paddr_t at = map->range[i].start;
        if (!memory_type_is_free(map->range[i].type))
            continue;
        while (at < map->range[i].end) {
            if (at / GIB != gib) {
                gib = at / GIB;
                node = firmware_memory_node(at);
            }
            paddr_t end = map->range[i].end;
            if (end > (gib + 1) * GIB)
                end = (gib + 1) * GIB;
            end = node_border(at, end);
            if (firmware_memory_node(at) != node) {
                if (++count <= BORDERS_NAMED)
                    log_border(at, end, node);
                else
                    bytes_more += end - at;
            }
            at = end;
        }
    }
    if (count > BORDERS_NAMED)
        log_line(LOG_WARNING, "acpi", "SRAT: and %u such ranges more, %lu KiB",
                 count - BORDERS_NAMED, bytes_more / KIB);
}

static void log_tables(void)
{
    for (unsigned i = 0; i < acpi.table_count; i++)
        log_line(LOG_DEBUG, "acpi", "%s at 0x%lx, %u bytes", acpi.table[i].name,
                 acpi.table[i].address, acpi.table[i].length);
    log_line(LOG_INFO, "acpi",
             "revision %u, %u tables, %u processors (%u disabled), %u nodes",
             acpi.revision, acpi.table_count, acpi.cpu_count,
             acpi.cpus_disabled, acpi.node_count);
}

void firmware_read(const struct boot_info *info)
{
    struct acpi_memory memory = {view, (void *)&info->map};
    acpi_read(&acpi, &memory, info->rsdp.bytes, info->rsdp.length);
    log_problems();
    log_overlaps();
    log_borders(&info->map);
    if (acpi.found)
        log_tables();
    else
        log_line(LOG_INFO, "acpi", "there are no tables");
    clock_use_pm_timer(acpi.pm_timer, acpi.pm_timer_32_bits);
}

/* Maps registers of a device, or memory that the firmware keeps.  NULL if
 * address is 0; also if it cannot be mapped, which is logged. */
static volatile uint8_t *map(paddr_t address, uint64_t bytes, const char *name)
{
    void *registers;
    if (address == 0)
        return NULL;
    enum mm_error error = kernel_space_map_device(address, bytes, PAGE_UNCACHED,
                                                  name, &registers);
    if (error == MM_OK)
        return registers;
    log_line(LOG_WARNING, "acpi", "cannot map the %s at 0x%lx: %s", name,
             address, mm_error_text(error));
    return NULL;
}

static struct power_register map_power(struct acpi_register at,
                                       const char *name)
{
    return (struct power_register){at.port, map(at.memory, 1, name)};
}

void firmware_use(void)
{
    const struct acpi_power *told = &acpi.power;
    struct power_acpi power = {
        .can_sleep = told->has_s5,
        .sleep_type_a = told->s5_a,
        .sleep_type_b = told->s5_b,
        .pm1a_control = told->pm1a_control,
        .pm1b_control = told->pm1b_control,
        .smi_command = told->smi_command,
        .acpi_enable = told->acpi_enable,
        .sleep_control = map_power(told->sleep_control, "ACPI sleep register"),
        .reset = map_power(told->reset, "ACPI reset register"),
        .reset_value = told->reset_value,
    };
    power_set_acpi(&power);
    if (clock_ticks_per_ms() == 0 && acpi.hpet != 0)
        clock_use_hpet(map(acpi.hpet, HPET_BYTES, "HPET"));
    if (clock_ticks_per_ms() != 0)
        log_line(LOG_INFO, "clock", "%lu ticks in a millisecond, by the %s",
                 clock_ticks_per_ms(), clock_source());
    else
        log_line(LOG_WARNING, "clock", "no clock runs: times are not known");
}

const struct acpi *firmware_acpi(void)
{
    return &acpi;
}
