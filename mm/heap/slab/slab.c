/* The back-end slab, the default: size classes, and magazines for each CPU.
 *
 *   CPU 0            CPU 1           each with two magazines a class
 *   [loaded  ]       [loaded  ]
 *   [previous]       [previous]      no lock: mm/cpu/cpu_section.h
 *        \              /
 *     depot: full magazines          one a class, under its lock
 *              |
 *     slabs: a set512 of free slots  the same
 *              |
 *     pages: runs of them            mm/heap/slab/pages.h, under heap->lock
 *
 * A call that finds what it needs in its CPU's magazines takes no lock and has
 * no locked instruction.  All others go the slow way: to the previous magazine,
 * to the depot, to the slabs, a bounded number of blocks at a time.  A handler
 * that hit a call on the same CPU goes straight to the slabs; if it hit even
 * the holder of the lock that it needs there, its allocation is refused, and
 * what it frees waits in a list of the class for the next that gets the lock.
 *
 * Where a block is free is known from its note (mm/heap/slab/slab.h), the only
 * thing that the fast path touches but for the magazine: neither it nor its
 * slab's set is.
 *
 * Locks: a class's before heap->lock; stop_lock before all, and not in a
 * section.  Large blocks, over SIZE_CLASS_BYTES_MAX or aligned to more than a
 * page, are runs of pages.
 */
#include "mm/heap/slab/slab.h"

#include "lib/assert.h"
#include "mm/heap/slab/large.h"
#include "mm/platform.h"

/* Bytes in the blocks of one magazine, and of the full ones in a depot; and how
 * many there are, at least and at most. */
#define MAGAZINE_BYTES (64 * KIB)
#define ROUNDS_MIN     2
#define ROUNDS_MAX     254
#define DEPOT_BYTES    (64 * KIB)
#define DEPOT_MIN      1
#define DEPOT_MAX      32

/* In a smaller region magazines would hold too much of it; and so would the
 * CPUs themselves, if they took more than this part of it. */
#define REGION_FOR_MAGAZINES (128 * KIB)
#define CPUS_SHARE           8

static void slab_trim(struct heap *heap)
{
    (void)slab_reclaim(heap);
}

static unsigned clamp(size_t value, unsigned least, unsigned most)
{
    if (value < least)
        return least;
    return value > most ? most : (unsigned)value;
}

static void make_class(struct slab_class *class, unsigned number)
{
    size_t bytes = size_class_bytes(number);
    struct size_class_shape shape = size_class_shape(number);

    class->bytes = (uint32_t)bytes;
    class->reciprocal = (uint32_t)((((uint64_t)1 << 32) + bytes - 1) / bytes);
    class->pages = (uint16_t)shape.pages;
    class->slots = (uint16_t)shape.slots;
    class->list_step = (SLAB_LISTS << 16) / (shape.slots + 1);
    class->rounds =
        (uint16_t)clamp(MAGAZINE_BYTES / bytes, ROUNDS_MIN, ROUNDS_MAX);
    class->full_max = (uint16_t)clamp(DEPOT_BYTES / (bytes * class->rounds),
                                      DEPOT_MIN, DEPOT_MAX);
}

static void make_cpu(struct slab_heap *slabs, struct slab_cpu *cpu)
{
    *cpu = (struct slab_cpu){0};
    for (unsigned number = 0; number < SIZE_CLASSES; number++) {
        slab_load(cpu, number, &slabs->none);
        cpu->previous[number] = &slabs->none;
    }
}

/* Makes the region's first bytes usable, of which some are. */
static bool own(struct heap *heap, size_t bytes)
{
    return bytes <= heap->region.size ||
           heap_grow(heap, align_up(bytes, HEAP_GRANULE) - heap->region.size);
}

static void slab_init(struct heap *heap)
{
    static const size_t entries[] = {PAGE_NOTES, sizeof(struct slab), 1,
                                     sizeof(uint32_t), 0};
    vaddr_t region = (vaddr_t)heap->region.start;
    vaddr_t at = align_up(region, _Alignof(struct slab_heap));
    struct slab_heap *slabs = heap->state = (struct slab_heap *)at;
    size_t owned = at + sizeof(*slabs) - region;
    unsigned cpus = platform_cpu_count();
    size_t for_cpus = cpus * sizeof(struct slab_cpu);

    *slabs = (struct slab_heap){0};
    for (unsigned number = 1; number < SIZE_CLASSES; number++)
        make_class(&slabs->class[number], number);
    make_cpu(slabs, &slabs->closed);
    slabs->closed.section.stopped = 1;
    slabs->cpu = &slabs->closed;
    slabs->trusting = heap->checks == HEAP_CHECKS_OFF;
    if (heap->region.limit >= REGION_FOR_MAGAZINES &&
        heap->region.limit / CPUS_SHARE >= for_cpus &&
        own(heap, owned + for_cpus)) {
        slabs->cpu = (struct slab_cpu *)(slabs + 1);
        slabs->cpu_count = cpus;
        slabs->cpu_mask = SIZE_MAX;
        owned += for_cpus;
        for (unsigned i = 0; i < cpus; i++)
            make_cpu(slabs, &slabs->cpu[i]);
    }
    /* without CPUs every call of both goes the slow way */
    slabs->calls = slabs->trusting && slabs->cpu_count > 0
                       ? &slab_trusting_calls
                       : &slab_calls;
    heap_use_calls(heap, slabs->calls);
    /* what has grown beyond stays unused where memory comes in pieces */
    if (heap->region.back && owned < heap->region.size)
        owned = heap->region.size;
    bool fits = pages_init(&slabs->pages, heap, owned, entries);
    ASSERT(fits, "no page in %zu bytes", heap->region.limit);

    slabs->start = slabs->pages.start;
    slabs->pages_known = slabs->pages.ready;
    slabs->notes = (uint8_t *)slabs->pages.row[0].start;
    slabs->slabs = (struct slab *)slabs->pages.row[1].start;
    slabs->classes = (uint8_t *)slabs->pages.row[2].start;
    slabs->classes_from_0 = (vaddr_t)slabs->classes - slabs->start / PAGE_SIZE;
    slabs->runs = (uint32_t *)slabs->pages.row[3].start;
}

static void slab_fini(struct heap *heap)
{
    large_free_all(heap);
    pages_fini(&slab_heap(heap)->pages);
}

const struct heap_backend heap_slab = {
    .name = "slab",
    .help =
        "size classes; two magazines a class and CPU, no lock (the default)",
    .region_min = sizeof(struct slab_heap) + _Alignof(struct slab_heap) +
                  2 * PAGE_SIZE + PAGE_SIZE / 8,
    .init = slab_init,
    .fini = slab_fini,
    .trim = slab_trim,
    .calls = &slab_calls,
};
