/* What the benchmarks of bench/ need from the kernel (bench/bench.h). */
#include "bench/bench.h"
#include "bench/heap_peers.h"
#include "drivers/clock.h"
#include "lib/assert.h"
#include "lib/bits.h"
#include "lib/string.h"
#include "mm/heap_range.h"
#include "mm/kernel_space.h"

const vaddr_t bench_scratch = SCRATCH_BASE;

_Static_assert(BENCH_SCRATCH_BYTES <= SCRATCH_BYTES, "as much is free");

uint64_t bench_ticks(void)
{
    return clock_ticks();
}

uint64_t bench_stamp_ticks(uint64_t stamps)
{
    return stamps * 100;
}

/* Only one CPU: the kernel counts the instructions of the CPU that it runs on.
 */
bool bench_run_on(unsigned threads, bool (*run)(void *state, uint64_t count),
                  void *state, uint64_t count, uint64_t *ticks)
{
    uint64_t begin = bench_ticks();
    bool well = threads == 1 && run(state, count);
    *ticks = bench_ticks() - begin;
    return well;
}

void bench_meet(void)
{
}

/* Nothing: plots are drawn from what the host measures. */
void bench_sample(const char *plot, const char *subject, uint64_t x, uint64_t y)
{
    (void)plot;
    (void)subject;
    (void)x;
    (void)y;
}

/* Pages, not blocks of the kernel's heap: a measured heap must not lie in
 * another heap. */
void *bench_take(size_t bytes)
{
    void *pages;
    if (kernel_space_alloc_pages(align_up(bytes, PAGE_SIZE), PAGE_SIZE,
                                 VIRTUAL_NO_GUARD, "bench", &pages) != MM_OK)
        return NULL;
    return memset(pages, 0, bytes);
}

void bench_give(void *memory, size_t bytes)
{
    enum mm_error error = kernel_space_free_pages(memory);
    ASSERT(error == MM_OK, "%zu bytes at %p: %s", bytes, memory,
           mm_error_name(error));
}

/* Each heap gets a heap range, as the kernel's heap has one, in a part of the
 * scratch region. */

#define HEAPS_MAX 8
#define HEAP_PART (BENCH_SCRATCH_BYTES / HEAPS_MAX)

static struct heap_range heap_ranges[HEAPS_MAX];

bool bench_heap_region(struct heap_region *region, size_t limit)
{
    for (unsigned i = 0; i < HEAPS_MAX && limit <= HEAP_PART; i++)
        if (heap_ranges[i].limit == 0) {
            *region = heap_range_region(&heap_ranges[i],
                                        bench_scratch + i * HEAP_PART, limit);
            return true;
        }
    return false;
}

void bench_heap_region_end(const struct heap_region *region)
{
    struct heap_range *range =
        &heap_ranges[((vaddr_t)region->start - bench_scratch) / HEAP_PART];
    heap_range_release(range);
    *range = (struct heap_range){0};
}

void bench_huge_pages(bool wanted)
{
    (void)wanted;
}

bool bench_machine(uint64_t bytes)
{
    return bytes == 0;
}

struct page_table *bench_page_table(void)
{
    return kernel_space_table();
}

/* No other allocator runs in the kernel, and it has no benchmarks of its own.
 */

const char *heap_peer_name(unsigned number)
{
    (void)number;
    return NULL;
}

const struct heap_peer *heap_peer(unsigned number)
{
    (void)number;
    return NULL;
}

const struct bench bench_here[] = {{0}};
