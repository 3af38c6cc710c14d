/* Memory from all CPUs at once: allocated here, freed there, and in the end
 * every frame accounted for. */
#include <stdatomic.h>

#include "kernel/cpu/percpu.h"
#include "kernel/cpu/smp.h"
#include "kernel/selftest/selftest.h"
#include "lib/bits.h"
#include "mm/frame.h"
#include "mm/heap.h"
#include "mm/platform.h"
#include "tests/shared/patient.h"

/* ---- Every frame of the machine ---- */

/* One bit a 4K from `first` on: what was handed out, and where a block begins.
 */
static struct {
    paddr_t first, last; /* multiples of 1G */
    _Atomic uint64_t *taken, *start;
    enum frame_size largest;
    _Atomic uint64_t bytes;
    _Atomic unsigned overlaps, refused, outside;
    _Atomic paddr_t next; /* the GiB to be freed next */
} all;

static bool all_begin(enum frame_size largest)
{
    const struct memory_map *map = &selftest_boot_info->map;
    all.first = PADDR_NONE;
    for (unsigned i = 0; i < map->count; i++) {
        if (!memory_type_is_free(map->range[i].type))
            continue;
        if (all.first == PADDR_NONE)
            all.first = align_down(map->range[i].start, SIZE_1G);
        all.last = align_up(map->range[i].end, SIZE_1G);
    }
    uint64_t bitmap = (all.last - all.first) / SIZE_4K / 8;
    all.taken = kzalloc(bitmap);
    all.start = kzalloc(bitmap);
    all.largest = largest;
    all.bytes = 0;
    all.overlaps = all.refused = all.outside = 0;
    all.next = all.first;
    return all.taken != NULL && all.start != NULL;
}

static void all_end(void)
{
    kfree((void *)all.taken);
    kfree((void *)all.start);
}

/* relaxed, here and below: only that no two get one bit counts, and who reads
 * them all comes after smp_run_on_all */
static void mark(paddr_t frame, enum frame_size size)
{
    uint64_t i = (frame - all.first) / SIZE_4K;
    uint64_t mask = size == FRAME_4K ? UINT64_C(1) << i % 64 : UINT64_MAX;
    uint64_t words = size == FRAME_4K ? 1 : frame_bytes(size) / SIZE_4K / 64;
    for (uint64_t word = i / 64; word < i / 64 + words; word++)
        if (atomic_fetch_or_explicit(&all.taken[word], mask,
                                     memory_order_relaxed) &
            mask)
            all.overlaps++;
    atomic_fetch_or_explicit(&all.start[i / 64], UINT64_C(1) << i % 64,
                             memory_order_relaxed);
}

static void take_all(void *argument)
{
    (void)argument;
    uint64_t bytes = 0;
    for (unsigned i = 0; i <= all.largest; i++) {
        enum frame_size size = all.largest - i;
        for (paddr_t frame; (frame = patient_alloc(size)) != PADDR_NONE;
             bytes += frame_bytes(size)) {
            if (frame < all.first || frame >= all.last)
                all.outside++;
            else
                mark(frame, size);
        }
    }
    all.bytes += bytes;
}

static void free_gib(paddr_t gib)
{
    uint64_t from = (gib - all.first) / SIZE_4K / 64;
    for (uint64_t word = from; word < from + SIZE_1G / SIZE_4K / 64; word++) {
        uint64_t bits =
            atomic_load_explicit(&all.start[word], memory_order_relaxed);
        for (; bits != 0; bits &= bits - 1) {
            uint64_t i = word * 64 + (unsigned)__builtin_ctzll(bits);
            if (patient_free(all.first + i * SIZE_4K) != MM_OK)
                all.refused++;
        }
    }
}

/* By GiBs, so most frames are freed by another CPU than took them. */
static void free_all(void *argument)
{
    (void)argument;
    for (paddr_t gib; (gib = atomic_fetch_add(&all.next, SIZE_1G)) < all.last;)
        free_gib(gib);
}

static void everything(enum frame_size largest)
{
    struct frame_stats before, empty, after;
    if (!all_begin(largest)) {
        all_end();
        selftest_fail(__FILE__, __LINE__, "memory for the marks",
                      "%lu MiB to mark", (all.last - all.first) / MIB);
        return;
    }
    frame_stats(&before);
    smp_run_on_all(take_all, NULL);
    frame_stats(&empty);
    smp_run_on_all(free_all, NULL);
    frame_stats(&after);
    all_end();
    EXPECT(all.overlaps == 0 && all.outside == 0,
           "%u words were handed out twice, %u blocks lie outside",
           all.overlaps, all.outside);
    EXPECT(empty.free_bytes == 0, "%lu bytes were left", empty.free_bytes);
    EXPECT(all.bytes == before.free_bytes, "%lu bytes came, %lu were free",
           all.bytes, before.free_bytes);
    EXPECT(all.refused == 0, "%u frames were refused back", all.refused);
    for (enum frame_size size = FRAME_4K; size <= FRAME_1G; size++)
        EXPECT(after.free[size] == before.free[size],
               "frames of size %u: %lu before, %lu after", size,
               before.free[size], after.free[size]);
}

SELFTEST(parallel, every_frame_largest_first)
{
    everything(FRAME_1G);
}

/* As 4K frames on a machine where that does not outlast all other tests. */
#define ALL_4K_UP_TO GIB

SELFTEST(parallel, every_frame_small)
{
    struct frame_stats stats;
    frame_stats(&stats);
    everything(stats.managed_bytes <= ALL_4K_UP_TO ? FRAME_4K : FRAME_2M);
}

/* ---- From hand to hand ---- */

/* Each CPU fills its tray, all wait for each other, and each empties that of
 * the next CPU that is up. */
#define TRAY 32

struct tray {
    void *volatile item[TRAY];
    volatile size_t size[TRAY];
};

static struct tray trays[PLATFORM_CPUS_MAX];
static unsigned cpus_up[PLATFORM_CPUS_MAX], up_count;
static _Atomic unsigned arrived;
static _Atomic unsigned wrong, missing;

static void find_cpus(void)
{
    up_count = 0;
    for (unsigned i = 0; i < percpu_count(); i++)
        if (percpu_get(i) != NULL && percpu_get(i)->state != PERCPU_OFF)
            cpus_up[up_count++] = i;
    arrived = 0;
    wrong = missing = 0;
}

static struct tray *next_tray(void)
{
    for (unsigned i = 0; i < up_count; i++)
        if (cpus_up[i] == platform_cpu())
            return &trays[cpus_up[(i + 1) % up_count]];
    return &trays[platform_cpu()];
}

static void meet(unsigned time)
{
    atomic_fetch_add(&arrived, 1);
    while (atomic_load(&arrived) < time * up_count)
        platform_relax();
}

static uint64_t pattern(unsigned cpu, unsigned i)
{
    return UINT64_C(0x9e3779b97f4a7c15) * (cpu * TRAY + i + 1);
}

#define ROUNDS 5

static void pass_frames(void *argument)
{
    (void)argument;
    unsigned self = platform_cpu();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < TRAY; i++) {
            paddr_t frame = patient_alloc(FRAME_4K);
            if (frame == PADDR_NONE) {
                missing++;
                trays[self].item[i] = NULL;
                continue;
            }
            *(volatile uint64_t *)phys_to_virt(frame) = frame;
            trays[self].item[i] = phys_to_virt(frame);
        }
        meet(2 * round + 1);
        struct tray *tray = next_tray();
        for (unsigned i = 0; i < TRAY; i++) {
            volatile uint64_t *item = tray->item[i];
            if (item == NULL)
                continue;
            wrong += *item != virt_to_phys((const void *)item);
            wrong += patient_free(virt_to_phys((const void *)item)) != MM_OK;
        }
        meet(2 * round + 2);
    }
}

SELFTEST(parallel, frames_change_hands)
{
    find_cpus();
    smp_run_on_all(pass_frames, NULL);
    EXPECT(missing == 0 && wrong == 0, "%u were not there, %u wrong", missing,
           wrong);
}

static void pass_blocks(void *argument)
{
    (void)argument;
    unsigned self = platform_cpu();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < TRAY; i++) {
            size_t size = 8 + (pattern(self, i + round) >> 32) % 3000;
            uint64_t *block = kmalloc(size);
            trays[self].item[i] = block;
            trays[self].size[i] = size;
            if (block == NULL) {
                missing++;
                continue;
            }
            block[0] = pattern(self, i);
            block[size / 8 - 1] = pattern(self, i);
        }
        meet(2 * round + 1);
        struct tray *tray = next_tray();
        for (unsigned i = 0; i < TRAY; i++) {
            uint64_t *block = tray->item[i];
            if (block == NULL)
                continue;
            wrong += block[0] != pattern((unsigned)(tray - trays), i);
            wrong += block[tray->size[i] / 8 - 1] !=
                     pattern((unsigned)(tray - trays), i);
            kfree(block);
        }
        meet(2 * round + 2);
    }
}

SELFTEST(parallel, heap_blocks_change_hands)
{
    struct heap_stats before = heap_stats(heap_kernel());
    find_cpus();
    smp_run_on_all(pass_blocks, NULL);
    struct heap_stats after = heap_stats(heap_kernel());
    EXPECT(missing == 0 && wrong == 0, "%u were not there, %u wrong", missing,
           wrong);
    EXPECT(after.blocks == before.blocks && after.requested == before.requested,
           "%lu blocks before, %lu after", before.blocks, after.blocks);
}
