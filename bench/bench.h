/* Benchmarks: one source for the host and the kernel.
 *
 * A row of a suite's table is one subject doing one workload.  Rows of one
 * workload with the same bytes and threads stand together: they are set up
 * together, run in turns, and are compared with each other.
 *
 * In the kernel, under QEMU's -icount, a tick is one instruction, and every run
 * gives the same counts.  On the host a tick is a nanosecond.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mm/heap.h"
#include "mm/page_table.h"

enum bench_place { BENCH_KERNEL, BENCH_HOST, BENCH_PLACES };

enum bench_role {
    BENCH_SUBJECT,
    BENCH_REFERENCE, /* what subjects are compared with */
    BENCH_YARDSTICK, /* no allocator, and compared with nothing: the same loop
                      * with an empty body or a single instruction */
};

/* One of the figures that a workload measures. */
struct bench_figure {
    const char *name; /* follows the workload's name and a '-' */
    const char *unit; /* NULL: ticks */
    bool more_is_better;
};

#define BENCH_FIGURES_MAX 6

struct bench {
    const char *suite, *workload;

    /* The name of the one subject.  If it is NULL, the row has many subjects:
     * variant gives the name of each number from 0 on, and then NULL. */
    const char *subject;
    const char *(*variant)(unsigned number);

    enum bench_role role;
    uint64_t bytes;   /* mapped, managed or allocated, depending on the workload
                       */
    unsigned threads; /* that run at the same time; 0 means 1 */

    /* Operations of each thread in one pass; 0: this is no benchmark of that
     * place. */
    uint64_t count[BENCH_PLACES];

    /* Sets up, and returns the state.  NULL if it cannot run here; bench_cannot
     * may have been told why.  end undoes it. */
    void *(*begin)(const struct bench *bench, unsigned variant);
    void (*end)(void *state);

    /* One pass; the figure is its mean time for an operation.  before and
     * after, which may be NULL, are not timed.  False: an operation failed, and
     * the figure is void.  With several threads, run is called on CPUs 0, 1,
     * ... at the same time with the same state (platform_cpu tells which CPU it
     * is), and the time ends with the last of them. */
    void (*before)(void *state, uint64_t count);
    bool (*run)(void *state, uint64_t count);
    void (*after)(void *state, uint64_t count);

    /* Used in place of before, run and after, for a pass that measures
     * something other than time; begin may then be NULL.  Stores a figure, in
     * hundredths of its unit, for each entry of `figures`, a list that ends
     * with an entry without a name. */
    bool (*measure)(void *state, uint64_t count, uint64_t *figure);
    const struct bench_figure *figures;

    bool once; /* every pass gives the same figures: one is enough */

    /* The project's goals, in hundredths; 0: there is none.  ratio_goal: at
     * most this multiple of the best reference.  goal: for each figure, in
     * nanoseconds or in its unit.  known: the best figure that was known of any
     * allocator before, on the machine that the goals are for. */
    unsigned ratio_goal;
    uint64_t goal[BENCH_FIGURES_MAX], known[BENCH_FIGURES_MAX];
};

/* Stands for a goal or a known figure of 0, because 0 means that there is none.
 */
#define BENCH_ZERO UINT64_MAX

/* All suites: tables that end with a row without a suite. */
extern const struct bench *const bench_suites[];
extern const struct bench bench_page[], bench_range[], bench_frame[],
    bench_heap[];

/* Benchmarks that only this place has; also a table. */
extern const struct bench bench_here[];

typedef int bench_print(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Runs the benchmarks of a suite or a workload, or all if the name is "": one
 * pass that is not timed, then `passes` passes, of which it takes the medians.
 * tick is the name of what bench_ticks counts.  Prints a table with `table`
 * during the run, then every result as one line of JSON with `json`.  False if
 * there was no benchmark of that name. */
bool bench_run(enum bench_place place, const char *name, unsigned passes,
               const char *tick, bench_print *table, bench_print *json);

/* ---- What each place implements ---- */

/* The time now. */
uint64_t bench_ticks(void);

/* How many hundredths of ticks so many steps of bench_stamp are. */
uint64_t bench_stamp_ticks(uint64_t stamps);

/* Calls run on CPUs 0 to threads - 1 at the same time, and sets *ticks to the
 * time from the common start to the last end.  False if one of the calls
 * returned false, or if there are fewer CPUs. */
bool bench_run_on(unsigned threads, bool (*run)(void *state, uint64_t count),
                  void *state, uint64_t count, uint64_t *ticks);

/* Adds a point to a plot: y, in hundredths, of this subject at x.  The host
 * stores the points if it is asked to. */
void bench_sample(const char *plot, const char *subject, uint64_t x,
                  uint64_t y);

/* In a run on several CPUs: waits until all of them have called it. */
void bench_meet(void);

/* bench_take: memory for a workload, 64-byte aligned and zeroed, or NULL.
 * bench_give frees it. */
void *bench_take(size_t bytes);
void bench_give(void *memory, size_t bytes);

/* Makes a region for a heap of at most this many bytes (whole pages), which
 * gets memory as the heap grows.  False if that is not possible now.
 * bench_heap_region_end frees it, after heap_fini. */
bool bench_heap_region(struct heap_region *region, size_t limit);
void bench_heap_region_end(const struct heap_region *region);

/* Whether memory that is touched for the first time from now on may lie in huge
 * pages, also that of other allocators.  Allowed until the first call.  In the
 * kernel mm/ chooses the pages, and this does nothing. */
void bench_huge_pages(bool wanted);

/* Sets up the frame allocator for a machine with so much memory, all of it
 * free.  The kernel has only the machine that it runs on: 0 stands for that
 * one, and any other value returns false. */
bool bench_machine(uint64_t bytes);

/* bench_page_table: a page table, or NULL. bench_scratch: where its
 * BENCH_SCRATCH_BYTES unused addresses begin. */
struct page_table *bench_page_table(void);
extern const vaddr_t bench_scratch;
#define BENCH_SCRATCH_BYTES (UINT64_C(1) << 36)

/* ---- For workloads ---- */

/* Called by a begin that is about to return NULL: says why, such as "not
 * installed".  The text must live on. */
void bench_cannot(const char *why);

/* What bench_cannot was told last. */
const char *bench_why_not(void);

/* The time-stamp counter, read after all earlier instructions are done.  For
 * single calls, which are too short for bench_ticks.  AMD64 manual 3, RDTSC. */
static inline uint64_t bench_stamp(void)
{
    uint32_t low, high;
    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Makes the compiler assume that this pointer, and all memory that it can
 * reach, is used. */
static inline void bench_use(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

/* A pseudo-random number below limit, which is under 2^32; xorshift64
 * (Marsaglia 2003). */
static inline uint32_t bench_random(uint64_t *state, uint32_t limit)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)((*state >> 32) * limit >> 32);
}

#endif
