/* The report about the machine and its memory: one screen. */
#include "kernel/prompt/report.h"

#include "drivers/clock.h"
#include "kernel/console/console.h"
#include "kernel/cpu/cpu.h"
#include "kernel/cpu/percpu.h"
#include "kernel/cpu/request.h"
#include "kernel/cpu/smp.h"
#include "kernel/image.h"
#include "lib/bits.h"
#include "lib/format.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/kernel_space.h"
#include "version.h" /* made by the Makefile */

/* At most this many ranges are shown, so that the report fits on a screen.  A
 * firmware's map may have a hundred. */
#define RANGES_SHOWN 12

/* Prints "123 MiB" or "640 KiB": in the largest unit of which there are at
 * least 10. */
static void print_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned unit = 0;
    while (bytes >= 10 * KIB && unit < 4) {
        bytes /= KIB;
        unit++;
    }
    printf("%5lu %-3s", bytes, units[unit]);
}

static void print_map(const struct memory_map *map)
{
    uint64_t usable = 0;
    for (unsigned i = 0; i < map->count; i++)
        if (memory_type_is_free(map->range[i].type))
            usable += map->range[i].end - map->range[i].start;
    printf("memory map, %u ranges, usable ", map->count);
    print_bytes(usable);
    printf("\n");
    for (unsigned i = 0; i < map->count && i < RANGES_SHOWN; i++) {
        const struct memory_range *range = &map->range[i];
        printf("  %012lx-%012lx ", range->start, range->end - 1);
        print_bytes(range->end - range->start);
        printf("  %s\n", memory_type_name(range->type));
    }
    if (map->count > RANGES_SHOWN)
        printf("  and %u more\n", map->count - RANGES_SHOWN);
}

static void print_frames(void)
{
    struct frame_stats stats;
    frame_stats(&stats);
    printf("frames, free:  %lu x 1G   %lu x 2M   %lu x 4K   = ",
           stats.free[FRAME_1G], stats.free[FRAME_2M], stats.free[FRAME_4K]);
    print_bytes(stats.free_bytes);
    printf(" of ");
    print_bytes(stats.managed_bytes);
    uint64_t described = stats.gibs * SIZE_1G;
    uint64_t ppm = (stats.metadata_bytes * 1000000 + described / 2) / described;
    printf("\nmetadata:      %lu bytes for the %lu GiB that hold RAM: "
           "%lu.%04lu %%, %lu bytes a GiB\n",
           stats.metadata_bytes, stats.gibs, ppm / 10000, ppm % 10000,
           stats.metadata_bytes / stats.gibs);
}

/* ---- The command `frames` ---- */

static void print_share(const char *what, uint64_t part, uint64_t whole)
{
    printf("  %-26s", what);
    print_bytes(part);
    printf(", %lu %%\n", whole == 0 ? 0 : part * 100 / whole);
}

static void print_node(const char *name, unsigned node)
{
    struct frame_stats stats;
    frame_node_stats(node, &stats);
    if (stats.gibs == 0)
        return;
    printf("%s: %lu GiB with RAM, trees: %lu, free ", name, stats.gibs,
           stats.trees);
    print_bytes(stats.free_bytes);
    printf(" of ");
    print_bytes(stats.managed_bytes);
    printf("\n");
}

/* How full the split 2Ms are: for each eighth, how many 2Ms, as one digit, 9
 * also for more. */
static void print_gib(const struct frame_gib_stats *gib)
{
    printf("  %012lx  %3u %3u %3u  ", gib->start, gib->free_2m, gib->split_2m,
           gib->held_2m);
    for (unsigned i = 0; i < 8; i++)
        printf("%u", gib->by_fill[i] < 9 ? gib->by_fill[i] : 9);
    printf("  %lu\n", gib->free_4k);
}

#define GIBS_SHOWN 32

static void print_gibs(void)
{
    struct frame_gib_stats gib;
    unsigned count = 0, wholly_free = 0;
    printf("GiB at        2Ms: free, split, held; the split ones by eighths "
           "that are\n              held, from 0 to 7 (9: nine or more); free "
           "4Ks in them\n");
    for (unsigned i = 0; frame_gib_stats(i, &gib); i++) {
        if (gib.whole)
            wholly_free++;
        else if (count++ < GIBS_SHOWN)
            print_gib(&gib);
    }
    if (count > GIBS_SHOWN)
        printf("  and %u more\n", count - GIBS_SHOWN);
    printf("  and %u that are wholly free\n", wholly_free);
}

void report_print_frames(void)
{
    struct frame_stats stats;
    print_frames();
    frame_stats(&stats);
    printf("free memory that is in pieces, share of all free memory:\n");
    print_share("in no free 2M", stats.unusable_bytes[FRAME_2M],
                stats.free_bytes);
    print_share("in no free 1G", stats.unusable_bytes[FRAME_1G],
                stats.free_bytes);
    if (stats.retired + stats.to_retire != 0)
        printf("broken 4Ks: %lu taken out of use, %lu still held\n",
               stats.retired, stats.to_retire);
    for (unsigned node = 0; node < PLATFORM_NODES_MAX; node++) {
        char name[16];
        format_string(name, sizeof(name), "node %u", node);
        print_node(name, node);
    }
    print_node("uncached, given out last", FRAME_NODE_UNCACHED);
    print_gibs();
}

static void print_heap(void)
{
    struct heap *heap = heap_kernel();
    struct heap_stats stats = heap_stats(heap);
    printf("heap:          %s: %zu blocks, %zu bytes asked for, ",
           heap_backend_name(heap->backend), stats.blocks, stats.requested);
    print_bytes(stats.region);
    printf(" backed\n");
}

void report_print_memory(const struct boot_info *info)
{
    print_map(&info->map);
    print_frames();
    print_heap();
}

static void print_protections(void)
{
    printf("protection:   ");
    for (unsigned i = 0; i < CPU_PROTECTION_COUNT; i++)
        if (cpu_protection_is_on(i))
            printf(" %s", cpu_protection_name(i));
    for (unsigned i = 0; i < CPU_PROTECTION_COUNT; i++)
        if (!cpu_protection_is_on(i))
            printf(" (no %s)", cpu_protection_name(i));
    printf("\n");
}

static uint64_t begun;

void report_begin(void)
{
    begun = clock_ticks();
}

static void print_time(void)
{
    uint64_t now = clock_ticks(), per_ms = clock_ticks_per_ms();
    if (per_ms == 0)
        printf("time:          %lu ticks since power-on, %lu of them ours: "
               "no clock runs\n",
               now, now - begun);
    else
        printf("time:          %lu ms since power-on, %lu ms of them ours\n",
               now / per_ms, (now - begun) / per_ms);
}

static void print_processors(void)
{
    struct smp_stats stats;
    smp_stats(&stats);
    printf("processors:    %u of %u", stats.up, stats.planned);
    if (stats.planned > 1)
        printf(", the others up in %lu.%lu ms", stats.start_us / 1000,
               stats.start_us % 1000 / 100);
    printf("\n");
}

static const char *state_name(uint32_t state)
{
    static const char *const names[] = {
        [PERCPU_OFF] = "not started",
        [PERCPU_RUNNING] = "running",
        [PERCPU_IDLE] = "idle",
        [PERCPU_IDLE_STALE] = "idle, TLB to flush",
    };
    return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

void report_print_cpus(void)
{
    print_processors();
    printf("  cpu  APIC ID  node  state\n");
    for (unsigned i = 0; i < percpu_count(); i++) {
        const struct percpu *cpu = percpu_get(i);
        if (cpu != NULL)
            printf("  %3u  %7u  %4u  %s\n", i, cpu->apic_id, percpu_node(i),
                   state_name(cpu->state));
        else
            printf("  %3u        -     -  no memory for it\n", i);
    }
    struct request_stats stats;
    request_stats(&stats);
    printf(
        "requests:      %lu made to all other CPUs; %lu times one was "
        "interrupted,\n               %lu times it was idle and left alone\n",
        stats.rounds, stats.asked, stats.left);
}

void report_print(const struct boot_info *info)
{
    const struct cpu *cpu = cpu_get();
    printf("\nCopse " COPSE_VERSION "\n\n"
           "cpu:           %s, %u physical bits, 1G pages: %s\n"
           "loader:        %s\n",
           cpu->name, cpu->paddr_bits, cpu->pages_1g ? "yes" : "no",
           info->loader_name);
    print_processors();
    print_protections();
    printf("image:         ");
    print_bytes((uint64_t)(image_end - image_start));
    printf(" at 0x%lx\n", (uintptr_t)image_start - KERNEL_BASE);
    print_time();
    report_print_memory(info);
    printf("\nType 'help' for the commands.\n");
}
